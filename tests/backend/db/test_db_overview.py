"""The reads behind Overview: roll-ups by slice and in sum, failures by class, the course of a queue."""

from __future__ import annotations

import random
import time

import pytest
import sqlalchemy as sa

from umbel_backend import states
from umbel_backend.db.changes import Changes, QueueSample
from umbel_backend.db.lease import Lease
from umbel_backend.db.query import run
from umbel_backend.db.rollup import RollupBuffer
from umbel_backend.db.statements import rollups, samples, summary
from umbel_backend.db.writer import Writer
from umbel_backend.records import TaskRecord

HOUR = 3_600.0


def ended(number: int, state: str, at: float, **fields: object) -> TaskRecord:
    record = TaskRecord(id=f"t{number}", name="mail", state=state, state_at=at, finished_at=at)
    for name, value in fields.items():
        setattr(record, name, value)
    return record


def sample(name: str, at: float, ready: int, **fields: object) -> QueueSample:
    return QueueSample(name=name, at=at, ready=ready, by_priority={"0": ready}, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (10 * HOUR, 10 * HOUR + 900),
        (9 * HOUR + 1_234, 15 * HOUR + 77),
        (8 * HOUR + 60, 9 * HOUR),
        (7 * HOUR - 60, 31 * HOUR + 60),
    ],
)
def test_sums_over_hours_and_minutes_are_those_over_every_task(
    engine: sa.Engine, start: float, end: float
) -> None:
    chance, buffer = random.Random(5), RollupBuffer()
    tasks = [
        (chance.choice("ab"), chance.choice([states.SUCCESS, states.FAILURE]), at, at % 7)
        for at in (chance.uniform(0, 40 * HOUR) for _ in range(3_000))
    ]
    for name, state, at, runtime_s in tasks:
        buffer.add(name, state, at, runtime_s)
    Writer(engine).write(Changes(rollups=buffer.drain()))
    low, high = start // 60 * 60, -(-end // 60) * 60
    expected: dict[tuple[str, str], list[float]] = {}
    for name, state, at, runtime_s in tasks:
        if low <= at < high:
            expected.setdefault((name, state), []).append(runtime_s)
    found = run(engine, rollups.tallies(start, end))
    assert {key: tally.count for key, tally in found.items()} == {
        key: len(runtimes) for key, runtimes in expected.items()
    }
    for key, runtimes in expected.items():
        assert found[key].runtime_sum_s == pytest.approx(sum(runtimes))
        assert found[key].runtime_max_s == pytest.approx(max(runtimes))
        assert found[key].measured == len(runtimes)


def test_slices_are_whole_and_in_order_and_add_up(engine: sa.Engine) -> None:
    buffer = RollupBuffer()
    for second in range(0, 1_800, 3):
        buffer.add("mail", states.SUCCESS, HOUR + second, 0.4)
    buffer.add("mail", states.FAILURE, HOUR + 601.0, 30.0)
    Writer(engine).write(Changes(rollups=buffer.drain()))
    found = run(engine, rollups.slices(HOUR - 400, HOUR + 1_800, 300))
    assert [one.start - HOUR for one in found] == [-600, -300, 0, 300, 600, 900, 1_200, 1_500]
    counts = [sum(tally.count for tally in one.by_state.values()) for one in found]
    assert counts == [0, 0, 100, 100, 101, 100, 100, 100]
    together = rollups.summed(found[4].by_state.values())
    assert together.quantile(1.0) == pytest.approx(30.0)
    assert 0.2 <= (together.quantile(0.5) or 0.0) <= 0.8
    by_hour = run(engine, rollups.slices(0.0, 2 * HOUR, 3_600))
    assert [rollups.summed(one.by_state.values()).count for one in by_hour] == [0, 601]


def test_the_average_and_a_percentile_of_what_ran_and_of_nothing(engine: sa.Engine) -> None:
    buffer = RollupBuffer()
    for second in range(200):
        buffer.add("mail", states.SUCCESS, HOUR + second, 0.1 if second % 20 else 4.0)
    buffer.add("mail", states.PENDING, HOUR + 1.0)
    Writer(engine).write(Changes(rollups=buffer.drain()))
    assert buffer.drain() == []
    found = run(engine, rollups.tallies(HOUR, HOUR + 240.0))
    ran, seen = found["mail", states.SUCCESS], found["mail", states.PENDING]
    assert ran.count == 200
    assert ran.avg_runtime_s == pytest.approx(0.295)
    assert 0.08 <= (ran.quantile(0.95) or 0.0) <= 0.16
    assert (seen.count, seen.avg_runtime_s, seen.quantile(0.95)) == (1, None, None)


def test_failures_by_class_have_their_course_and_ends(engine: sa.Engine) -> None:
    instants = {"KeyError: 'a'": [600.0, 720.0, 5_999.9], "Timeout": [3_000.0], None: [1_800.0]}
    numbered = enumerate((text, at) for text, times in instants.items() for at in times)
    records = [ended(n, states.FAILURE, at, exception=text) for n, (text, at) in numbered]
    late = ended(90, states.FAILURE, 6_000.0, exception="Late: x")
    fine = ended(91, states.SUCCESS, 1_200.0, exception="Fine: x")
    Writer(engine).write(Changes(tasks=[*records, late, fine]))
    found = run(engine, rollups.failure_groups(0.0, 6_000.0, parts=4))
    assert [(one.exception, one.count, one.first_at, one.last_at) for one in found.groups] == [
        ("KeyError", 3, 600.0, 5_999.9),
        ("", 1, 1_800.0, 1_800.0),
        ("Timeout", 1, 3_000.0, 3_000.0),
    ]
    assert found.groups[0].counts == (2, 0, 0, 1)
    assert not found.is_capped
    newest = run(engine, rollups.failure_groups(0.0, 6_000.0, parts=4, cap=2))
    assert newest.is_capped
    assert [(one.exception, one.count) for one in newest.groups] == [
        ("KeyError", 1),
        ("Timeout", 1),
    ]


def test_lost_tasks_are_a_group_of_their_own_and_both_count_what_the_roll_ups_count(
    engine: sa.Engine,
) -> None:
    records = [
        ended(1, states.FAILURE, 61.0, exception="Lost: the key"),
        ended(2, states.LOST, 125.0, exception="Lost: w1@h is offline"),
        ended(3, states.LOST, 199.0, exception="Lost: w1@h is offline"),
        ended(4, states.FAILURE, 241.0, exception="KeyError: 'a'"),
    ]
    Writer(engine).write(Changes(tasks=records))
    start, end = 100.0, 201.0
    groups = run(engine, rollups.failure_groups(start, end)).groups
    assert [(one.exception, one.is_lost, one.count) for one in groups] == [
        ("Lost", True, 2),
        ("Lost", False, 1),
    ]
    failed = rollups.summed(
        tally
        for (_, state), tally in run(engine, rollups.tallies(start, end)).items()
        if state != states.PENDING
    )
    assert failed.count == sum(one.count for one in groups)


def test_the_course_of_a_queue_is_its_last_reading_at_each_step(engine: sa.Engine) -> None:
    readings = [sample("a", 1_000.0 + 10 * n, n, in_rate=float(n)) for n in range(60)]
    others = [sample("b", 1_003.0, 7), sample("c", 5.0, 1)]
    Writer(engine).write(Changes(queue_samples=[*readings, *others]))
    assert run(engine, samples.queue_names()) == ["a", "b", "c"]
    course = run(engine, samples.course_of_queue("a", 1_000.0, 1_600.0, 10))
    assert [one and one.ready for one in course.samples] == [5, 11, 17, 23, 29, 35, 41, 47, 53, 59]
    assert course.samples[0] is not None
    assert (course.samples[0].by_priority, course.samples[0].in_rate) == ({"0": 5}, 5.0)


def test_a_reading_holds_for_half_a_minute_and_no_longer(engine: sa.Engine) -> None:
    Writer(engine).write(Changes(queue_samples=[sample("a", 1_003.0, 4)]))
    course = run(engine, samples.course_of_queue("a", 1_000.0, 1_060.0, 12))
    assert [one and one.ready for one in course.samples] == [4] * 6 + [None] * 6


def test_there_are_no_queue_names_before_the_first_sample(engine: sa.Engine) -> None:
    assert run(engine, samples.queue_names()) == []


def test_the_record_says_since_when_until_when_and_by_whom_it_is_kept(engine: sa.Engine) -> None:
    assert run(engine, summary.kept(5_000.0)) == summary.Kept(None, None, None)
    Writer(engine).write(Changes(queue_samples=[sample("a", 1_003.0, 4)]))
    assert run(engine, summary.kept(5_000.0)).since == 1_003.0
    buffer = RollupBuffer()
    buffer.add("mail", states.SUCCESS, 4_000.0)
    Writer(engine).write(Changes(rollups=buffer.drain()))
    assert run(engine, summary.kept(5_000.0)).since == 1_003.0
    held = Lease(engine, summary.RECORDER_LEASE, "ops-2", ttl_s=60.0)
    assert held.acquire()
    now = time.time()
    kept = run(engine, summary.kept(now))
    assert (kept.recorder, kept.until) == ("ops-2", now)
    held.release()
    kept = run(engine, summary.kept(now + 500.0))
    assert kept.recorder is None
    assert kept.until == pytest.approx(now, abs=30.0)


def test_runtimes_of_a_queue_are_those_of_its_newest_that_ran(engine: sa.Engine) -> None:
    records = [
        ended(n, states.SUCCESS, 100.0 + n, queue="Default", runtime_s=float(n)) for n in range(6)
    ]
    records.append(ended(10, states.REVOKED, 200.0, queue="Default"))
    records.append(ended(11, states.FAILURE, 201.0, queue="Default", runtime_s=9.0))
    records.append(ended(12, states.SUCCESS, 300.0, queue="other", runtime_s=50.0))
    Writer(engine).write(Changes(tasks=records))
    (found,) = run(engine, summary.runtimes_of_queues(["Default", "none"], 0.0, newest=4))
    assert (found.queue, found.tasks) == ("Default", 3)
    assert found.mean_s == pytest.approx(6.0)
    (found,) = run(engine, summary.runtimes_of_queues(["Default"], 103.5))
    assert found.tasks == 3
    assert found.mean_s == pytest.approx(6.0)

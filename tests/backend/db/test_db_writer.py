"""Which record wins, and that a transaction is all or nothing."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from harness.records import a_task
from umbel_backend import states
from umbel_backend.db.changes import Changes, Fence, QueueSample, WorkerSample
from umbel_backend.db.lease import Lease
from umbel_backend.db.query import run
from umbel_backend.db.rollup import RollupBuffer
from umbel_backend.db.statements import gaps, rollups, samples, tasks, workers
from umbel_backend.db.tables import task, task_tag
from umbel_backend.db.writer import Writer
from umbel_backend.errors import LeaseLost
from umbel_backend.records import Attempt, Gap, Progress, QueueRecord, TaskRecord, WorkerRecord

FULL = TaskRecord(
    id="full",
    name="billing.capture",
    state=states.FAILURE,
    state_at=1004.14,
    queue="high",
    priority=3,
    worker="w1@app-1",
    args="[88412]",
    kwargs='{"currency":"EUR"}',
    args_exact=True,
    args_complete=True,
    result=None,
    result_exact=False,
    exception="ReadTimeout: 5 s",
    traceback="Traceback …",
    sent_at=1000.12,
    received_at=1000.134,
    started_at=1002.24,
    finished_at=1004.14,
    runtime_s=1.9,
    retries=1,
    attempts=(
        Attempt(1, 1000.2, 1001.0, "RETRY", "ConnectionError: x", "w1@app-1"),
        Attempt(2, None, None, "RETRY", None, None),
    ),
    root_id="root",
    parent_id="parent",
    group_id="group",
    retry_of="earlier",
    eta=1000.5,
    expires=9999.0,
    pid=2211,
    progress=Progress(1, 2, "half"),
    paused_how=None,
    tags={"deployment_id": "7", "user_id": "ä"},
)


def stored(engine: sa.Engine, id_: str = "a1") -> TaskRecord:
    (found,) = run(engine, tasks.by_id(id_))
    return found


def write(engine: sa.Engine, *records: TaskRecord) -> None:
    Writer(engine).write(Changes(tasks=records))


def test_a_record_comes_back_as_it_was_written(engine: sa.Engine) -> None:
    write(engine, FULL)
    assert stored(engine, "full") == FULL
    write(engine, FULL)
    assert stored(engine, "full") == FULL
    with engine.connect() as connection:
        tags = connection.execute(sa.select(task_tag.c.key, task_tag.c.value)).all()
    assert sorted(map(tuple, tags)) == [("deployment_id", "7"), ("user_id", "ä")]


def test_a_large_batch_is_stored_whole_and_in_its_order(engine: sa.Engine) -> None:
    plain = a_task("plain", result_exact=True)
    several = [
        msgspec.structs.replace(FULL if n % 3 else plain, id=f"t{n}", retry_of=None)
        for n in range(433)
    ]
    write(engine, *several)
    found = run(engine, tasks.by_ids([one.id for one in several]))
    assert [found[one.id] for one in several] == several
    with engine.connect() as connection:
        ids = connection.scalars(sa.select(task.c.id).order_by(task.c.n)).all()
    assert ids == [one.id for one in several]


def test_what_is_not_known_is_null_and_truths_are_truths(engine: sa.Engine) -> None:
    write(engine, a_task("a1", states.RECEIVED, args_complete=True))
    with engine.connect() as connection:
        row = connection.execute(sa.select(task)).one()
    assert (row.runtime_s, row.finished_at, row.exception, row.tags) == (None,) * 4
    assert (row.args_exact, row.args_complete, row.attempts) == (False, True, 0)


def test_every_field_of_a_record_is_stored() -> None:
    kept = {column.name for column in task.columns} | {"retried_as"}
    assert set(TaskRecord.__struct_fields__) <= kept


def test_an_older_record_does_not_undo_a_newer_one(engine: sa.Engine) -> None:
    write(engine, a_task(state=states.SUCCESS, at=20.0, result="7"))
    write(engine, a_task(state=states.STARTED, at=10.0))
    write(engine, a_task(state=states.STARTED, at=20.0))
    assert (stored(engine).state, stored(engine).result) == (states.SUCCESS, "7")


def test_batches_in_any_order_and_twice_end_the_same(engine: sa.Engine) -> None:
    life = [
        a_task(state=states.RECEIVED, at=10.0),
        a_task(state=states.STARTED, at=11.0),
        a_task(state=states.RETRY, at=12.0, retries=0),
        a_task(state=states.STARTED, at=14.0, retries=1),
        a_task(state=states.SUCCESS, at=15.0, retries=1, result="'ok'"),
    ]
    for number, order in enumerate(itertools.permutations(range(5))):
        if number % 7:
            continue
        for i in (*order, *order[:2]):
            write(engine, msgspec.structs.replace(life[i], id=f"t{number}"))
        assert stored(engine, f"t{number}").state == states.SUCCESS, order


def test_a_task_that_runs_again_is_unfinished_again(engine: sa.Engine) -> None:
    write(engine, a_task(state=states.FAILURE, at=10.0, exception="X: y"))
    write(engine, a_task(state=states.STARTED, at=20.0, started_at=20.0))
    assert stored(engine).finished_at is None
    assert stored(engine).exception is None


def test_an_end_counts_even_if_a_clock_stepped_back(engine: sa.Engine) -> None:
    write(engine, a_task(state=states.STARTED, at=20.0, started_at=20.0))
    write(engine, a_task(state=states.SUCCESS, at=19.5))
    assert stored(engine).state == states.SUCCESS


def test_lost_never_replaces_an_outcome_and_gives_way_to_any(engine: sa.Engine) -> None:
    write(engine, a_task("seen", states.SUCCESS, 10.0), a_task("guessed", states.LOST, 50.0))
    write(engine, a_task("seen", states.LOST, 50.0), a_task("guessed", states.SUCCESS, 10.0))
    assert stored(engine, "seen").state == states.SUCCESS
    assert stored(engine, "guessed").state == states.SUCCESS


def test_a_recorder_that_saw_only_the_end_keeps_what_was_known(engine: sa.Engine) -> None:
    known: dict[str, Any] = {
        "args": "(1,)",
        "kwargs": "{}",
        "args_complete": True,
        "queue": "high",
        "sent_at": 9.0,
        "root_id": "r",
        "tags": {"user_id": "7"},
    }
    write(engine, a_task(state=states.STARTED, at=10.0, started_at=10.0, **known))
    write(engine, a_task(name="", state=states.SUCCESS, at=20.0, result="3"))
    after = stored(engine)
    assert after.name == "mail.send"
    assert {name: getattr(after, name) for name in known} == known
    assert (after.started_at, after.result) == (10.0, "3")


def test_a_repr_does_not_replace_exact_arguments(engine: sa.Engine) -> None:
    write(engine, a_task(state=states.PENDING, at=1.0, args="[1]", kwargs="{}", args_exact=True))
    write(engine, a_task(state=states.STARTED, at=2.0, args="(1,)", kwargs="{}"))
    assert (stored(engine).args, stored(engine).args_exact) == ("[1]", True)


def test_the_start_of_an_earlier_try_is_not_kept_for_a_later_end(engine: sa.Engine) -> None:
    write(engine, a_task(state=states.STARTED, at=10.0, started_at=10.0))
    tried = Attempt(1, 10.0, 11.0, "RETRY", "X: y", None)
    write(engine, a_task(state=states.REVOKED, at=20.0, attempts=(tried,)))
    assert stored(engine).started_at is None
    assert stored(engine).attempts == (tried,)


def test_what_a_database_cannot_hold_does_not_stop_the_others(engine: sa.Engine) -> None:
    write(
        engine,
        a_task("good"),
        a_task("lone", args="'\ud800'", kwargs="nul \0", tags={"k\0": "\udfff"}),
        a_task("large", priority=2**70, retries=2**70, pid=-(2**70), runtime_s=float("nan")),
        a_task("endless", states.SUCCESS, finished_at=None),
    )
    assert stored(engine, "good") == a_task("good")
    assert stored(engine, "lone").args == "'\\ud800'"
    assert stored(engine, "lone").kwargs in ("nul \\x00", "nul \0")
    large = stored(engine, "large")
    assert (large.priority, large.retries, large.pid, large.runtime_s) == (None, 0, None, None)
    assert stored(engine, "endless").finished_at == 1000.0


def test_everything_else_is_written_beside_the_tasks(engine: sa.Engine) -> None:
    buffer = RollupBuffer()
    for runtime_s in (0.1, 0.1, 0.1, 3.0):
        buffer.add("mail.send", states.SUCCESS, 90.0, runtime_s)
    worker = WorkerRecord(hostname="w1@h", heartbeat_at=5.0, loadavg=(0.5, 0.4), queues=("a",))
    queue = QueueRecord(name="high", ready=3, by_priority={"0": 3}, read_at=5.0, unacked=1)
    opened = Gap(source="recorder", started_at=1.0, ended_at=None, reason="Why.")
    changes = Changes(
        gaps=[opened],
        workers=[worker],
        worker_samples=[WorkerSample.of(worker, 5.0)],
        queue_samples=[QueueSample.of(queue)],
        rollups=buffer.drain(),
    )
    writer = Writer(engine)
    writer.write(changes)
    writer.write(changes)
    assert run(engine, gaps.newest()) == [opened]
    assert run(engine, workers.every()) == [worker]
    assert run(engine, samples.of_worker("w1@h", 0.0, 9.0)) == [WorkerSample.of(worker, 5.0)]
    assert run(engine, samples.of_queues(0.0, 9.0)) == [QueueSample.of(queue)]
    assert run(engine, samples.of_queues(0.0, 5.0)) == []
    counted = run(engine, rollups.tallies(60.0, 120.0))
    assert counted["mail.send", states.SUCCESS].count == 8, "increments add up"
    closed = msgspec.structs.replace(opened, ended_at=4.0, events_lost=12)
    writer.write(Changes(gaps=[closed]))
    assert run(engine, gaps.newest()) == [closed]
    assert run(engine, gaps.overlapping(4.0, 9.0)) == [closed]
    assert run(engine, gaps.overlapping(4.5, 9.0)) == []


def test_a_recorder_that_lost_its_lease_writes_nothing(engine: sa.Engine) -> None:
    first = Lease(engine, "recorder", "first", ttl_s=0.0)
    second = Lease(engine, "recorder", "second", ttl_s=60.0)
    assert first.acquire()
    writer = Writer(engine)
    writer.write(Changes(tasks=[a_task("before")], fence=first.fence))
    assert second.acquire()
    with pytest.raises(LeaseLost, match="held by second now"):
        writer.write(Changes(tasks=[a_task("after")], fence=first.fence))
    assert run(engine, tasks.by_id("after")) == []
    writer.write(Changes(tasks=[a_task("next")], fence=second.fence))
    second.release()
    with pytest.raises(LeaseLost, match="held by nobody now"):
        writer.write(Changes(tasks=[a_task("late")], fence=Fence("recorder", 2)))
    assert [one.id for one in run(engine, tasks.page(tasks.EVERY)).tasks] == ["next", "before"]


def test_a_failure_half_way_leaves_nothing(engine: sa.Engine) -> None:
    broken = Gap(source="r", started_at=1.0, ended_at=None, reason=None)  # type: ignore[arg-type]
    with pytest.raises(sa.exc.IntegrityError):
        Writer(engine).write(Changes(tasks=[a_task()], gaps=[broken]))
    assert run(engine, tasks.count_capped(tasks.EVERY)).count == 0
    write(engine, a_task())
    assert run(engine, tasks.count_capped(tasks.EVERY)).count == 1

"""One fact told by an event and by the agents' stream is one fact, whichever comes first."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel_backend import states
from umbel_backend.events.clocks import Clocks
from umbel_backend.events.fold import fold
from umbel_backend.events.fold_workers import fold_worker
from umbel_backend.events.model import Event
from umbel_backend.records import Progress, TaskRecord, WorkerRecord

ID = "task-1"
NOW = 1_790_000_000.0


def event(kind: str, at: float, worker: str = "w1@a", **fields: Any) -> Event:
    prefixed = kind if kind.startswith(("umbel-", "worker-")) else f"task-{kind}"
    task_id = "" if kind.startswith("worker-") else ID
    return Event(type=prefixed, id=task_id, at=at, hostname=worker, **fields)


def folded(*events: Event) -> TaskRecord:
    record: TaskRecord | None = None
    for each in events:
        record = fold(record, each)
    assert record is not None
    return record


@st.composite
def lives(draw: st.DrawFn, *, deaths: bool = True) -> list[Event]:
    """What the workers of one task tell, with retries, and with redelivery after a worker's death."""
    ends = ("succeeded", "failed", "revoked", "retried", *(("died",) if deaths else ()), None)
    at = NOW
    life: list[Event] = []
    described: dict[str, Any] = {"name": "app.add", "args": "(1,)", "kwargs": "{}", "root_id": ID}
    retries = 0

    def tell(kind: str, worker: str, **fields: Any) -> None:
        nonlocal at
        at += draw(st.sampled_from((0.001, 0.5, 60.0)))
        life.append(event(kind, at, worker, **fields))

    for _ in range(draw(st.integers(1, 4))):
        worker = draw(st.sampled_from(("w1@a", "w2@b")))
        tell("received", worker, retries=retries, **described)
        if draw(st.integers(0, 3)) == 0:
            break
        tell("started", worker, pid=7)
        end = draw(st.sampled_from(ends))
        if end == "retried":
            tell("retried", worker, exception="OSError: no")
            retries += 1
        elif end == "died":
            continue
        else:
            if end is not None:
                tell(end, worker)
            break
    return life


def interleaved(data: st.DataObject, one: list[Event], other: list[Event]) -> list[Event]:
    order = data.draw(st.permutations([0] * len(one) + [1] * len(other)))
    roads = [iter(one), iter(other)]
    return [next(roads[road]) for road in order]


@given(lives(), st.data())
def test_the_stream_adds_nothing_to_what_events_told_in_any_interleaving(
    life: list[Event], data: st.DataObject
) -> None:
    # Of a run that is taken again the worker's death is known, and with it that the stream of the
    # run before is complete: its records never come after those of the next run's.
    copies = [msgspec.structs.replace(each) for each in life]
    assert folded(*life, *copies) == folded(*life)
    for position in range(len(life) + 1):
        told = [*life[:position], *copies[:position], *life[position:], *copies[position:]]
        assert folded(*told) == folded(*life)


@given(lives(), st.data())
def test_events_and_stream_together_fold_to_what_either_alone_does(
    life: list[Event], data: st.DataObject
) -> None:
    told = interleaved(data, life, [msgspec.structs.replace(each) for each in life])
    assert folded(*told) == folded(*life)


@given(lives(deaths=False), st.data())
def test_a_complete_stream_makes_up_for_events_that_were_missed(
    life: list[Event], data: st.DataObject
) -> None:
    # A recorder that came back hears how it goes on before it has read what it missed.
    events = life[data.draw(st.integers(0, len(life))) :]
    assert folded(*events, *life).state == folded(*life).state
    assert folded(*events, *life).finished_at == folded(*life).finished_at


@pytest.mark.parametrize("ahead_s", [0.0, 1.5, 600.0, -600.0])
def test_a_fact_told_twice_has_one_time_whatever_the_hosts_clock(ahead_s: float) -> None:
    clocks = Clocks()
    told = []
    for second in range(30):
        at = NOW + second + ahead_s
        told.append((at, clocks.corrected("w1@a", at, NOW + second + 0.01 * (second % 3))))
    # Read an hour later, of which nothing is to be learned.
    skew_s = clocks.skew_s("w1@a")
    assert [clocks.retold("w1@a", at, NOW + 3_600) for at, _ in told] == [at for _, at in told]
    assert clocks.skew_s("w1@a") == skew_s


def test_a_correction_that_is_recalled_holds_from_the_first_record_on() -> None:
    before = Clocks()
    for second in range(10):
        before.corrected("w1@a", NOW + second + 600, NOW + second + 0.3 - 0.01 * second)
    after = Clocks()
    after.recall("w1@a", before.correction_s("w1@a"))
    at = NOW + 605
    expected = before.retold("w1@a", at, NOW)
    assert after.retold("w1@a", at, NOW + 3_600) == expected
    after.corrected("w1@a", at + 10, NOW + 15.001)
    assert after.retold("w1@a", at, NOW + 3_600) == expected


def test_a_host_that_was_never_heard_is_not_corrected() -> None:
    assert Clocks().retold("w1@a", NOW, NOW + 3_600) == NOW
    assert Clocks().retold("w1@a", 1e300, NOW) == NOW


def worker_after(*events: Event) -> WorkerRecord:
    record: WorkerRecord | None = None
    for each in events:
        record = fold_worker(record, each)
    assert record is not None
    return record


def test_a_start_told_twice_resets_nothing() -> None:
    online = event("worker-online", NOW, pid=5, arrived_at=NOW)
    done = event("succeeded", NOW + 1, arrived_at=NOW + 1, runtime=0.5)
    again = msgspec.structs.replace(online)
    assert worker_after(online, done, again).succeeded == 1


def test_a_stop_told_late_does_not_stop_the_next_run() -> None:
    first = event("worker-online", NOW, pid=5, arrived_at=NOW)
    second = event("worker-online", NOW + 60, pid=6, arrived_at=NOW + 60)
    stop = event("worker-offline", NOW + 50, pid=5, arrived_at=NOW + 50)
    record = worker_after(first, second, stop)
    assert (record.status, record.stopped_at, record.pid) == ("online", None, 6)


def test_an_old_record_is_no_sign_of_life() -> None:
    beat = event("worker-heartbeat", NOW + 100, pid=5, arrived_at=NOW + 100)
    old = event("received", NOW, arrived_at=NOW)
    assert worker_after(beat, old).heartbeat_at == NOW + 100


def test_what_was_counted_is_not_counted_again() -> None:
    done = event("succeeded", NOW + 1, arrived_at=NOW + 1, runtime=0.5)
    record = fold_worker(fold_worker(None, done), msgspec.structs.replace(done), counts=False)
    assert (record.succeeded, record.runtime_total_s) == (1, 0.5)


def progress(current: float, at: float, worker: str = "w1@a") -> Event:
    return event("umbel-progress", at, worker, progress=Progress(current, 100))


def test_the_last_word_of_a_run_may_come_after_its_end() -> None:
    run = [event("received", NOW), event("started", NOW + 1), progress(50, NOW + 2)]
    record = folded(*run, event("succeeded", NOW + 4), progress(100, NOW + 3.9))
    assert record.state == states.SUCCESS
    assert record.progress == Progress(100, 100)
    assert folded(*run, event("succeeded", NOW + 4), progress(10, NOW + 3.9)).progress == Progress(
        50, 100
    )


def test_progress_of_an_earlier_run_is_not_that_of_the_present_one() -> None:
    record = folded(
        event("received", NOW, retries=0),
        event("started", NOW + 1),
        progress(90, NOW + 2),
        event("retried", NOW + 3),
        event("received", NOW + 4, retries=1),
        event("started", NOW + 5),
        progress(95, NOW + 2.5),
    )
    assert record.progress is None


def lost(at: float, text: str = "Lost: w1@a is offline") -> Event:
    return event("umbel-lost", at, "", exception=text)


def test_a_success_told_late_wins_over_lost() -> None:
    run = [event("received", NOW), event("started", NOW + 1)]
    record = folded(*run, lost(NOW + 5), event("succeeded", NOW + 4, result="3"))
    assert (record.state, record.finished_at, record.exception) == ("SUCCESS", NOW + 4, None)


def test_a_lost_task_that_is_taken_again_runs_and_keeps_the_lost_run() -> None:
    run = [event("received", NOW), event("started", NOW + 1)]
    record = folded(*run, lost(NOW + 5), event("received", NOW + 60, "w2@b"))
    assert (record.state, record.exception) == ("RECEIVED", None)
    assert [attempt.outcome for attempt in record.attempts] == ["LOST"]


def test_a_lost_task_that_goes_on_telling_of_itself_runs() -> None:
    run = [event("received", NOW), event("started", NOW + 1)]
    alive = folded(*run, lost(NOW + 5), progress(3, NOW + 60))
    assert (alive.state, alive.started_at, alive.exception) == ("STARTED", NOW + 1, None)
    # Its last word before it died is no sign of life after it, and a stored one tells no worker.
    assert folded(*run, lost(NOW + 5), progress(3, NOW + 6)).state == "LOST"
    assert folded(*run, lost(NOW + 5), progress(3, NOW + 60, "")).state == "LOST"


def test_a_task_lost_on_one_worker_is_not_lost_when_another_has_it_by_now() -> None:
    first = [event("received", NOW), event("started", NOW + 1)]
    again = [event("received", NOW + 60, "w2@b"), event("started", NOW + 61, "w2@b")]
    assert folded(*first, *again, lost(NOW + 5)).state == "STARTED"


def test_a_task_taken_by_a_worker_that_is_gone_waits_again_until_it_is_received_anew() -> None:
    came_back = event("umbel-returned", NOW + 5, "", exception="Awaiting redelivery: w1@a is gone")
    taken = [event("received", NOW), came_back]
    waiting = folded(*taken)
    assert (waiting.state, waiting.exception) == (
        "PENDING",
        "Awaiting redelivery: w1@a is gone",
    )
    assert folded(*taken, event("received", NOW)).state == "PENDING"
    assert folded(*taken, event("umbel-waiting", NOW + 9, "")).exception is None
    anew = folded(*taken, event("received", NOW + 60, "w2@b"))
    assert (anew.state, anew.worker, anew.exception) == ("RECEIVED", "w2@b", None)
    begun = folded(*taken, event("started", NOW + 6))
    assert (begun.state, begun.exception) == ("STARTED", None)

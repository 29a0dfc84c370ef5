"""How the status of a worker follows from heartbeats and from answers that come or do not."""

from __future__ import annotations

from typing import Any

import pytest

from umbel_backend.broker.answers import Silence, WorkerAnswer
from umbel_backend.events.agent_stream_door import WorkerVitals
from umbel_backend.events.fold_workers import fold_worker, status_at, with_vitals
from umbel_backend.events.model import Event
from umbel_backend.recorder.workers import described
from umbel_backend.records import WorkerRecord

NOW = 1_000_000.0


def worker(silent_s: float, **fields: Any) -> WorkerRecord:
    record = WorkerRecord(hostname="w1@h", heartbeat_at=NOW - silent_s, started_at=NOW - 1_000)
    for name, value in fields.items():
        setattr(record, name, value)
    return record


def judged(record: WorkerRecord, silence: Silence, now: float = NOW) -> WorkerRecord:
    answer = WorkerAnswer(hostname=record.hostname, asked_at=now - 3, silence=silence)
    return described(record, answer, now)


@pytest.mark.parametrize(
    ("silent_s", "status"), [(1, "online"), (5.9, "online"), (7, "late"), (25, "offline")]
)
def test_without_answers_the_age_of_the_heartbeat_decides(silent_s: float, status: str) -> None:
    assert status_at(worker(silent_s), NOW) == status


def test_a_silent_worker_that_is_connected_does_not_answer_and_stays_so() -> None:
    record = judged(worker(10), "connected")
    assert record.status == "not answering"
    assert status_at(record, NOW + 100) == "not answering"


def test_a_worker_that_is_connected_is_given_up_in_the_end() -> None:
    assert status_at(judged(worker(10), "connected"), NOW + 1_000) == "offline"


def test_a_silent_worker_that_is_gone_is_late_and_then_offline() -> None:
    record = judged(worker(10), "gone")
    assert record.status == "late"
    assert status_at(record, NOW + 15) == "offline"


def test_a_worker_killed_while_it_did_not_answer_goes_offline() -> None:
    stopped = judged(worker(40), "connected")
    killed = judged(stopped, "gone")
    assert (killed.status, status_at(killed, NOW)) == ("offline", "offline")


def test_a_solo_worker_killed_at_work_goes_offline() -> None:
    record = worker(40, pool="solo", active=1)
    assert status_at(record, NOW) == "not answering"
    assert status_at(judged(record, "gone"), NOW) == "offline"


@pytest.mark.parametrize("silence", ["connected", "gone", "unknown"])
def test_a_heartbeat_outweighs_an_answer_that_did_not_come(silence: Silence) -> None:
    assert judged(worker(1), silence).status == "online"


def test_an_answer_brings_a_worker_back() -> None:
    gone = judged(worker(40), "gone")
    back = described(gone, WorkerAnswer(hostname="w1@h", pid=5), NOW)
    assert (back.status, back.stopped_at, status_at(back, NOW)) == ("online", None, "online")


def test_the_start_of_a_worker_does_not_tremble_with_every_answer() -> None:
    record = worker(1, started_at=NOW - 100)
    answer = WorkerAnswer(hostname="w1@h", uptime_s=99)
    assert described(record, answer, NOW).started_at == NOW - 100
    restarted = WorkerAnswer(hostname="w1@h", uptime_s=2)
    assert described(record, restarted, NOW).started_at == NOW - 2


def beat(at: float, pid: int, kind: str = "worker-heartbeat") -> Event:
    return Event(type=kind, id="", hostname="w1@h", at=at, arrived_at=at, pid=pid, freq=2.0)


def after(*events: Event) -> WorkerRecord:
    record: WorkerRecord | None = None
    for each in events:
        record = fold_worker(record, each)
    assert record is not None
    return record


def test_two_workers_of_one_name_are_told_apart_by_their_processes() -> None:
    ended = Event(type="task-succeeded", id="t", hostname="w1@h", at=NOW + 11, arrived_at=NOW + 11)
    both = [beat(NOW, 5), beat(NOW + 1, 6, "worker-online"), beat(NOW + 2, 5), beat(NOW + 3, 6)]
    assert not after(*both).is_doubled(NOW + 3), "a last word of the one before, maybe"
    record = after(*both, *(beat(NOW + n, 5 + n % 2) for n in range(4, 11)), ended)
    assert record.is_doubled(NOW + 12)
    more = [beat(NOW + n, 5 + n % 2) for n in range(12, 20)]
    counted = record
    for each in more:
        counted = fold_worker(counted, each)
    assert (counted.succeeded, counted.status) == (1, "online")
    gone = fold_worker(counted, beat(NOW + 20, counted.former_pid or 0, "worker-offline"))
    assert (gone.status, gone.pid) == ("online", counted.pid), "the other one lives on"
    assert not gone.is_doubled(NOW + 100)


def test_a_worker_that_is_started_anew_is_not_two() -> None:
    runs = [beat(NOW, 5), beat(NOW + 2, 5), beat(NOW + 10, 6, "worker-online"), beat(NOW + 12, 6)]
    runs += [beat(NOW + 60, 7, "worker-online"), *(beat(NOW + n, 7) for n in range(62, 90, 2))]
    record = after(*runs)
    assert (record.doubled_at, record.pid, record.started_at) == (None, 7, NOW + 60)


def test_two_workers_of_one_name_and_process_id_are_told_apart_by_their_agents() -> None:
    record: WorkerRecord | None = None
    boots = ["1-a", "1-a", "1-b", "1-b", "1-c"]
    for n, boot in enumerate(boots):
        record = with_vitals(record, WorkerVitals(hostname="w1@h", at=NOW + 10 * n, boot=boot))
    assert record is not None
    assert record.doubled_at is None
    record = with_vitals(record, WorkerVitals(hostname="w1@h", at=NOW + 60, boot="1-b"))
    assert record.is_doubled(NOW + 61)


def test_answers_of_two_workers_in_turn_make_no_new_runs_of_their_heartbeats() -> None:
    record = after(beat(NOW - 100, 5), beat(NOW - 90, 6, "worker-online"))
    record.succeeded = 3
    record = described(record, WorkerAnswer(hostname="w1@h", pid=5), NOW)
    record = fold_worker(record, beat(NOW + 1, 6))
    assert (record.succeeded, record.is_doubled(NOW + 2)) == (3, True)

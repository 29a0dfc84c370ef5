"""How the status of a worker follows from heartbeats and from answers that come or do not."""

from __future__ import annotations

from typing import Any

import pytest

from umbel_backend.broker.answers import Silence, WorkerAnswer
from umbel_backend.events.fold_workers import status_at
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

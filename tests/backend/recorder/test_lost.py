"""When a running task counts as lost, and when that is not sure enough."""

from __future__ import annotations

import pytest

from umbel_backend import states
from umbel_backend.broker.answers import WorkerAnswer
from umbel_backend.broker.control import Inspection
from umbel_backend.recorder.reconcile import lost_finding
from umbel_backend.records import TaskRecord, WorkerRecord

NOW = 1_790_000_000.0


def running(state: str = states.STARTED) -> TaskRecord:
    started = NOW - 100
    return TaskRecord(id="t", state=state, state_at=started, worker="w1@a", started_at=started)


def inspected(*answers: WorkerAnswer) -> Inspection:
    return Inspection({answer.hostname: answer for answer in answers}, ())


def answer(uptime_s: float | None) -> WorkerAnswer:
    return WorkerAnswer(hostname="w1@a", uptime_s=uptime_s, active=())


def worker(heartbeat_at: float, stopped_at: float | None = None) -> dict[str, WorkerRecord]:
    record = WorkerRecord(hostname="w1@a", heartbeat_at=heartbeat_at, stopped_at=stopped_at)
    return {"w1@a": record}


def test_a_task_older_than_its_worker_is_lost_since_the_worker_started_anew() -> None:
    found = lost_finding(running(), inspected(answer(uptime_s=60)), {}, NOW)
    assert found is not None
    assert (found.type, found.id, found.at) == ("umbel-lost", "t", NOW - 60)
    assert "started anew" in (found.exception or "")


def test_a_task_of_a_worker_that_is_offline_is_lost() -> None:
    found = lost_finding(running(), inspected(), worker(NOW - 60), NOW)
    assert found is not None
    assert "offline" in (found.exception or "")


@pytest.mark.parametrize(
    ("record", "inspection", "workers"),
    [
        (running(), inspected(answer(uptime_s=500)), worker(NOW)),
        (running(), inspected(answer(uptime_s=None)), worker(NOW)),
        (running(), inspected(answer(uptime_s=100.5)), worker(NOW)),
        (running(), inspected(), worker(NOW - 10)),
        (running(), inspected(), {}),
        (running(states.RECEIVED), inspected(answer(uptime_s=60)), {}),
    ],
    ids=[
        "its worker is older and just does not list it",
        "its worker does not tell its age",
        "its worker is of the same second",
        "its worker is late, not offline",
        "its worker is not known",
        "it does not run",
    ],
)
def test_a_task_is_not_lost_while(
    record: TaskRecord, inspection: Inspection, workers: dict[str, WorkerRecord]
) -> None:
    assert lost_finding(record, inspection, workers, NOW) is None

"""Retries without a countdown: a pool's free process runs on before the end of the run before is told."""

from __future__ import annotations

from typing import Any

from umbel_backend import states
from umbel_backend.events.fold import fold
from umbel_backend.events.model import Event
from umbel_backend.records import TaskRecord


def event(kind: str, at: float, **fields: Any) -> Event:
    return Event(type=f"task-{kind}", id="t", at=at, arrived_at=at, hostname="w@h", pid=7, **fields)


def test_a_retry_told_after_the_success_of_the_run_that_followed_leaves_it_a_success() -> None:
    record: TaskRecord | None = None
    for each in (
        event("received", 0.998, name="mail.send", retries=0),
        event("started", 1.0022),
        event("received", 1.0162, name="mail.send", retries=1),
        event("started", 1.0213),
        event("retried", 1.0309, exception="OSError: 1"),
        event("received", 1.0554, name="mail.send", retries=2),
        event("started", 1.0623),
        event("succeeded", 1.0658, result="2", runtime=0.0002),
        event("retried", 1.0715, exception="OSError: 2"),
    ):
        record = fold(record, each)
    assert record is not None
    assert (record.state, record.retries, record.exception) == (states.SUCCESS, 2, None)
    runs = [(run.number, run.outcome, run.started_at, run.ended_at) for run in record.attempts]
    assert runs == [(1, states.RETRY, 1.0022, 1.0309), (2, states.RETRY, 1.0213, 1.0715)]


def test_a_run_whose_worker_was_asked_makes_way_for_the_next_all_the_same() -> None:
    record: TaskRecord | None = None
    for each in (
        event("received", 1.0, name="mail.send", retries=0),
        Event(type="umbel-active", id="t", at=1.1, arrived_at=1.1, hostname="w@h"),
        event("received", 1.2, name="mail.send", retries=1),
        event("started", 1.3),
        event("succeeded", 1.35, result="2", runtime=0.01),
        event("retried", 1.4, exception="OSError: 1"),
    ):
        record = fold(record, each)
    assert record is not None
    assert record.state == states.SUCCESS
    assert [(run.outcome, run.started_at) for run in record.attempts] == [(states.RETRY, 1.1)]

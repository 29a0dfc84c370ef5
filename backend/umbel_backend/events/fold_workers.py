"""Folds the events of one worker into its record, and judges its status by the age of its signs of life."""

from __future__ import annotations

from umbel_backend.events.model import Event
from umbel_backend.records import WorkerRecord, WorkerStatus

LATE_AFTER_PERIODS = 3
OFFLINE_AFTER_PERIODS = 12
"""Twelve missed heartbeats, 24 s at Celery's usual two seconds: long enough not to flap, and a dead
worker is noticed within 30 s."""
GIVEN_UP_AFTER_S = 900.0
"""A worker known to hold its connection is given up after this: a host that lost its power looks the
same until the broker notices."""


def fold_worker(record: WorkerRecord | None, event: Event) -> WorkerRecord:
    """Return the record as it is after ``event``, which a worker sent; nothing given is changed.

    Any event of a worker is a sign of life. A new process id or a ``worker-online`` begins a new run,
    whose counters start at zero.
    """
    new = WorkerRecord(hostname=event.hostname) if record is None else record.__copy__()  # type: ignore[attr-defined]  # faster than copy.copy
    fold_worker_into(new, event)
    return new


def fold_worker_into(record: WorkerRecord, event: Event) -> None:
    """Make ``record`` what `fold_worker` would return, for whoever has not handed it over yet."""
    record.heartbeat_at = event.arrived_at or event.at
    if event.type.startswith("worker-"):
        _fold_heartbeat(record, event)
        return
    record.status = "online"
    if event.type == "task-succeeded":
        record.succeeded += 1
        record.runtime_total_s += event.runtime or 0.0
        record.task_events = True
    elif event.type == "task-failed":
        record.failed += 1
        record.task_events = True
    elif event.type == "task-received":
        record.task_events = True


def _fold_heartbeat(record: WorkerRecord, event: Event) -> None:
    rebooted = event.pid is not None and record.pid is not None and event.pid != record.pid
    if event.type == "worker-online" or rebooted or record.started_at is None:
        if rebooted or event.type == "worker-online":
            record.succeeded = record.failed = 0
            record.runtime_total_s = 0.0
            record.task_events = None
        record.started_at = event.at
        record.stopped_at = None
    for field, value in (
        ("pid", event.pid),
        ("heartbeat_period_s", event.freq),
        ("active", event.active),
        ("processed", event.processed),
        ("celery_version", event.sw_ver),
    ):
        if value is not None:
            setattr(record, field, value)
    if event.loadavg is not None:
        record.loadavg = tuple(event.loadavg)
    if event.type == "worker-offline":
        record.status = "offline"
        record.stopped_at = event.at
        record.active = 0
    else:
        record.status = "online"
        record.stopped_at = None


def status_at(record: WorkerRecord, now: float) -> WorkerStatus:
    """Judge the status of a worker at ``now``, by this machine's clock.

    A solo pool is silent while it runs a task, and so is any that was stopped: "not answering" is
    what the broker said of it (`recorder.workers.described`), or what a solo pool with a task is
    taken for, and it is not "offline" until the broker knows no connection of it any more.
    """
    if record.stopped_at is not None or record.heartbeat_at is None:
        return "offline"
    silent_s = now - record.heartbeat_at
    if silent_s <= LATE_AFTER_PERIODS * record.heartbeat_period_s:
        return record.status if record.status == "draining" else "online"
    if record.status == "not answering" and silent_s <= GIVEN_UP_AFTER_S:
        return "not answering"
    if silent_s <= OFFLINE_AFTER_PERIODS * record.heartbeat_period_s:
        return "late"
    return "not answering" if record.pool == "solo" and record.active else "offline"

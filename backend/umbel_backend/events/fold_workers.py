"""Folds the events of one worker into its record, and judges its status by the age of its signs of life."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from umbel_backend.events.model import Event
from umbel_backend.records import WorkerRecord, WorkerStatus

if TYPE_CHECKING:
    from umbel_backend.events.agent_stream_door import Announcement, WorkerVitals

ENDS = frozenset({"task-succeeded", "task-failed"})
"""Events that the counters of a worker count."""

_START_TOLERANCE_S = 3.0
"""The start of a worker that sends no event is told by its uptime, in whole seconds."""
LATE_AFTER_PERIODS = 3
OFFLINE_AFTER_PERIODS = 12
"""Twelve missed heartbeats, 24 s at Celery's usual two seconds: long enough not to flap, and a dead
worker is noticed within 30 s."""
GIVEN_UP_AFTER_S = 900.0
"""A worker known to hold its connection is given up after this: a host that lost its power looks the
same until the broker notices."""


def fold_worker(
    record: WorkerRecord | None, event: Event, *, counts: bool = True, retold: bool = False
) -> WorkerRecord:
    """Return the record as it is after ``event``, which a worker sent; nothing given is changed.

    Any event of a worker is a sign of life. A new process id or a ``worker-online`` begins a new run,
    whose counters start at zero. An event may be told twice, the second time by the agents' stream and
    maybe an hour late; ``counts`` false leaves the counters alone, for an end that was counted before.
    What is ``retold`` by an agent says nothing of whether the worker sends task events.
    """
    new = WorkerRecord(hostname=event.hostname) if record is None else record.__copy__()  # type: ignore[attr-defined]  # faster than copy.copy
    fold_worker_into(new, event, counts=counts, retold=retold)
    return new


def fold_worker_into(
    record: WorkerRecord, event: Event, *, counts: bool = True, retold: bool = False
) -> None:
    """Make ``record`` what `fold_worker` would return, for whoever has not handed it over yet."""
    arrived_at = event.arrived_at or event.at
    is_news = record.heartbeat_at is None or arrived_at >= record.heartbeat_at
    if event.type.startswith("worker-"):
        if _is_of_earlier_run(record, event):
            return
        if is_news:
            record.heartbeat_at = arrived_at
        _fold_heartbeat(record, event, is_news)
        return
    if is_news:
        record.heartbeat_at = arrived_at
        if record.stopped_at is None or event.at > record.stopped_at:
            record.status = "online"
    is_end = event.type in ENDS
    if not retold and (is_end or event.type == "task-received"):
        record.task_events = True
    if is_end and counts and event.at >= (record.started_at or 0.0):
        _count(record, event)


def _count(record: WorkerRecord, event: Event) -> None:
    if event.type == "task-failed":
        record.failed += 1
    else:
        record.succeeded += 1
        record.runtime_total_s += event.runtime or 0.0


def _is_of_earlier_run(record: WorkerRecord, event: Event) -> bool:
    """Whether a start or a stop, told late, is that of a run that came to its end before this one."""
    if record.started_at is None or event.type == "worker-heartbeat":
        return False
    return event.at < record.started_at - _START_TOLERANCE_S


def _fold_heartbeat(record: WorkerRecord, event: Event, is_news: bool) -> None:
    rebooted = event.pid is not None and record.pid is not None and event.pid != record.pid
    is_start = event.type == "worker-online" and not (
        event.at == record.started_at and event.pid == record.pid
    )
    began_at = (record.started_at or 0.0) + _START_TOLERANCE_S
    if rebooted and event.pid == record.former_pid and event.type != "worker-online":
        if event.type == "worker-offline" or event.at <= began_at:
            # A last word of the one before.
            return
        record.doubled_at, rebooted = event.arrived_at or event.at, False
    if event.pid not in (None, record.pid):
        record.former_pid = record.pid
    if is_start or rebooted or record.started_at is None:
        if rebooted or is_start:
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
    if not is_news:
        return
    if event.type == "worker-offline":
        record.status = "offline"
        record.stopped_at = event.at
        record.active = 0
    elif event.type == "worker-heartbeat" or is_start or record.stopped_at is None:
        record.status = "online"
        record.stopped_at = None


def with_vitals(record: WorkerRecord | None, vitals: WorkerVitals) -> WorkerRecord:
    """Return the record with what the worker's agent said it uses; nothing given is changed."""
    new = WorkerRecord(hostname=vitals.hostname) if record is None else copy(record)
    if new.sampled_at is not None and vitals.at < new.sampled_at:
        return new
    new.sampled_at = vitals.at
    if vitals.boot is not None and vitals.boot != new.boot:
        if vitals.boot == new.former_boot:
            new.doubled_at = vitals.at
        new.boot, new.former_boot = vitals.boot, new.boot
    for field in ("cpu_percent", "memory_bytes", "main_memory_bytes", "children"):
        value = getattr(vitals, field)
        if value is not None:
            setattr(new, field, value)
    if vitals.at >= (new.heartbeat_at or 0.0):
        # The agent lives in the worker's main process, also in one that is too busy for heartbeats.
        new.heartbeat_at = vitals.at
        if new.stopped_at is None or vitals.at > new.stopped_at:
            new.status, new.stopped_at = "online", None
    return new


def with_announcement(record: WorkerRecord, announced: Announcement | None) -> WorkerRecord:
    """Return the record with what its agent announces; None stands for no agent.

    Nothing given is changed.
    """
    new = copy(record)
    if announced is None:
        new.agent = new.leases = new.messages_kept = new.agent_dropped = None
        new.capabilities = ()
        return new
    new.agent = announced.version
    if announced.boot not in (new.boot, new.former_boot):
        new.boot, new.former_boot = announced.boot, new.boot
    new.capabilities = announced.capabilities
    new.leases = announced.leases
    new.visibility_timeout_s = announced.visibility_timeout_s
    new.messages_kept = announced.messages
    new.agent_dropped = announced.dropped
    if announced.pool is not None and new.pool is None:
        new.pool = announced.pool
    return new


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

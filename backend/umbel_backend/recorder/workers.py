"""Completes what a worker's events tell of it with what it answers when asked."""

from __future__ import annotations

from copy import copy

from umbel_backend.broker.answers import WorkerAnswer
from umbel_backend.events.fold_workers import OFFLINE_AFTER_PERIODS, status_at
from umbel_backend.records import WorkerRecord, WorkerStatus

_UPTIME_TOLERANCE_S = 3.0


def described(record: WorkerRecord, answer: WorkerAnswer, now: float) -> WorkerRecord:
    """Return ``record`` with what ``answer``, given at ``now``, adds; nothing given is changed."""
    if answer.silence is not None:
        return _unanswered(record, answer, now)
    new = copy(record)
    if answer.pid is not None and new.pid not in (None, answer.pid):
        new.former_pid = new.pid
    for field, value in (
        ("pid", answer.pid),
        ("pool", answer.pool),
        ("concurrency", answer.concurrency),
        ("prefetch_count", answer.prefetch_count),
        ("queues", answer.queue_names),
        # What an agent says counts the pool too, and is how much it uses, not the most it ever did.
        ("memory_bytes", None if new.sampled_at is not None else answer.memory_bytes),
        ("celery_version", answer.celery_version),
        ("processed", answer.processed_total),
        ("active", None if answer.active is None else len(answer.active)),
        ("reserved", None if answer.reserved is None else len(answer.reserved)),
    ):
        if value is not None:
            setattr(new, field, value)
    if answer.uptime_s is not None:
        started_at = now - answer.uptime_s
        # Told in whole seconds: it is not to tremble with every answer.
        if new.started_at is None or abs(new.started_at - started_at) > _UPTIME_TOLERANCE_S:
            new.started_at = started_at
    # An answer is as good a sign of life as a heartbeat, and the only one of a worker without any.
    new.heartbeat_at = max(now, new.heartbeat_at or 0.0)
    new.stopped_at = None
    if new.status != "draining":
        new.status = "online"
    return new


def _unanswered(record: WorkerRecord, answer: WorkerAnswer, now: float) -> WorkerRecord:
    """Judge a worker that left a question unanswered; one that is heard of all the same is well."""
    heard_at = record.heartbeat_at
    if record.stopped_at is not None or heard_at is None:
        return record
    if heard_at >= (answer.asked_at or now) or status_at(record, now) in ("online", "draining"):
        return record
    if answer.silence == "connected":
        return with_status(record, "not answering")
    if answer.silence == "unknown":
        return record
    new = with_status(record, "late")
    if now - heard_at > OFFLINE_AFTER_PERIODS * record.heartbeat_period_s:
        # The age of its heartbeat alone would leave a solo worker that died at work at "not answering".
        new.status, new.stopped_at = "offline", heard_at
    return new


def with_status(record: WorkerRecord, status: WorkerStatus) -> WorkerRecord:
    """Return ``record`` with another status."""
    new = copy(record)
    new.status = status
    return new

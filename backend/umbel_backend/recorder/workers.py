"""Completes what a worker's events tell of it with what it answers when asked."""

from __future__ import annotations

from copy import copy

from umbel_backend.broker.answers import WorkerAnswer
from umbel_backend.records import WorkerRecord, WorkerStatus


def described(record: WorkerRecord, answer: WorkerAnswer, now: float) -> WorkerRecord:
    """Return ``record`` with what ``answer``, given at ``now``, adds; nothing given is changed."""
    new = copy(record)
    for field, value in (
        ("pid", answer.pid),
        ("pool", answer.pool),
        ("concurrency", answer.concurrency),
        ("prefetch_count", answer.prefetch_count),
        ("queues", answer.queue_names),
        ("memory_bytes", answer.memory_bytes),
        ("celery_version", answer.celery_version),
        ("processed", answer.processed_total),
        ("active", None if answer.active is None else len(answer.active)),
        ("reserved", None if answer.reserved is None else len(answer.reserved)),
    ):
        if value is not None:
            setattr(new, field, value)
    if answer.uptime_s is not None:
        new.started_at = now - answer.uptime_s
    # An answer is as good a sign of life as a heartbeat, and the only one of a worker without any.
    new.heartbeat_at = max(now, new.heartbeat_at or 0.0)
    new.stopped_at = None
    if new.status != "draining":
        new.status = "online"
    return new


def with_status(record: WorkerRecord, status: WorkerStatus) -> WorkerRecord:
    """Return ``record`` with another status."""
    new = copy(record)
    new.status = status
    return new

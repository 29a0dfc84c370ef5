"""Which workers are to be asked with the others, which aside, and which not at all."""

from __future__ import annotations

from umbel_backend.events.fold_workers import status_at
from umbel_backend.records import WorkerRecord

QUIET_PERIODS = 2
"""After missing so many heartbeats a worker is asked aside, before it counts as late."""


def is_quiet(record: WorkerRecord, now: float) -> bool:
    """Whether a worker was not heard of for so long that it is asked aside, or not at all."""
    if record.stopped_at is not None or record.heartbeat_at is None:
        return True
    return now - record.heartbeat_at > QUIET_PERIODS * record.heartbeat_period_s


def is_off(record: WorkerRecord, now: float) -> bool:
    """Whether a worker is held to be gone."""
    return record.stopped_at is not None or status_at(record, now) == "offline"

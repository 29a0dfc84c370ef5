"""What the recorder hands to the `Writer`: everything that goes into one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from umbel_backend.records import (
    Gap,
    KeptMessage,
    LogLine,
    QueueRecord,
    TaskRecord,
    WorkerRecord,
)


@dataclass(frozen=True, slots=True)
class Fence:
    """The claim under which a transaction writes; from `Lease.fence`."""

    lease: str
    """The lease's name."""
    epoch: int
    """Which holding of it; a later holder has a higher one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSample:
    """What one worker reported at one moment."""

    hostname: str
    at: float
    active: int | None = None
    reserved: int | None = None
    processed: int | None = None
    loadavg: float | None = None
    """Over the last minute."""
    cpu_percent: float | None = None
    memory_bytes: int | None = None

    @classmethod
    def of(cls, record: WorkerRecord, at: float) -> WorkerSample:
        """Take the sample that ``record`` holds."""
        return cls(
            hostname=record.hostname,
            at=at,
            active=record.active,
            reserved=record.reserved,
            processed=record.processed,
            loadavg=record.loadavg[0] if record.loadavg else None,
            cpu_percent=record.cpu_percent,
            memory_bytes=record.memory_bytes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSample:
    """How one queue stood at one moment."""

    name: str
    at: float
    ready: int
    by_priority: dict[str, int]
    unacked: int | None = None
    consumers: int | None = None
    in_rate: float | None = None
    out_rate: float | None = None
    oldest_age_s: float | None = None

    @classmethod
    def of(cls, record: QueueRecord) -> QueueSample:
        """Take the sample that ``record`` holds."""
        return cls(
            name=record.name,
            at=record.read_at,
            ready=record.ready,
            by_priority=record.by_priority,
            unacked=record.unacked,
            consumers=record.consumers,
            in_rate=record.in_rate,
            out_rate=record.out_rate,
            oldest_age_s=record.oldest_age_s,
        )


@dataclass(frozen=True, slots=True)
class RollupIncrement:
    """What to add to one row of the roll-up; made by `rollup.RollupBuffer`."""

    resolution: int
    """Seconds of the bucket: 60 or 3600."""
    bucket_at: int
    name: str
    state: str
    """The state entered; PENDING counts tasks when they were first seen."""
    count: int
    runtime_sum_s: float
    runtime_max_s: float | None
    runtimes: tuple[int, ...]
    """How many runtimes fell into each bucket of `rollup.RUNTIME_BOUNDS_S`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """One transaction's worth of changes; all or none of it is written."""

    tasks: Sequence[TaskRecord] = ()
    """Each id at most once, with everything known of it."""
    gaps: Sequence[Gap] = ()
    """Written over the one of the same source and start, so an open gap is closed by writing it again."""
    workers: Sequence[WorkerRecord] = ()
    worker_samples: Sequence[WorkerSample] = ()
    queue_samples: Sequence[QueueSample] = ()
    rollups: Sequence[RollupIncrement] = ()
    logs: Sequence[tuple[str, LogLine]] = ()
    """Lines with the id of their task; a line that is there already is left alone."""
    messages: Sequence[KeptMessage] = ()
    """A message that was kept is replaced by a later one that was kept too."""
    fence: Fence | None = None
    """Checked inside the transaction; None writes without a lease."""

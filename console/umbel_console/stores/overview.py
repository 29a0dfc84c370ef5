"""What Overview shows of the past, as values: one reading of the database over one range."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from umbel_backend.records import Gap

STEPS = 160
"""How many equal steps a queue's course is read in."""
PARTS = 32
"""How many equal parts the course of an exception class has."""
SILENT_S = 15.0
"""A recorder that was silent for longer is not waited for: what came since was not seen."""
MEASURED_S = 300.0
"""Over how long rates and growth of queues are measured for the advice."""


@dataclass(frozen=True, slots=True)
class Range:
    """A stretch of time up to now that charts can show."""

    text: str
    """As a filter takes it after ``since:``."""
    title: str
    span_s: float
    slice_s: int
    """Width of one slice of the charts."""


RANGES = (
    Range("15m", "15 min", 900.0, 60),
    Range("1h", "1 h", 3_600.0, 60),
    Range("6h", "6 h", 21_600.0, 300),
    Range("24h", "24 h", 86_400.0, 3_600),
    Range("7d", "7 d", 604_800.0, 7_200),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """What was first seen in one slice of time, what ended, and how long that had run."""

    start: float
    end: float
    seen: int = 0
    """Tasks first heard of: by their sender's event, in a queue, or as a worker took them."""
    succeeded: int = 0
    failed: int = 0
    """FAILURE and LOST."""
    ended: int = 0
    """All that ended, revoked and rejected ones too."""
    p50_s: float | None = None
    """Runtimes; estimated from a histogram whose bounds are a factor of two apart."""
    p95_s: float | None = None
    p99_s: float | None = None


@dataclass(frozen=True, slots=True)
class QueueCourse:
    """How many messages were ready in one queue, at `STEPS` equal steps of the range."""

    name: str
    by_priority: Mapping[str, Sequence[int | None]]
    """Ready per broker step; None where there is no reading."""


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """The failures of one exception class in the range."""

    exception: str
    """Empty where none is known."""
    count: int
    first_at: float
    last_at: float
    counts: Sequence[int]
    """How many in each of `PARTS` equal parts of the range."""
    is_lost: bool = False
    """They are LOST: given up with their workers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyTask:
    """What the tasks of one name did in the range."""

    name: str
    count: int
    """How many ended."""
    failed: int
    total_s: float
    """All their runtimes together."""
    avg_s: float | None
    p95_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLoad:
    """How one queue fared over the last minutes, for the advice."""

    queue: str
    ready: int
    in_rate: float | None
    """Messages a second that came in; None while it is not measured."""
    growth: float | None
    """Messages a second by which it grew (below zero: shrank), over `MEASURED_S` at most."""
    runtime_s: float | None
    """Mean runtime of its newest tasks; None if none ended lately."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The record over one range, read at one moment."""

    at: float
    """When it was read: the end of the range."""
    start: float
    took_s: float = 0.0
    slices: Sequence[Slice] = ()
    """Every slice of the range, the empty ones too, oldest first."""
    succeeded: int = 0
    failed: int = 0
    """FAILURE and LOST."""
    ended: int = 0
    avg_s: float | None = None
    p95_s: float | None = None
    queues: Sequence[QueueCourse] = ()
    failures: Sequence[FailureGroup] = ()
    """Most frequent first."""
    failures_capped: bool = False
    """Only the newest failures were grouped; there are more."""
    busy: Sequence[BusyTask] = ()
    gaps: Sequence[Gap] = ()
    """Those that touch the range, oldest first."""
    loads: Sequence[QueueLoad] = ()
    kept_since: float | None = None
    """The earliest there is on record; None before the first."""
    kept_until: float | None = None
    """Until when somebody surely recorded."""
    recorder: str | None = None
    """Who records now."""
    unseen: Sequence[tuple[float, float]] = field(init=False, default=())
    """Stretches of the range in which something may have been missed: the gaps, and since nobody
    records. What lies before ``kept_since`` is not among them."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "unseen", self._unseen())

    @property
    def span_s(self) -> float:
        """Length of the range."""
        return self.at - self.start

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever recorded."""
        return self.kept_since is None

    @property
    def success_percent(self) -> float | None:
        """Share of successes among successes and failures, rounded down to a tenth."""
        judged = self.succeeded + self.failed
        return None if not judged else 1000 * self.succeeded // judged / 10

    def _unseen(self) -> list[tuple[float, float]]:
        stretches = [
            (gap.started_at, self.at if gap.ended_at is None else gap.ended_at) for gap in self.gaps
        ]
        if self.kept_until is not None and self.at - self.kept_until > SILENT_S:
            stretches.append((self.kept_until, self.at))
        return joined(stretches, self.start, self.at)


def joined(
    stretches: Iterable[tuple[float, float]], start: float, end: float
) -> list[tuple[float, float]]:
    """Cut ``stretches`` to ``[start, end)``, order them and join those that touch."""
    found: list[tuple[float, float]] = []
    for begins, ends in sorted(stretches):
        begins, ends = max(begins, start), min(ends, end)
        if begins >= ends:
            continue
        if found and begins <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], ends)
        else:
            found.append((begins, ends))
    return found


def slope(points: Sequence[tuple[float, float]]) -> float | None:
    """Return by how much a second the values of ``points`` (instant, value) grow, by least squares.

    Returns:
        None if there are fewer than three, or they span less than half a minute.
    """
    if len(points) < 3 or points[-1][0] - points[0][0] < 30.0:
        return None
    mean_at = sum(at for at, _ in points) / len(points)
    mean = sum(value for _, value in points) / len(points)
    spread = sum((at - mean_at) ** 2 for at, _ in points)
    return sum((at - mean_at) * (value - mean) for at, value in points) / spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """How the cluster stands now, from events and the broker, without the database."""

    waiting: int | None = None
    """Messages ready in all queues; None until the broker told."""
    read_at: float | None = None
    """When the broker was last asked with success."""
    active: int | None = None
    """Tasks that run; None until workers were heard."""
    as_of: float | None = None
    """When workers were last heard, while they are not; None while they are."""
    slots: int | None = None
    """Tasks the workers that work can run at once; None while none told."""
    workers_online: int = 0
    workers_known: int = 0
    oldest_s: float | None = None
    """How long the oldest of the messages that run next has waited; None while none waits."""
    oldest_is_least: bool = False
    """It was there before this console looked, so that it may have waited longer."""
    events_rate: float | None = None
    """Events a second; None while no event path is open."""

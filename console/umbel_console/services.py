"""The outside world as the console needs it: what it must offer, and how the real one is made.

Each service is made by a factory that may import heavily and block; the bridge calls them in a
thread, after the first frame.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from umbel_backend.records import Gap, QueueRecord, TaskRecord, WorkerRecord
from umbel_backend.settings import Settings

if TYPE_CHECKING:
    from umbel_backend.events.buffer import Batch
    from umbel_backend.events.capture import CaptureStatus
    from umbel_backend.events.model import Event
    from umbel_backend.filters import Filter


class EventSource(Protocol):
    """A running capture; see `umbel_backend.events.capture.Capture`."""

    def start(self) -> None:
        """Start reading in a thread of its own."""

    def stop(self) -> None:
        """End the thread."""

    def drain(self) -> Batch:
        """Take what arrived since the last call."""

    def status(self) -> CaptureStatus:
        """Tell how the event path stands."""


@dataclass(frozen=True, slots=True)
class RecorderNow:
    """What a console says of the recorder."""

    words: str
    """For the header: ``rec here``, ``rec ops-2``, ``no recorder``."""
    is_well: bool
    problem: str | None = None
    """Why nothing is recorded, in one sentence."""


class RecorderService(Protocol):
    """The recorder inside this console: works if no other one holds the lease, else stands by."""

    def start(self) -> None:
        """Start in a thread of its own."""

    def stop(self) -> None:
        """Write what is pending, give the lease back, end."""

    def now(self) -> RecorderNow:
        """Tell who records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of history, newest first."""

    records: Sequence[TaskRecord]
    newer: Any = None
    """What to ask for to get the page before this one; None if this is the newest."""
    older: Any = None
    """What to ask for to get the next page; None if this is the last."""
    start: float = 0.0
    end: float = 0.0
    """The stretch of time this page stands for, its neighbours' edges included; Unix seconds."""


@dataclass(frozen=True, slots=True)
class Total:
    """How many records a filter matches."""

    count: int
    is_exact: bool
    """False: there are at least that many."""


class History(Protocol):
    """What the database remembers. Raises `DatabaseUnavailable` in every method."""

    async def page(self, chosen: Filter | None, at: Any, limit: int, now: float) -> Page:
        """Return one page; ``at`` comes from another page, None is the newest."""

    async def total(self, chosen: Filter | None, now: float) -> Total:
        """Count what matches, up to an honest bound."""

    async def by_id(self, task_id: str) -> TaskRecord | None:
        """Return one task with its attempts and tags."""

    async def family(self, record: TaskRecord) -> list[TaskRecord]:
        """Return the tasks of the same workflow, the record among them, bounded."""

    async def gaps(self, start: float, end: float) -> list[Gap]:
        """Return the stretches between two instants in which tasks may be missing."""

    async def seed(self, limit: int) -> list[TaskRecord]:
        """Return what is unfinished and the newest of what ended."""

    async def close(self) -> None:
        """Let the connections go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the console knows and its cluster view asks about; replaced as a whole, never changed."""

    workers: Sequence[WorkerRecord] = ()
    unfinished: Sequence[TaskRecord] = ()
    running: Sequence[str] = ()
    """Ids of tasks that run."""
    taken: Callable[[], Mapping[str, int] | None] = lambda: None
    """Tells, in any thread, how many tasks were taken from each queue; None if it cannot be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterNews:
    """What broker and workers answered since the last look."""

    read_at: float
    workers: Mapping[str, Callable[[WorkerRecord], WorkerRecord]] = field(default_factory=dict)
    """By node name, what completes the record that events made."""
    queues: Sequence[QueueRecord] = ()
    findings: Sequence[Event] = ()
    """What the answers tell of tasks, as events in our own words."""


class ClusterView(Protocol):
    """Broker and workers, asked in a thread of its own."""

    @property
    def problem(self) -> str | None:
        """Why they could not be asked, in one sentence."""

    def start(self) -> None:
        """Start asking at intervals."""

    def stop(self) -> None:
        """Stop asking."""

    def ask_again(self) -> None:
        """Ask everything now."""

    def take(self) -> ClusterNews:
        """Take what was found since the last call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Factories of all of the above; None means the console does without."""

    events: Callable[[Callable[[], None]], EventSource] | None = None
    """Given what to call, from any thread, when there is something to drain."""
    history: Callable[[], History] | None = None
    recorder: Callable[[], RecorderService] | None = None
    cluster: Callable[[Callable[[], Known], Callable[[], None]], ClusterView] | None = None
    """Given what returns the known, from any thread, and what to call when there is news."""
    clock: Callable[[], float] = field(default=time.time)


def real(settings: Settings) -> Services:
    """Return the services of a real cluster; nothing is imported or opened until they are called."""

    def events(wake: Callable[[], None]) -> EventSource:
        from umbel_backend.events.capture import Capture

        return Capture(settings.context, settings, wake)

    def history() -> History:
        from umbel_console.queries import DatabaseHistory

        return DatabaseHistory(settings)

    def recorder() -> RecorderService:
        from umbel_console.recording import EmbeddedRecorder

        return EmbeddedRecorder(settings)

    def cluster(known: Callable[[], Known], wake: Callable[[], None]) -> ClusterView:
        from umbel_console.cluster import LiveCluster

        return LiveCluster(settings, known, wake)

    return Services(events=events, history=history, recorder=recorder, cluster=cluster)

"""The outside world as the console needs it: what it must offer, and how the real one is made.

Each service is made by a factory that may import heavily and block; the bridge calls them in a
thread, after the first frame. Values are msgspec's: a dataclass takes a hundred times as long to
define, and the first frame waits for these.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from umbel_backend.records import (
    Gap,
    KeptMessage,
    LogLine,
    QueuePause,
    QueueRecord,
    TaskRecord,
    WorkerRecord,
)
from umbel_backend.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from umbel_backend.broker.why_waiting import Cause
    from umbel_backend.db.statements.histogram import Histogram
    from umbel_backend.db.statements.trends import WorkerSlice
    from umbel_backend.events.agent_stream import StreamBatch, StreamStatus
    from umbel_backend.events.agent_stream_door import Announcement
    from umbel_backend.events.buffer import Batch
    from umbel_backend.events.capture import Capture, CaptureStatus
    from umbel_backend.events.model import Event
    from umbel_backend.filters import Filter
    from umbel_console.acting import Acts
    from umbel_console.auditing import AuditTrail
    from umbel_console.stores.agents import UsePoint
    from umbel_console.stores.facets import Facets, Span
    from umbel_console.stores.logs import LogPage, Place
    from umbel_console.stores.overview import Range, Reading
    from umbel_console.told import QueueTold, WorkerTold


MOST_EVENTS = 50_000
"""Events held for a console that is slower than they come; beyond it they are dropped, which it says."""


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


class AgentSource(Protocol):
    """A running reader of the agents' stream; see `umbel_backend.events.agent_stream.AgentStream`."""

    def start(self) -> None:
        """Start reading in a thread of its own, if there is a Redis to read."""

    def stop(self) -> None:
        """End the thread."""

    def take(self) -> Sequence[StreamBatch]:
        """Take what was read since the last call."""

    def look_at(self, hostnames: Iterable[str]) -> None:
        """Ask also for the agents of these workers, though nothing of them came."""

    def announced(self) -> Mapping[str, Announcement | None]:
        """Return what the agents announce of themselves, by node name; None for a worker without one."""

    def status(self) -> StreamStatus:
        """Tell how the stream stands for this reader."""


class RecorderNow(Struct, frozen=True):
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


class Order(Struct, frozen=True):
    """What History is ordered by instead of the last change of state."""

    key: str
    """One of `umbel_backend.db.statements.sorted_tasks.KEYS`."""
    descending: bool = False


class Page(Struct, frozen=True, kw_only=True):
    """One page of history, newest first or in the order asked for."""

    records: Sequence[TaskRecord]
    newer: Any = None
    """What to ask for to get the page before this one; None if this is the newest."""
    older: Any = None
    """What to ask for to get the next page; None if this is the last."""
    start: float = 0.0
    end: float = 0.0
    """The stretch of time this page stands for, its neighbours' edges included; Unix seconds."""
    among: int | None = None
    """How many of the newest matches were put in order; None if all were."""


class Total(Struct, frozen=True):
    """How many records a filter matches."""

    count: int
    is_exact: bool
    """False: there are at least that many."""


class Export(Protocol):
    """A file being written in a thread of its own."""

    @property
    def written(self) -> int:
        """How many tasks are in it so far."""

    @property
    def total(self) -> int | None:
        """How many there will be; None until they are counted."""

    @property
    def is_over(self) -> bool:
        """Whether it ended, well or not."""

    @property
    def problem(self) -> str | None:
        """Why there is no file, in one sentence; None while it goes well."""

    def cancel(self) -> None:
        """Stop as soon as possible; nothing is left behind."""


class History(Protocol):
    """What the database remembers. Raises `DatabaseUnavailable` in every method."""

    async def page(
        self, chosen: Filter | None, at: Any, limit: int, now: float, order: Order | None = None
    ) -> Page:
        """Return one page; ``at`` comes from another page in the same order, None is the first."""

    async def total(self, chosen: Filter | None, now: float) -> Total:
        """Count what matches, up to an honest bound."""

    async def histogram(
        self, chosen: Filter | None, most_slices: int, now: float
    ) -> Histogram | None:
        """Count the newest of what matches in slices of time; None if nothing does."""

    def export(
        self,
        chosen: Filter | None,
        path: Path,
        format: str,
        *,
        replace: bool,
        now: float,
        logs: bool = False,
    ) -> Export:
        """Begin to write everything that matches to ``path``, as ``csv``, ``json`` or ``jsonl``.

        With ``logs`` each task gets what it logged.
        """

    async def facets(
        self, chosen: Filter | None, fields: Sequence[str], spans: Sequence[Span], now: float
    ) -> Facets:
        """Count the values of fields, and the tasks of stretches of time, among the newest matches.

        Of each without what the filter asks of it; ``tag.KEY`` is a field too.
        """

    async def known(self, field: str, begun: str, cap: int) -> list[tuple[str, int]]:
        """Return some values of a field that begin so, each with its tasks, counted to ``cap`` + 1."""

    async def by_id(self, task_id: str) -> TaskRecord | None:
        """Return one task with its attempts and tags."""

    async def family(self, record: TaskRecord) -> list[TaskRecord]:
        """Return the tasks of the same workflow, the record among them, bounded."""

    async def log(
        self,
        task_id: str,
        *,
        after: Place | None = None,
        before: Place | None = None,
        limit: int = 1_000,
        level: int = 0,
    ) -> LogPage:
        """Return the lines of a task after a place, or the last ones before one, oldest first."""

    async def count_log(self, task_id: str, *, level: int = 0) -> int:
        """Count the lines kept of a task, of a level and above."""

    async def find_in_log(
        self, task_id: str, words: str, place: Place, *, newer: bool, level: int = 0
    ) -> LogLine | None:
        """Return the next line after (or before) a place that holds words; None if none does."""

    async def kept_message(self, task_id: str) -> KeptMessage | None:
        """Return the exact message of a task, or why it was not kept; None if nothing is known of it."""

    async def gaps(self, start: float, end: float) -> list[Gap]:
        """Return the stretches between two instants in which tasks may be missing."""

    async def overview(self, chosen: Range, now: float) -> Reading:
        """Read the record over a range up to ``now``, for Overview."""

    async def seed(self, limit: int, since: float | None = None) -> list[TaskRecord]:
        """Return what is unfinished and the newest of what ended, at most ``limit`` of each.

        With ``since`` only what changed its state then or later, the newest first.
        """

    async def workers(self, since: float) -> list[WorkerRecord]:
        """Return the workers heard of since an instant, as they were last recorded."""

    async def runtimes(self) -> Mapping[str, Sequence[float]]:
        """Return the runtimes of the last tasks that succeeded, by the worker that ran them."""

    async def worker_trend(
        self, hostname: str, start: float, end: float, slice_s: float
    ) -> Sequence[WorkerSlice]:
        """Return how one worker fared in each slice of a range that has a sample, oldest first."""

    async def worker_use(
        self, start: float, end: float, slice_s: float
    ) -> Mapping[str, Sequence[UsePoint]]:
        """Return by worker what it used in each slice of a range for which its agent told."""

    async def queue_trends(
        self, start: float, end: float, slice_s: float
    ) -> Mapping[str, Sequence[tuple[float, int]]]:
        """Return of every queue the most that was ready in each slice, oldest first."""

    async def queue_pauses(self) -> Mapping[str, QueuePause]:
        """Return since when queues are paused, by name."""

    def prepare(self) -> None:
        """Import, in any thread, what the first page would have to wait for."""

    async def close(self) -> None:
        """Let the connections go."""


class Known(Struct, frozen=True, kw_only=True):
    """What the console knows and its cluster view asks about; replaced as a whole, never changed."""

    workers: Sequence[WorkerRecord] = ()
    unfinished: Sequence[TaskRecord] = ()
    running: Sequence[str] = ()
    """Ids of tasks that run."""
    taken: Callable[[], Mapping[str, int] | None] = lambda: None
    """Tells, in any thread, how many tasks were taken from each queue; None if it cannot be told."""


class ClusterNews(Struct, frozen=True, kw_only=True):
    """What broker and workers answered since the last look."""

    read_at: float
    workers: Mapping[str, Callable[[WorkerRecord], WorkerRecord]] = {}
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


class Question(Struct, frozen=True, kw_only=True):
    """Why does this task wait?"""

    record: TaskRecord
    workers: Sequence[WorkerRecord] = ()
    queue_paused: bool = False
    """Its queue is known to be paused."""


class WhyAnswer(Struct, frozen=True):
    """What was found out about one waiting task."""

    task_id: str
    causes: Sequence[Cause]
    asked_at: float
    """When the last answer was in, Unix seconds."""


class Waiting(Protocol):
    """Finds out why a task waits, in a thread of its own; asked only while such a task is open."""

    def look_at(self, question: Question | None) -> None:
        """Ask about this task, again and again, until another is given; None stops asking."""

    def answer(self, task_id: str) -> WhyAnswer | None:
        """Return what was found out about ``task_id``; None until there is something."""

    def stop(self) -> None:
        """End the thread."""


class Inquiry(Protocol):
    """Answers what a screen asks of one worker or queue. Raises `BrokerUnavailable`."""

    async def worker(self, hostname: str) -> WorkerTold:
        """Ask one worker everything it tells of itself."""

    async def queue(
        self, name: str, start: int, limit: int, workers: Collection[str] = ()
    ) -> QueueTold:
        """Read waiting messages from position ``start``, and what is unacknowledged if it is 0.

        ``workers`` are asked, if need be, which of them has an unacknowledged message.
        """

    def close(self) -> None:
        """Close the connections."""


class Services(Struct, frozen=True, kw_only=True):
    """Factories of all of the above; None means the console does without."""

    events: Callable[[Callable[[], None]], EventSource] | None = None
    """Given what to call, from any thread, when there is something to drain."""
    agents: Callable[[Callable[[], None]], AgentSource] | None = None
    """Given what to call, from any thread, when there is something to take."""
    history: Callable[[], History] | None = None
    recorder: Callable[[], RecorderService] | None = None
    cluster: Callable[[Callable[[], Known], Callable[[], None]], ClusterView] | None = None
    """Given what returns the known, from any thread, and what to call when there is news."""
    waiting: Callable[[], Waiting] | None = None
    """Made without a thread or a connection; both begin with the first question."""
    inquiry: Callable[[], Inquiry] | None = None
    """Made without a connection; it is opened with the first question."""
    acts: Callable[[], Acts] | None = None
    """Made without a connection; each act opens its own."""
    audit: Callable[[], AuditTrail] | None = None
    """Made without a connection; it is opened with the first question."""
    clock: Callable[[], float] = time.time


def real(settings: Settings, *, records: bool = True) -> Services:
    """Return the services of a real cluster; nothing is imported or opened until they are called.

    Args:
        settings: Name the cluster and its database.
        records: False leaves recording to others and only tells who does it.
    """

    captures: list[Capture] = []

    def events(wake: Callable[[], None]) -> EventSource:
        from umbel_backend.events.capture import Capture

        capture = Capture(settings.context, settings, wake, capacity=MOST_EVENTS)
        captures.append(capture)
        return capture

    def agents(wake: Callable[[], None]) -> AgentSource:
        from umbel_backend.events.agent_stream import AgentStream

        clocks = captures[-1].clocks if captures else None
        return AgentStream(settings, wake, clocks=clocks)

    def history() -> History:
        from umbel_console.queries import DatabaseHistory

        return DatabaseHistory(settings)

    def recorder() -> RecorderService:
        from umbel_console.recording import EmbeddedRecorder, OtherRecorder

        if not records:
            return OtherRecorder(settings)
        return EmbeddedRecorder(settings, captures[-1] if captures else None)

    def cluster(known: Callable[[], Known], wake: Callable[[], None]) -> ClusterView:
        from umbel_console.cluster import LiveCluster

        return LiveCluster(settings, known, wake)

    def waiting() -> Waiting:
        from umbel_console.waiting import LiveWaiting

        return LiveWaiting(settings)

    def inquiry() -> Inquiry:
        from umbel_console.inquiry import LiveInquiry

        return LiveInquiry(settings)

    def acts() -> Acts:
        from umbel_console.acting_live import LiveActs

        return LiveActs(settings)

    def audit() -> AuditTrail:
        from umbel_console.auditing_live import LiveAuditTrail

        return LiveAuditTrail(settings)

    return Services(
        events=events,
        agents=agents,
        history=history,
        recorder=recorder,
        cluster=cluster,
        waiting=waiting,
        inquiry=inquiry,
        acts=acts,
        audit=audit,
    )

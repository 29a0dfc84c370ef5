"""What Umbel knows of one task, worker, queue, message or gap, as plain values without any I/O.

Instants are Unix seconds, UTC, as ``float`` (``_at``), durations are seconds (``_s``); they become
ISO 8601 text only where they leave Umbel (``umbel_backend.wire``). A record is never changed once
it was handed over: whoever needs another one copies it (``copy.copy`` is a C loop for these).
``None`` always means "not known", never "empty".
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

WorkerStatus = Literal["online", "late", "not answering", "offline", "draining"]
DOUBLED_FOR_S = 60.0
"""For how long two workers of one name are told after both were heard of."""
QueueState = Literal["flowing", "paused", "no consumer", "over limit"]


class Progress(msgspec.Struct, frozen=True, gc=False):
    """How far a running task says it is.

    Source: the ``meta`` of ``update_state`` as kept by the result backend.
    """

    current: float
    total: float
    note: str = ""


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One run of a task that has several, in the order they ran."""

    number: int
    """1 for the first run."""
    started_at: float | None
    ended_at: float | None
    outcome: str
    """The state the run ended in, ``RETRY`` included."""
    exception: str | None
    worker: str | None
    policy: str | None = None
    """Pattern of the retry policy of Umbel that had the next run made; None if none did."""
    delay_s: float | None = None
    """How long the next run had to wait by that policy."""


class TaskRecord(msgspec.Struct, kw_only=True, gc=False):
    """Everything known of one task, folded from its events and completed from broker and backend."""

    id: str
    """Celery's ``uuid``; any text up to 255 characters, not always a UUID."""
    name: str = ""
    """The registered task name; empty while only events without a name were seen."""
    state: str = "PENDING"
    state_at: float
    """When the task entered ``state``; with ``since`` and ``until`` a filter compares this."""
    queue: str | None = None
    """Source: ``task-sent``, the message itself, or the only queue its worker consumes from."""
    priority: int | None = None
    """The number in the message; only the broker, never an event, tells it."""
    worker: str | None = None
    """Node name of the worker that has or had it, ``w1@host``."""
    args: str | None = None
    """Positional arguments: JSON text of the list if ``args_exact``, else Celery's repr."""
    kwargs: str | None = None
    """Keyword arguments: JSON text of the object if ``args_exact``, else Celery's repr."""
    args_exact: bool = False
    """``args`` and ``kwargs`` were decoded from the message itself."""
    args_complete: bool = False
    """Nothing of ``args`` and ``kwargs`` was cut, by length or by depth."""
    result: str | None = None
    """JSON text if ``result_exact``, else Celery's repr of the return value."""
    result_exact: bool = False
    exception: str | None = None
    """Class and message, ``ValueError: bad row``."""
    traceback: str | None = None
    sent_at: float | None = None
    received_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    """Known exactly when ``state`` is ready."""
    runtime_s: float | None = None
    """Celery's own measurement where it sends one, else ``finished_at - started_at``."""
    retries: int = 0
    attempts: tuple[Attempt, ...] = ()
    """Runs that ended and were followed by another; the current or last run is the record itself."""
    root_id: str | None = None
    parent_id: str | None = None
    group_id: str | None = None
    retry_of: str | None = None
    """The task this one repeats by an operator's retry."""
    retried_as: tuple[str, ...] = ()
    eta: float | None = None
    expires: float | None = None
    pid: int | None = None
    """Process id of the worker's parent process, from ``task-started``."""
    progress: Progress | None = None
    paused_how: Literal["held", "checkpoint", "frozen"] | None = None
    tags: dict[str, str] = {}
    acks_late: bool | None = None
    """Whether its message is acknowledged only at its end, so that it comes back when its worker dies.
    Source: the agent."""

    @property
    def wait_s(self) -> float | None:
        """Seconds from being sent, received or due by its ETA to its start; None until both are known."""
        # A retry's own sending is not told: it waits from the moment a worker received it.
        first_run = not self.attempts and self.sent_at is not None
        came = self.sent_at if first_run else self.received_at
        if self.started_at is None or came is None:
            return None
        if self.eta is not None and self.eta > came:
            came = self.eta
        return max(0.0, self.started_at - came)

    @property
    def hostname(self) -> str | None:
        """The host part of ``worker``."""
        return self.worker.partition("@")[2] if self.worker else None

    @property
    def is_ready(self) -> bool:
        """Whether nothing more is expected of this task."""
        return self.finished_at is not None


class WorkerRecord(msgspec.Struct, kw_only=True):
    """What is known of one worker node, from its heartbeats and its answers to ``inspect``."""

    hostname: str
    """Node name, ``w1@host``."""
    status: WorkerStatus = "online"
    heartbeat_at: float | None = None
    """When the last event of this worker arrived, by this machine's clock."""
    heartbeat_period_s: float = 2.0
    """How often it says it sends heartbeats (event field ``freq``)."""
    started_at: float | None = None
    """When this run of the worker was first known to be up."""
    stopped_at: float | None = None
    """When it said ``worker-offline`` or was given up."""
    pid: int | None = None
    pool: str | None = None
    """Short pool name: ``prefork``, ``threads``, ``solo``, ``gevent``, ``eventlet``."""
    concurrency: int | None = None
    prefetch_count: int | None = None
    active: int | None = None
    reserved: int | None = None
    processed: int | None = None
    succeeded: int = 0
    """Counted by Umbel since it watches this run of the worker."""
    failed: int = 0
    runtime_total_s: float = 0.0
    """Sum of the runtimes behind ``succeeded``."""
    p95_runtime_s: float | None = None
    loadavg: tuple[float, ...] | None = None
    cpu_percent: float | None = None
    memory_bytes: int | None = None
    queues: tuple[str, ...] | None = None
    """Queues it consumes from now; None until it answered ``active_queues``."""
    clock_skew_s: float | None = None
    """Its clock minus this machine's, estimated; positive when it is ahead."""
    clock_correction_s: float = 0.0
    """Seconds added to what its clock says, as last heard; see `umbel_backend.events.clocks`."""
    celery_version: str | None = None
    agent: str | None = None
    """Version of ``umbel_agent`` in it; None where there is none, or its announcement has expired."""
    boot: str | None = None
    """Names this run of the worker, told by its agent; another one under the same name differs."""
    capabilities: tuple[str, ...] = ()
    """What its agent can do, in the words of ``docs/agent-stream.md``."""
    leases: bool | None = None
    """Whether its agent renews the claim on unacknowledged messages."""
    visibility_timeout_s: float | None = None
    """After how long Redis redelivers what this worker did not acknowledge, as its agent says."""
    messages_kept: str | None = None
    """Which exact messages its agent keeps: ``all``, ``failed`` or ``off``."""
    agent_dropped: int | None = None
    """Records its agent lost since its start, because they could not be delivered."""
    sampled_at: float | None = None
    """When its agent last told ``cpu_percent`` and ``memory_bytes`` (main process and children)."""
    main_memory_bytes: int | None = None
    """Resident memory of the main process alone."""
    children: int | None = None
    """Processes of its pool."""
    task_events: bool | None = None
    """Whether it sends task events; None until known."""

    former_pid: int | None = None
    """Process id of the run before, as far as it was seen."""
    former_boot: str | None = None
    """``boot`` of the run before."""
    doubled_at: float | None = None
    """When the run before was last heard of again, beside this one: two workers have one name."""

    def is_doubled(self, now: float) -> bool:
        """Whether two workers call themselves so, as heard of within the last minute."""
        return self.doubled_at is not None and now - self.doubled_at <= DOUBLED_FOR_S

    @property
    def avg_runtime_s(self) -> float | None:
        """Mean runtime of the tasks counted in ``succeeded``."""
        return self.runtime_total_s / self.succeeded if self.succeeded else None


class QueuePause(msgspec.Struct, frozen=True, kw_only=True):
    """Since when nobody is to consume a queue. Source: the database."""

    at: float
    workers: int
    """How many were told to stop consuming it, and go on when it is resumed."""


class QueueRecord(msgspec.Struct, kw_only=True):
    """How one queue stood at one moment. Source: the broker."""

    name: str
    ready: int
    """Messages waiting to be delivered, all priority levels together; unacked ones not counted."""
    by_priority: dict[str, int]
    """Ready messages per broker step, keyed by the step as text (``"0"``)."""
    read_at: float
    unacked: int | None = None
    """Delivered but not acknowledged; None where the broker does not tell."""
    consumers: int | None = None
    in_rate: float | None = None
    """Messages a second that came in, over the last two readings; None until there are two."""
    out_rate: float | None = None
    oldest_age_s: float | None = None
    """Seconds since the message that runs next was first seen; a lower bound for what came earlier."""
    state: QueueState = "flowing"
    limit: int | None = None
    pause: QueuePause | None = None
    """Of a paused one, as far as somebody read it; the broker does not tell."""


class MessageRecord(msgspec.Struct, kw_only=True):
    """One message waiting in a queue. Source: the broker, read without taking it."""

    position: int
    """0 runs next."""
    id: str
    name: str
    args: str | None = None
    """JSON text if ``args_exact``, else the sender's repr."""
    kwargs: str | None = None
    args_exact: bool = False
    args_complete: bool = False
    priority: int | None = None
    eta: float | None = None
    expires: float | None = None
    retries: int = 0
    root_id: str | None = None
    parent_id: str | None = None
    group_id: str | None = None
    queue: str = ""
    size_bytes: int = 0
    age_s: float | None = None
    """Seconds since it was first seen waiting; None if not watched."""
    headers: dict[str, str] = {}
    """Custom headers with text or number values, for tags."""
    problem: str | None = None
    """Why the entry cannot be read as a task message, as a phrase; then ``id`` and ``name`` are empty."""


class LogLine(msgspec.Struct, frozen=True, gc=False):
    """One line that a task logged or printed. Source: the agent."""

    at: float
    level: int
    """Python's number: 10 debug, 20 info, 30 warning, 40 error, 50 critical."""
    logger: str
    text: str
    """Without control characters but tab and newline; a traceback is part of its line."""
    n: int = 0
    """Its number in the database, which with ``at`` is its place: ``(at, n)``; 0 while it is not stored."""
    stream_id: str = ""
    """Which entry of the agents' stream brought it; with ``position`` the same on every road."""
    position: int = 0
    """Its place among the lines of that entry."""
    retries: int | None = None
    """Of the run that wrote it, as its message said; None of lines stored before this was kept."""
    pid: int | None = None
    """Process that wrote it; runs of the same ``retries`` differ in it, after a redelivery for instance."""


class KeptMessage(msgspec.Struct, kw_only=True, frozen=True):
    """The exact message of a task, as its worker received it. Source: the agent."""

    id: str
    kept_at: float
    """When the worker received it."""
    body: bytes | None = None
    """As the producer's serializer made it; None if it was withheld. Never decoded but from JSON and
    MessagePack."""
    headers: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    content_type: str | None = None
    content_encoding: str | None = None
    size_bytes: int | None = None
    """Of the body as it was sent, even if that was withheld; None if it was not told."""
    withheld: str | None = None
    """Why there is no body, as a phrase: ``it holds a redacted value``."""
    sealed: bool = False
    """``body`` is encrypted, with a key that only the workers' owner has."""


class Gap(msgspec.Struct, kw_only=True, frozen=True):
    """A stretch of time in which events may have been missed."""

    source: str
    """Who missed them: ``recorder`` or ``console``, with the host."""
    started_at: float
    ended_at: float | None
    """None while it lasts."""
    reason: str
    """One plain sentence."""
    events_lost: int | None = None
    """None when it cannot be known."""


class AuditRecord(msgspec.Struct, kw_only=True, frozen=True):
    """What somebody did to one target, or tried to, and what was seen to come of it."""

    id: int
    """Its place in the audit's chain, in which outcomes are counted too."""
    at: float
    operator: str
    """The operating system's user."""
    origin: str
    """The host it was done on, and where they came from: ``ops-2, ssh from 10.0.0.5``."""
    action: str
    """The command's verb: ``cancel``, ``operator add``."""
    target_kind: str
    """``task``, ``operator`` …"""
    target: str
    reason: str
    parameters: dict[str, Any] = {}
    outcome: str | None
    """``done``, ``partly``, ``refused`` or ``unknown``; ``interrupted`` when its process ended before the
    outcome was known; None while it is under way."""
    outcome_at: float | None
    detail: str
    """One or more plain sentences, what was seen; empty until there is an outcome."""
    batch: str
    """The same for all targets of one command."""
    hash: str
    """The last hash of the chain that covers this row, as hexadecimal digits."""

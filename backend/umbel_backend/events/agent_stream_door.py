"""The door for what agents write: every record of their stream passes here once, as events do theirs.

Anybody who can reach the broker can write into the stream, so nothing in it is trusted: what it tells is
typed, bounded, cleaned and redacted again, and what cannot be let in is counted. A fact that is told by
an event too gets the very same time here (`Clocks.retold`), so that it is folded once.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import msgspec

from umbel_agent import protocol
from umbel_agent.redact import Redactor
from umbel_backend.events.agent_stream_messages import MessageKeeper, SentMessage
from umbel_backend.events.clocks import Clocks
from umbel_backend.events.door import Door
from umbel_backend.events.model import Event
from umbel_backend.events.text import Recurring, clean
from umbel_backend.records import Gap, KeptMessage, LogLine, Progress
from umbel_backend.settings import Settings

T = TypeVar("T")

AGENT_LOGGER = "umbel.agent"
"""Logger of the lines that the agent itself has to say, of what it left out for instance."""

_RECORD_BYTES = 16 << 20
_LINES = 20_000
"""Most lines of one record; an agent sends a few hundred."""
_OWN_ID_LIMIT = 64
_LINE_LIMIT = 8_192
_ID_LIMIT = 255
_NOTE_LIMIT = 200
_TYPE = re.compile(rb'^\s*\{\s*"type":\s*"([a-z-]{1,40})"')
_PLAIN_STATES = frozenset({"PROGRESS", "STARTED", "PENDING", "RUNNING", ""})
_UNREADABLE = (msgspec.MsgspecError, ValueError, TypeError, RecursionError)


class TaskLog(msgspec.Struct, frozen=True):
    """Lines that one run of a task logged, in their order."""

    id: str
    """The task's."""
    hostname: str
    lines: tuple[LogLine, ...]


class WorkerVitals(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker used at one moment. Source: ``umbel-sample``."""

    hostname: str
    at: float
    """When it reached the broker, by this machine's clock."""
    boot: str | None = None
    pid: int | None = None
    cpu_percent: float | None = None
    """Main process and children, of one core."""
    memory_bytes: int | None = None
    """Resident, main process and children."""
    main_memory_bytes: int | None = None
    children: int | None = None


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent says of itself while it lives. Source: ``umbel:agent:{hostname}``."""

    version: str
    boot: str
    protocol: int = 1
    pid: int | None = None
    started_at: float | None = None
    """By the worker's clock."""
    pool: str | None = None
    concurrency: int | None = None
    capabilities: tuple[str, ...] = ()
    leases: bool = False
    visibility_timeout_s: float | None = None
    messages: str | None = None
    """Which exact messages it keeps: ``all``, ``failed`` or ``off``."""
    shipped: int | None = None
    dropped: int | None = None
    """Records it lost since its start."""
    waiting: int | None = None
    """Records it has yet to deliver."""


@dataclass(slots=True)
class Told:
    """What some entries of the stream told, in the order they came."""

    events: list[Event] = field(default_factory=list)
    logs: list[TaskLog] = field(default_factory=list)
    messages: list[KeptMessage] = field(default_factory=list)
    vitals: list[WorkerVitals] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    """Stretches whose records were lost: by an agent, or because the stream was cut before it was read."""


class _Kind(msgspec.Struct):
    type: str


class _FromTask(msgspec.Struct):
    uuid: str
    hostname: str = ""
    timestamp: float = 0.0


class _Progress(_FromTask):
    state: str = ""
    current: float | None = None
    total: float | None = None
    note: str | None = None


class _Acted(_FromTask, kw_only=True):
    type: str
    how: Literal["held", "checkpoint", "frozen"] | None = None
    name: str | None = None
    queue: str | None = None
    root_id: str | None = None
    parent_id: str | None = None
    group_id: str | None = None


class _Log(_FromTask):
    lines: list[tuple[float, int, str, str]] = []
    dropped: int = 0
    retries: int | None = None
    pid: int | None = None
    id: str = ""
    """The record's own, the same when an agent had to send it twice."""


class _Sample(msgspec.Struct):
    hostname: str
    pid: int | None = None
    boot: str | None = None
    cpu_percent: float | None = None
    memory_bytes: int | None = None
    main_memory_bytes: int | None = None
    children: int | None = None


class _Dropped(msgspec.Struct):
    hostname: str
    timestamp: float
    count: int
    since: float | None = None


class AgentDoor:
    """Lets records of the stream in; keeps count of what it turned away.

    Args:
        settings: The bounds, the tags, the names of secrets.
        clocks: What is known of the workers' clocks.
    """

    def __init__(self, settings: Settings, clocks: Clocks | None = None) -> None:
        self._door = Door(settings, clocks)
        self._clocks = self._door.clocks
        self._redact = Redactor(settings.redact).redact
        self._keeper = MessageKeeper(settings)
        self._hostnames = Recurring(_ID_LIMIT)
        self._loggers = Recurring(_ID_LIMIT)
        self._malformed = 0
        self.unknown = 0
        """Well-formed records of a type that is not known."""
        self._readers = {
            protocol.MESSAGE: self._message,
            protocol.PROGRESS: self._progress,
            protocol.LOG: self._log,
            protocol.SAMPLE: self._sample,
            protocol.DROPPED: self._dropped,
            protocol.PAUSED: self._acted,
            protocol.RESUMED: self._acted,
            protocol.REVOKED: self._acted,
        }

    @property
    def malformed(self) -> int:
        """Records that could not be read."""
        return self._malformed + self._door.malformed

    def admit(self, body: bytes, stream_id: str, arrived_at: float, told: Told) -> None:
        """Add what one record tells to ``told``; never raises for what is in it.

        Args:
            body: The field ``r`` of the entry.
            stream_id: The entry's id.
            arrived_at: When the server took the entry, by this machine's clock.
            told: Where to add it.
        """
        try:
            kind = _kind(body)
            if kind in protocol.LIFECYCLE_TYPES:
                event = self._door.open_record(body, arrived_at)
                if event is not None:
                    told.events.append(event)
            elif (read := self._readers.get(kind)) is not None:
                read(body, stream_id, arrived_at, told)
            else:
                self.unknown += 1
        except _UNREADABLE:
            self._malformed += 1

    def _message(self, body: bytes, stream_id: str, arrived_at: float, told: Told) -> None:
        sent = _decoded(body, SentMessage)
        task_id = _task_id(sent.uuid)
        hostname = self._hostnames[sent.hostname]
        at = self._clocks.retold(hostname, sent.timestamp, arrived_at)
        event, kept = self._keeper.read(sent, task_id, at)
        event.hostname, event.arrived_at = hostname, arrived_at
        told.events += self._door.admit_findings([event])
        if kept is not None:
            told.messages.append(kept)

    def _progress(self, body: bytes, stream_id: str, arrived_at: float, told: Told) -> None:
        read = _decoded(body, _Progress)
        note = clean(read.note or "", _NOTE_LIMIT)
        if not note and read.state.upper() not in _PLAIN_STATES:
            note = clean(read.state, _NOTE_LIMIT)
        current, total = _amount(read.current), _amount(read.total)
        if current is None and not note:
            return
        hostname = self._hostnames[read.hostname]
        told.events += self._door.admit_findings(
            [
                Event(
                    type="umbel-progress",
                    id=_task_id(read.uuid),
                    hostname=hostname,
                    at=self._clocks.retold(hostname, read.timestamp, arrived_at),
                    arrived_at=arrived_at,
                    progress=Progress(current or 0.0, total or 0.0, self._redact(note)),
                )
            ]
        )

    def _acted(self, body: bytes, stream_id: str, arrived_at: float, told: Told) -> None:
        """What became of a task by an operator's act: told by an agent, or by Umbel itself."""
        read = _decoded(body, _Acted)
        hostname = self._hostnames[read.hostname]
        event = Event(
            type=read.type,
            id=_task_id(read.uuid),
            hostname=hostname,
            at=self._clocks.retold(hostname, read.timestamp, arrived_at),
            arrived_at=arrived_at,
            name=read.name,
            queue=read.queue,
            root_id=read.root_id,
            parent_id=read.parent_id,
            group_id=read.group_id,
            paused_how=read.how if read.type == protocol.PAUSED else None,
        )
        told.events += self._door.admit_findings([event])

    def _log(self, body: bytes, stream_id: str, arrived_at: float, told: Told) -> None:
        read = _decoded(body, _Log)
        task_id = _task_id(read.uuid)
        stream_id = read.id if 0 < len(read.id) <= _OWN_ID_LIMIT else stream_id
        hostname = self._hostnames[read.hostname]
        retries, pid = _count(read.retries, 2**31), _count(read.pid, 2**31)
        lines = [
            LogLine(
                self._clocks.retold(hostname, at, arrived_at),
                min(max(level, 0), 100),
                self._loggers[logger],
                self._redact(clean(text, _LINE_LIMIT)),
                stream_id=stream_id,
                position=position,
                retries=retries,
                pid=pid,
            )
            for position, (at, level, logger, text) in enumerate(read.lines[:_LINES])
        ]
        dropped = max(0, read.dropped) + max(0, len(read.lines) - _LINES)
        if dropped:
            at = lines[-1].at if lines else arrived_at
            words = "1 line was" if dropped == 1 else f"{dropped:,} lines were"
            words += " left out here, for number or size"
            lines.append(
                LogLine(
                    at,
                    30,
                    AGENT_LOGGER,
                    words,
                    stream_id=stream_id,
                    position=len(lines),
                    retries=retries,
                    pid=pid,
                )
            )
        if lines:
            told.logs.append(TaskLog(task_id, hostname, tuple(lines)))

    def _sample(self, body: bytes, stream_id: str, arrived_at: float, told: Told) -> None:
        read = _decoded(body, _Sample)
        hostname = self._hostnames[read.hostname]
        if not hostname:
            raise ValueError("a sample of nobody")
        told.vitals.append(
            WorkerVitals(
                hostname=hostname,
                at=arrived_at,
                boot=read.boot and clean(read.boot, _ID_LIMIT),
                pid=_count(read.pid, 2**31),
                cpu_percent=_amount(read.cpu_percent),
                memory_bytes=_count(read.memory_bytes),
                main_memory_bytes=_count(read.main_memory_bytes),
                children=_count(read.children, 2**31),
            )
        )

    def _dropped(self, body: bytes, stream_id: str, arrived_at: float, told: Told) -> None:
        read = _decoded(body, _Dropped)
        hostname = self._hostnames[read.hostname]
        ended_at = self._clocks.retold(hostname, read.timestamp, arrived_at)
        since = ended_at
        if read.since is not None:
            since = self._clocks.retold(hostname, read.since, arrived_at)
        told.gaps.append(
            Gap(
                source=f"agent {hostname}",
                started_at=min(since, ended_at),
                ended_at=ended_at,
                reason="the agent could not deliver what happened: its Redis was away or full",
                events_lost=_count(read.count),
            )
        )


def _kind(body: bytes) -> str:
    """Return the type of a record; agents write it first, others may not."""
    if len(body) > _RECORD_BYTES:
        raise ValueError("too large")
    match = _TYPE.match(body)
    return match[1].decode() if match else _decoded(body, _Kind).type


def _decoded(body: bytes, kind: type[T]) -> T:
    """Return the record in ``body``, also where its text is broken or a number is written as text."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeError):
        return msgspec.convert(
            json.loads(body.decode(errors="backslashreplace")), kind, strict=False
        )


def _task_id(text: str) -> str:
    if not 0 < len(text) <= _ID_LIMIT:
        raise ValueError("no task has such an id")
    return text if text.isprintable() else clean(text, _ID_LIMIT)


def _amount(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) and 0 <= value < 2**62 else None


def _count(value: int | None, limit: int = 2**62) -> int | None:
    return value if value is not None and 0 <= value < limit else None


def read_announcement(raw: bytes | None) -> Announcement | None:
    """Return what an agent announces of itself; None if there is none, or it is not to be read."""
    if raw is None or len(raw) > 65_536:
        return None
    try:
        read = _decoded(raw, Announcement)
    except _UNREADABLE:
        return None
    return msgspec.structs.replace(
        read,
        version=clean(read.version, 100),
        boot=clean(read.boot, _ID_LIMIT),
        pid=_count(read.pid, 2**31),
        pool=read.pool and clean(read.pool, 100),
        messages=read.messages and clean(read.messages, 20),
        capabilities=tuple(clean(word, 50) for word in read.capabilities[:50]),
        visibility_timeout_s=_amount(read.visibility_timeout_s),
        started_at=_amount(read.started_at),
        concurrency=_count(read.concurrency, 2**31),
        shipped=_count(read.shipped),
        dropped=_count(read.dropped),
        waiting=_count(read.waiting),
    )

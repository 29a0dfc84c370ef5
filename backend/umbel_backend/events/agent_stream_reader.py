"""Reads the agents' stream: entries, and whether some were cut off before they were read.

Two ways: a `TailReader` begins with what comes from now on and leaves nothing behind, as a console does; a
`GroupReader` reads as a consumer group, in which every entry stays pending until it is acknowledged.
Blocking; for one thread.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from umbel_agent.protocol import FIELD, STREAM_KEY

if TYPE_CHECKING:
    from redis import Redis

GROUP = "recorder:"
"""Before the identity of the database, in the name of a recorder's group."""

_RECORD = FIELD.encode()
_BLOCK_MS = 400
_CLAIMED_AT_ONCE = 1_000
_ACKNOWLEDGED_AT_ONCE = 1_000
_LOOK_EVERY_S = 0.5
"""How often the stream itself is looked at while all that comes is read at once."""
_FORGOTTEN_AFTER_MS = 60_000
"""A consumer of ours that died and has nothing pending is forgotten after this."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the stream."""

    id: str
    record: bytes
    """Its field ``r``; empty if it has none."""

    @property
    def at(self) -> float:
        """When the server took it, by the server's clock."""
        return instant_of(self.id)


@dataclass(frozen=True, slots=True)
class Hole:
    """Entries that were cut off before they were read."""

    started_at: float
    """When the last entry before it was taken, by the server's clock."""
    ended_at: float
    lost: int | None


@dataclass(slots=True)
class Read:
    """What one look at the stream gave."""

    entries: list[Entry] = field(default_factory=list)
    hole: Hole | None = None
    """Came before ``entries``."""
    behind: int | None = None
    """Entries not read after these; None if it was not asked, or the server does not tell."""
    is_full: bool = False
    """As many as asked for came, so that there may be more."""
    exists: bool = True
    """Whether there is a stream."""


class _Look:
    """When the stream itself is to be looked at: at first, while there is more to read, and now and then.

    What is said of the stream holds its first and last entry, so that it is not asked for at every read.
    """

    def __init__(self) -> None:
        self._due_at = 0.0
        self._is_behind = True

    def is_due(self) -> bool:
        now = time.monotonic()
        if not self._is_behind and now < self._due_at:
            return False
        self._due_at = now + _LOOK_EVERY_S
        return True

    def note(self, is_behind: bool) -> None:
        self._is_behind = is_behind


class TailReader:
    """Reads what comes from its first `open` on.

    Args:
        client: The server.
        prefix: What stands before every key.
    """

    def __init__(self, client: Redis, prefix: str) -> None:
        self._client = client
        self._key = prefix + STREAM_KEY
        self._last: str | None = None
        self._index: int | None = None
        self._exists = False
        self._look = _Look()

    def open(self) -> None:
        """Remember the last entry there is, the first time."""
        self._look = _Look()
        if self._last is None:
            stream = _stream(self._client, self._key)
            self._last = _text(stream.get("last-generated-id")) or "0-0"
            self._index = stream.get("entries-added", 0)

    def read(self, count: int, *, wait: bool) -> Read:
        """Return the next entries, at most ``count``; with ``wait`` until one comes, for a moment."""
        assert self._last is not None
        hole = None
        if self._look.is_due():
            stream = _stream(self._client, self._key)
            self._exists = bool(stream)
            hole = _hole(stream, self._last, self._index)
            added = stream.get("entries-added")
            if hole is not None:
                self._index = (self._index or 0) + (hole.lost or 0)
            elif added is not None and (self._index is None or self._index > added):
                # Another stream of the same name: the server lost the one before.
                self._index = added
        answer: Any = self._client.xread(
            {self._key: self._last}, count=count, block=_BLOCK_MS if wait else None
        )
        entries = [Entry(_id(id_), _record(fields)) for id_, fields in _listed(answer)]
        self._look.note(len(entries) == count)
        if entries:
            self._exists = True
            self._last = entries[-1].id
            if self._index is not None:
                self._index += len(entries)
        return Read(entries, hole, None, len(entries) == count, self._exists)


class GroupReader:
    """Reads for a consumer group: first what is pending, of this consumer and of dead ones, then the new.

    Args:
        client: The server.
        prefix: What stands before every key.
        group: Its name; made when there is a stream, from the stream's beginning.
        consumer: Whose name the entries are delivered to. The caller makes sure that there is no
            other one of this group at work.
    """

    def __init__(self, client: Redis, prefix: str, group: str, consumer: str) -> None:
        self._client = client
        self._key = prefix + STREAM_KEY
        self._group = group
        self._consumer = consumer
        self._pending_from: str | None = None
        self._open: set[str] = set()
        self._look = _Look()
        self.created_at: float | None = None
        """Instant of the first entry there was when this made the group; None if it was there before."""

    @property
    def unacknowledged(self) -> int:
        """How many entries were read and not acknowledged."""
        return len(self._open)

    def open(self) -> None:
        """Begin with what is pending, of others too."""
        self._look = _Look()
        self.take_over()
        self._pending_from = "0-0"

    def give_back(self) -> None:
        """Take all that is not acknowledged as not read: it is read again."""
        self._open.clear()
        self._pending_from = "0-0"

    def read(self, count: int, *, wait: bool) -> Read:
        """Return the next entries, pending ones first; with ``wait`` until one comes, for a moment."""
        if self._pending_from is not None:
            found = self._read_pending(count)
            if found is not None:
                return found
        if self._look.is_due():
            return self._read_looking(count)
        try:
            answer: Any = self._client.xreadgroup(
                self._group,
                self._consumer,
                {self._key: ">"},
                count=count,
                block=_BLOCK_MS if wait else None,
            )
        except self._refusals() as error:
            if "NOGROUP" in str(error):
                return self._read_looking(count)
            raise
        return self._delivered(_listed(answer), count)

    def _read_looking(self, count: int) -> Read:
        """Return the next entries and whether some were cut off before them, at one moment."""
        with self._client.pipeline(transaction=True) as pipe:
            pipe.xinfo_stream(self._key)
            pipe.xinfo_groups(self._key)
            pipe.xreadgroup(self._group, self._consumer, {self._key: ">"}, count=count)
            stream, groups, answer = pipe.execute(raise_on_error=False)
        if _is_absent(stream):
            return Read(exists=False)
        for each in (stream, groups, answer):
            if isinstance(each, Exception):
                if "NOGROUP" in str(each):
                    self._create(stream)
                    return Read(is_full=True)
                raise each
        group: Mapping[str, Any] = {}
        for each in groups:
            if _text(each["name"]) == self._group:
                group = each
        last = _text(group.get("last-delivered-id")) or "0-0"
        read = self._delivered(_listed(answer), count)
        read.hole = _hole(stream, last, group.get("entries-read"))
        lag = group.get("lag")
        read.behind = None if lag is None else max(0, lag - len(read.entries))
        return read

    def _delivered(self, listed: list[tuple[Any, Any]], count: int) -> Read:
        entries = [Entry(_id(id_), _record(fields)) for id_, fields in listed]
        self._open.update(entry.id for entry in entries)
        self._look.note(len(entries) == count)
        return Read(entries, None, None, len(entries) == count)

    def acknowledge(self, ids: Iterable[str]) -> None:
        """Note that what these entries told is stored."""
        done = list(ids)
        for first in range(0, len(done), _ACKNOWLEDGED_AT_ONCE):
            some = done[first : first + _ACKNOWLEDGED_AT_ONCE]
            self._client.xack(self._key, self._group, *some)
            self._open.difference_update(some)

    def take_over(self) -> None:
        """Take the entries that were delivered to consumers of this group that are gone."""
        try:
            consumers: Any = self._client.xinfo_consumers(self._key, self._group)
        except self._refusals() as error:
            if _is_absent(error) or "NOGROUP" in str(error):
                return
            raise
        for each in consumers:
            name = _text(each["name"])
            if name == self._consumer:
                if each["pending"] > len(self._open):
                    # An answer was lost on its way.
                    self._pending_from = "0-0"
                continue
            if each["pending"]:
                self._claim_all(name)
            elif each["idle"] > _FORGOTTEN_AFTER_MS:
                self._client.xgroup_delconsumer(self._key, self._group, name)

    def _claim_all(self, consumer: str) -> None:
        start = "-"
        while True:
            pending: Any = self._client.xpending_range(
                self._key, self._group, start, "+", _CLAIMED_AT_ONCE, consumername=consumer
            )
            if not pending:
                return
            ids: list[Any] = [_id(each["message_id"]) for each in pending]
            self._client.xclaim(
                self._key,
                self._group,
                self._consumer,
                min_idle_time=0,
                message_ids=ids,
                justid=True,
            )
            self._pending_from = "0-0"
            start = f"({ids[-1]}"

    def _read_pending(self, count: int) -> Read | None:
        """Return entries that were delivered before and are not in hand; None when there are no more."""
        assert self._pending_from is not None
        try:
            answer: Any = self._client.xreadgroup(
                self._group, self._consumer, {self._key: self._pending_from}, count=count
            )
        except self._refusals() as error:
            if _is_absent(error) or "NOGROUP" in str(error):
                self._pending_from = None
                return None
            raise
        listed = _listed(answer)
        if not listed:
            self._pending_from = None
            return None
        self._pending_from = _id(listed[-1][0])
        # Redis tells the fields of a pending entry that was cut off meanwhile as none.
        cut = [_id(id_) for id_, fields in listed if not fields]
        entries = [
            Entry(_id(id_), _record(fields))
            for id_, fields in listed
            if fields and _id(id_) not in self._open
        ]
        self._open.update(entry.id for entry in entries)
        lost = [id_ for id_ in cut if id_ not in self._open]
        if lost:
            self.acknowledge(lost)
        hole = Hole(instant_of(lost[0]), instant_of(lost[-1]), len(lost)) if lost else None
        return Read(entries, hole, None, True)

    def _create(self, stream: Mapping[str, Any]) -> None:
        """Make the group, from the first entry there is."""
        first: Any = stream.get("first-entry")
        was_cut = stream.get("entries-added", 0) > stream.get("length", 0)
        self.created_at = instant_of(_id(first[0])) if first and was_cut else 0.0
        self._client.xgroup_create(self._key, self._group, id="0")

    def _refusals(self) -> type[Exception]:
        from redis import ResponseError

        return ResponseError


def instant_of(stream_id: str) -> float:
    """Return when the server took the entry of this id, by its own clock."""
    milliseconds = stream_id.partition("-")[0]
    return min(int(milliseconds), 2**52) / 1000 if milliseconds.isdigit() else 0.0


def _hole(stream: Mapping[str, Any], last: str, index: int | None) -> Hole | None:
    """Return what was cut off between ``last``, the last entry read, and the first there is.

    Servers before Redis 7 do not count what they cut off, and then it cannot be told.

    Args:
        stream: What the server says of the stream.
        last: The id of the last entry read.
        index: How many entries were ever added up to it.
    """
    first: Any = stream.get("first-entry")
    added = stream.get("entries-added")
    if not first or added is None or index is None:
        return None
    cut = added - stream["length"]
    if index >= cut or not _is_before(last, _id(first[0])):
        return None
    ended_at = instant_of(_id(first[0]))
    return Hole(instant_of(last) or ended_at, ended_at, cut - index)


def _stream(client: Redis, key: str) -> Mapping[str, Any]:
    from redis import ResponseError

    try:
        found: Any = client.xinfo_stream(key)
    except ResponseError as error:
        if _is_absent(error):
            return {}
        raise
    return dict(found)


def _is_absent(error: object) -> bool:
    return isinstance(error, Exception) and "no such key" in str(error).lower()


def _is_before(one: str, other: str) -> bool:
    return _place(one) < _place(other)


def _place(stream_id: str) -> tuple[int, int]:
    milliseconds, _, number = stream_id.partition("-")
    return (int(milliseconds or 0), int(number or 0))


def _listed(answer: Any) -> list[tuple[Any, Any]]:
    """Return ids and fields from what the client made of an answer, in either protocol's shape."""
    if not answer:
        return []
    if isinstance(answer, dict):
        (parts,) = answer.values()
        return [pair for part in parts for pair in (part if isinstance(part, list) else [part])]
    return list(answer[0][1])


def _record(fields: Any) -> bytes:
    value = fields.get(_RECORD, b"") if fields else b""
    return value if isinstance(value, bytes) else b""


def _id(value: Any) -> str:
    return _text(value)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")

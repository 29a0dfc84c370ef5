"""What the stream took lately, remembered so that a Redis that comes back without it gets it again.

A Redis that was killed may have lost what it took in its last second or two, a new master what had not
reached it; and of what was sent when the connection broke it is not known whether it was taken.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from redis.exceptions import ResponseError

KEPT_S = 5.0
_MOST_ENTRIES = 1_000
_MOST_BYTES = 1_000_000
_DOUBTFUL_READ = 2_000
"""Entries read after the last known one, to find those in doubt."""

Ask = Callable[[Sequence[Sequence[bytes | str | int]]], list[Any]]
"""Runs some commands in one go and returns their answers."""


class LookBack:
    """The entries that one writer put last, and those of which it is not known whether they were taken."""

    def __init__(self) -> None:
        self._taken: deque[tuple[bytes, bytes, float]] = deque()
        self._bytes = 0
        self._newest_id = b""
        self._doubtful: frozenset[bytes] = frozenset()
        self._again: dict[bytes, None] = {}

    @property
    def again(self) -> tuple[bytes, ...]:
        """Entries that Redis took and lost, in their order, until it takes them once more."""
        return tuple(self._again)

    def took(self, entries: Iterable[tuple[bytes, bytes]]) -> None:
        """Note entries that Redis took, each with the id it gave."""
        now = time.monotonic()
        for taken_id, entry in entries:
            self._taken.append((taken_id, entry, now))
            self._bytes += len(entry)
            self._newest_id = taken_id
            if self._again:
                self._again.pop(entry, None)
        while self._taken and (
            len(self._taken) > _MOST_ENTRIES
            or self._bytes > _MOST_BYTES
            or self._taken[0][2] < now - KEPT_S
        ):
            self._bytes -= len(self._taken.popleft()[1])

    def doubt(self, entries: Iterable[bytes]) -> None:
        """Note entries that were sent and not all answered."""
        self._doubtful = frozenset(entries)

    def look(self, ask: Ask, key: str) -> Collection[bytes]:
        """Find out what Redis took and has no more; return what was in doubt and is there.

        Raises:
            ResponseError: The key is no stream.
            RedisError, OSError: It is away, or loads its file.
        """
        known: set[bytes] = set()
        lost = self._lost(ask, key)
        if self._doubtful and self._newest_id:
            known = {entry for _, entry, _ in self._taken}.difference(lost)
            after = b"(" + self._newest_id
            (found,) = ask([("XRANGE", key, after, "+", "COUNT", _DOUBTFUL_READ)])
            known = (known | {entry for _, (_, entry, *_) in found}) & self._doubtful
        if lost:
            # They get other ids, and are remembered with these.
            self._taken.clear()
            self._bytes = 0
        self._again.update(dict.fromkeys(lost))
        for entry in known:
            self._again.pop(entry, None)
        self._doubtful = frozenset()
        return known

    def _lost(self, ask: Ask, key: str) -> list[bytes]:
        """Return those of the remembered that are gone: always the last ones, if any."""
        if not self._taken:
            return []
        newest = self._taken[-1][0]
        if ask([("XRANGE", key, newest, newest)])[0]:
            return []
        found = ask([("XRANGE", key, taken_id, taken_id) for taken_id, _, _ in self._taken])
        return [entry for (_, entry, _), there in zip(self._taken, found, strict=True) if not there]


def answers(connection: Any, commands: Sequence[Sequence[bytes | str | int]]) -> list[Any]:
    """Run ``commands`` on a connection of redis-py's in one go; see `Ask`."""
    connection.send_packed_command(connection.pack_commands(commands))
    found: list[Any] = []
    refused: ResponseError | None = None
    for _ in commands:
        try:
            found.append(connection.read_response())
        except ResponseError as error:
            refused = error
    if refused is not None:
        raise refused
    return found

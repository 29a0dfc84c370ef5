"""How many messages are served before one task's in a Redis queue: read page by page, never taken.

From the head, because most questions are about what is near it. A page is the ends of its messages
only, where kombu writes the task's id, so that their size does not matter.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.redis_scripts import PAGE

if TYPE_CHECKING:
    import redis

_ROWS = 1_000
_ROWS_PLAIN = 50
_TAIL_BYTES = 1_024
_PAGE_BYTES = 16 << 20
_OVERLAP = 20
"""Rows read twice: while one page is read workers take some at the head, and the rest moves up."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message stands."""

    before: int | None
    """Messages served before it, all priority levels together; None if it was not met."""
    searched: int
    ready: int
    complete: bool
    """All was searched."""


def place_of(
    cluster: Cluster, queue: str, task_id: str, *, most: int = 20_000, timeout_s: float = 1.0
) -> Place:
    """Look for ``task_id`` in ``queue``, at no more than ``most`` messages.

    Raises:
        BrokerUnavailable: The broker cannot be reached.
    """
    import redis

    try:
        return _Search(cluster.redis(), task_id, most, time.monotonic() + timeout_s).through(
            _lists(cluster, queue)
        )
    except (redis.RedisError, OSError) as error:
        raise cluster.unavailable(error) from None


def _lists(cluster: Cluster, queue: str) -> list[str]:
    name = cluster.key_prefix + queue
    return [f"{name}{cluster.sep}{step}" if step else name for step in cluster.priority_steps]


class _Search:
    """One search from the head of the first list to the tail of the last."""

    def __init__(self, client: redis.Redis, task_id: str, most: int, deadline: float) -> None:
        self._client = client
        quoted = json.dumps(task_id).encode()
        # kombu writes a blank after the colon, other senders may not.
        self._marks = (b'"correlation_id": ' + quoted, b'"correlation_id":' + quoted)
        self._most = most
        self._deadline = deadline
        self._searched = 0
        self._scripted = True

    def through(self, keys: list[str]) -> Place:
        """Look through ``keys`` in the order they are served."""
        lengths = [self._length(key) for key in keys]
        ready, passed = sum(lengths), 0
        for key, length in zip(keys, lengths, strict=True):
            at = 0
            while at < length:
                if self._searched >= self._most or time.monotonic() > self._deadline:
                    return Place(None, self._searched, ready, False)
                ends = self._page(key, at)
                for row, end in enumerate(ends):
                    if any(mark in end for mark in self._marks):
                        return Place(passed + at + row, self._searched + row, ready, True)
                if not ends:
                    break
                self._searched += len(ends)
                at += len(ends)
                if at < length:
                    at = max(at - _OVERLAP, at - len(ends) + 1)
            passed += length
        return Place(None, min(self._searched, ready), ready, True)

    def _length(self, key: str) -> int:
        import redis

        try:
            return int(self._client.llen(key))
        except redis.ResponseError:
            return 0  # another kind of key bears that name

    def _page(self, key: str, first: int) -> list[bytes]:
        """Return the ends of the messages from ``first``, counted from the head."""
        import redis

        if self._scripted:
            try:
                script = self._client.register_script(PAGE)
                _lengths, flat = script(
                    keys=[key], args=[first, _ROWS, 0, _TAIL_BYTES, _PAGE_BYTES]
                )
                return list(flat[1::2])
            except redis.ResponseError:
                self._scripted = False  # no scripts for this user, or an older server
        part: list[bytes] = self._client.lrange(key, -(first + _ROWS_PLAIN), -(first + 1))  # type: ignore[assignment]
        return [entry[-_TAIL_BYTES:] for entry in reversed(part)]

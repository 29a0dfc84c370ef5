"""A page of the lists of one queue: in one round trip, bounded in rows and in bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from umbel_backend.broker.redis_scripts import PAGE

if TYPE_CHECKING:
    import redis

_WHOLE_BYTES = 65_536
"""Entries up to this size are read whole, of longer ones the end with the headers."""
_TAIL_BYTES = 8_192
_PAGE_BYTES = 16 << 20
"""After looking at this much a page ends early."""


@dataclass(frozen=True, slots=True)
class RawPage:
    """What was read."""

    ready: int
    """Entries in all lists together."""
    entries: list[tuple[int, bytes]]
    """Size of each entry in running order, and its text or the end of it."""


def read_page(client: redis.Redis, keys: Sequence[str], start: int, limit: int) -> RawPage:
    """Read ``limit`` entries from position ``start`` of the lists ``keys``, the head being position 0.

    What is no list has no entries. May end early, after `_PAGE_BYTES`.
    """
    import redis

    script = client.register_script(PAGE)
    arguments = [start, limit, _WHOLE_BYTES, _TAIL_BYTES, _PAGE_BYTES]
    try:
        lengths, flat = script(keys=list(keys), args=arguments)
        return RawPage(sum(lengths), list(zip(flat[::2], flat[1::2], strict=True)))
    except redis.ResponseError:
        pass  # no scripts for this user, an older server, or another kind of key bears that name
    try:
        return _read_plainly(client, keys, start, limit)
    except redis.ResponseError:
        return RawPage(0, [])


def _read_plainly(client: redis.Redis, keys: Sequence[str], start: int, limit: int) -> RawPage:
    """Read with LRANGE alone, a few entries at a time, for their size is not known beforehand."""
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.llen(key)
        lengths: list[int] = pipe.execute()
    found: list[tuple[int, bytes]] = []
    first = start
    for key, length in zip(keys, lengths, strict=True):
        at, stop = first, min(length, first + limit - len(found))
        while at < stop and sum(size for size, _ in found) < _PAGE_BYTES:
            count = min(20, stop - at)
            part: list[bytes] = client.lrange(key, -(at + count), -(at + 1))  # type: ignore[assignment]
            found += [
                (len(raw), raw if len(raw) <= _WHOLE_BYTES else raw[-_TAIL_BYTES:])
                for raw in reversed(part)
            ]
            if len(part) < count:
                break
            at += count
        first = max(0, first - length)
        if len(found) >= limit or at < stop:
            break
    return RawPage(sum(lengths), found)

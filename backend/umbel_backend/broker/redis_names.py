"""Finds the queues of a Redis broker from the binding tables that kombu keeps there."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.routing import Binding, is_internal
from umbel_backend.events.text import clean

if TYPE_CHECKING:
    import redis

_TABLE = "_kombu.binding."
_MEMBERS_LIMIT = 20_000
_SCAN_COUNT = 1_000
_FIRST_SLICE_S = 0.1
_SLICE_S = 0.01
"""How long a call may walk through the keys once all of them were walked through: 40,000 keys or so."""
_TABLES_AT_ONCE = 500


class BindingTables:
    """What is bound to which exchange, read a little further at every call.

    The names of exchanges are nowhere listed but in the key space. It is walked with SCAN, again and
    again, a slice at each call: all of a small database, so that a new queue is seen at once, and no
    more than a hundredth of the server's time of one with millions of result keys.

    Args:
        cluster: The broker.
        slice_s: Longest walk of one call; None takes `_FIRST_SLICE_S` until everything was seen once,
            and `_SLICE_S` from then on.
    """

    def __init__(self, cluster: Cluster, slice_s: float | None = None) -> None:
        context = cluster.context
        self._prefix = cluster.key_prefix
        self._cluster = cluster
        self._event_prefix = context.event_queue_prefix
        self._skipped = {
            "",
            context.event_exchange,
            f"{context.control_exchange}.pidbox",
            f"reply.{context.control_exchange}.pidbox",
        }
        self._slice_s = slice_s
        self._cursor = 0
        self.has_walked = False
        """Whether all keys that were there at the first look have come by."""
        self._tables: dict[str, tuple[Binding, ...]] = {}
        """By exchange; what was read longest ago comes first."""
        self.bindings: tuple[Binding, ...] = ()
        """As of the last `refresh`."""

    def refresh(
        self, client: redis.Redis, guesses: Iterable[str], look_on_s: float | None = None
    ) -> tuple[Binding, ...]:
        """Look for more tables, read those of ``guesses`` and of exchanges known.

        Of many exchanges not all are read again at each call, but each of them in turn.

        Args:
            client: Of the broker.
            guesses: Exchanges that may be there.
            look_on_s: How long to walk on for as long as not all keys were walked through.
        """
        known = self._tables
        new = ({*self._walk(client, look_on_s), *guesses} - known.keys()) - self._skipped
        names = [*sorted(new), *islice(known, _TABLES_AT_ONCE)]
        for name, table in zip(names, self._read(client, names), strict=True):
            known.pop(name, None)
            if table:
                known[name] = table
        self.bindings = tuple(chain.from_iterable(known[name] for name in sorted(known)))
        return self.bindings

    def _walk(self, client: redis.Redis, look_on_s: float | None) -> set[str]:
        """Return the exchanges whose tables came by on the next stretch of the way."""
        pattern = re.sub(r"([*?\[\]\\^])", r"\\\1", self._prefix + _TABLE) + "*"
        slice_s = self._slice_s
        if slice_s is None:
            slice_s = _SLICE_S if self.has_walked else look_on_s or _FIRST_SLICE_S
        skipped = len((self._prefix + _TABLE).encode())
        found: set[str] = set()
        began = time.monotonic()
        while True:
            self._cursor, keys = client.scan(self._cursor, match=pattern, count=_SCAN_COUNT)
            found.update(_as_bytes(key)[skipped:].decode(errors="replace") for key in keys)
            if self._cursor == 0:
                self.has_walked = True
                return found
            if time.monotonic() - began > slice_s:
                return found

    def _read(self, client: redis.Redis, exchanges: Sequence[str]) -> list[tuple[Binding, ...]]:
        """Read the tables of ``exchanges``; those of almost all are read in one round trip."""
        keys = [f"{self._prefix}{_TABLE}{exchange}" for exchange in exchanges]
        with client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.sscan(key, 0, count=_SCAN_COUNT)
            answers = pipe.execute(raise_on_error=False)
        return [
            self._bindings(exchange, self._members(client, key, answer))
            for exchange, key, answer in zip(exchanges, keys, answers, strict=True)
        ]

    def _members(self, client: redis.Redis, key: str, answer: Any) -> list[bytes]:
        """Return the members of a table whose first page is ``answer``."""
        import redis

        if isinstance(answer, redis.ResponseError):
            return []  # a key of that name that is no table
        if isinstance(answer, Exception):
            raise answer
        cursor, page = answer
        members = [*map(_as_bytes, page)]
        while cursor and len(members) < _MEMBERS_LIMIT:
            cursor, page = client.sscan(key, cursor, count=_SCAN_COUNT)
            members += map(_as_bytes, page)
        return members

    def _bindings(self, exchange: str, members: Iterable[bytes]) -> tuple[Binding, ...]:
        found = (self._binding(exchange, member) for member in dict.fromkeys(members))
        return tuple(binding for binding in found if binding is not None)

    def _binding(self, exchange: str, member: bytes) -> Binding | None:
        parts = member.decode(errors="replace").split(self._cluster.sep)
        if len(parts) != 3 or not parts[2] or is_internal(parts[2], self._event_prefix):
            return None
        return Binding(exchange, parts[0], parts[2])


class QueueNames:
    """Names as they are shown, and as they stand in keys where those hold unsafe characters."""

    def __init__(self) -> None:
        self._raw: dict[str, str] = {}

    def add(self, raw: str) -> str:
        """Return the name of queue ``raw`` as it is shown."""
        shown = clean(raw, 255)
        if shown != raw:
            self._raw[shown] = raw
        return shown

    def raw(self, shown: str) -> str:
        """Return the name as it stands in keys."""
        return self._raw.get(shown, shown)


def _as_bytes(value: bytes | str) -> bytes:
    return value if isinstance(value, bytes) else value.encode()

"""Finds the queues of a Redis broker from the binding tables that kombu keeps there."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.routing import Binding, is_internal
from umbel_backend.events.text import clean

if TYPE_CHECKING:
    import redis

_TABLE = "_kombu.binding."
_MEMBERS_LIMIT = 20_000
_SCAN_COUNT = 1_000
_RESCAN_S = 60.0


class BindingTables:
    """What is bound to which exchange, read a little further at every call.

    The names of exchanges are nowhere listed but in the key space. It is walked with SCAN in slices
    of ``slice_s``, one walk a minute, so that millions of result keys cost nobody anything.
    """

    def __init__(self, cluster: Cluster, slice_s: float = 0.1) -> None:
        context = cluster.context
        self._prefix = cluster.key_prefix
        self._sep = cluster.sep
        self._event_prefix = context.event_queue_prefix
        self._skipped = {
            context.event_exchange,
            f"{context.control_exchange}.pidbox",
            f"reply.{context.control_exchange}.pidbox",
        }
        self._slice_s = slice_s
        self._exchanges: set[str] = set()
        self._cursor = 0
        self._walked_at: float | None = None
        self.bindings: tuple[Binding, ...] = ()
        """As of the last `refresh`."""

    def refresh(self, client: redis.Redis, guesses: Iterable[str]) -> tuple[Binding, ...]:
        """Read the tables of all exchanges known and of ``guesses``, and look for more."""
        self._walk(client)
        found: dict[Binding, None] = {}
        for exchange in sorted(self._exchanges.union(guesses) - self._skipped - {""}):
            for binding in self._table(client, exchange):
                found[binding] = None
        self.bindings = tuple(found)
        return self.bindings

    def _walk(self, client: redis.Redis) -> None:
        now = time.monotonic()
        if self._cursor == 0 and self._walked_at and now - self._walked_at < _RESCAN_S:
            return
        pattern = re.sub(r"([*?\[\]\\^])", r"\\\1", self._prefix + _TABLE) + "*"
        while True:
            self._cursor, keys = client.scan(self._cursor, match=pattern, count=_SCAN_COUNT)
            start = len((self._prefix + _TABLE).encode())
            self._exchanges.update(_as_bytes(key)[start:].decode(errors="replace") for key in keys)
            if self._cursor == 0:
                self._walked_at = time.monotonic()
                return
            if time.monotonic() - now > self._slice_s:
                return

    def _table(self, client: redis.Redis, exchange: str) -> list[Binding]:
        import redis

        key = f"{self._prefix}{_TABLE}{exchange}"
        members: list[bytes] = []
        cursor = 0
        try:
            while True:
                cursor, page = client.sscan(key, cursor, count=_SCAN_COUNT)
                members += map(_as_bytes, page)
                if cursor == 0 or len(members) >= _MEMBERS_LIMIT:
                    break
        except redis.ResponseError:
            return []  # a key of that name that is no table
        bindings = (self._binding(exchange, member) for member in members)
        return [binding for binding in bindings if binding is not None]

    def _binding(self, exchange: str, member: bytes) -> Binding | None:
        parts = member.decode(errors="replace").split(self._sep)
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

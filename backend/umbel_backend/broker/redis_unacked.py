"""What Redis brokers keep of messages that were delivered and not acknowledged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from umbel_backend.broker.answers import text, whole
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.messages import read_wire
from umbel_backend.broker.queues import UnackedMessage
from umbel_backend.broker.redis_scripts import ENTRIES
from umbel_backend.broker.routing import Binding, queues_of
from umbel_backend.events.fold import instant
from umbel_backend.events.text import clean

if TYPE_CHECKING:
    import redis

_WATCHED = 2_000
"""Entries of the index looked at, those taken first."""
_NEW_A_REFRESH = 500
"""Messages read at most in one refresh; the same message is read once only."""
_WHOLE_BYTES = 65_536
_TAIL_BYTES = 8_192
_BATCH = 20

_read_pair = msgspec.json.Decoder(tuple[str, str]).decode
_read_entry = msgspec.json.Decoder(tuple[msgspec.Raw, str | None, str | None]).decode


@dataclass(frozen=True, slots=True)
class _Entry:
    """What was read of one unacknowledged message; it never changes while its tag is there."""

    id: str
    name: str
    exchange: str
    routing_key: str
    priority: int | None
    retries: int
    eta: float | None
    size_bytes: int


class Unacked:
    """The unacknowledged messages of one broker. Not safe between threads by itself."""

    def __init__(self, cluster: Cluster) -> None:
        options = cluster.context.transport_options
        self._hash = cluster.key_prefix + str(options.get("unacked_key") or "unacked")
        self._index = cluster.key_prefix + str(options.get("unacked_index_key") or "unacked_index")
        self._timeout_s = cluster.visibility_timeout_s
        self._entries: dict[bytes, _Entry] = {}
        self._taken: list[tuple[bytes, float]] = []
        self.total = 0
        """Entries in the hash at the last refresh."""
        self.complete = True
        """Whether all of them were read."""

    def refresh(self, client: redis.Redis) -> None:
        """Read what is new since the last time: three round trips, bounded."""
        with client.pipeline(transaction=False) as pipe:
            pipe.hlen(self._hash)
            pipe.zrange(self._index, 0, _WATCHED - 1, withscores=True)
            self.total, taken = pipe.execute()
        self._taken = [(bytes(tag), float(score)) for tag, score in taken]
        tags = {tag for tag, _ in self._taken}
        self._entries = {tag: entry for tag, entry in self._entries.items() if tag in tags}
        new = [tag for tag, _ in self._taken if tag not in self._entries][:_NEW_A_REFRESH]
        if new:
            self._read(client, new)
        self._taken = [pair for pair in self._taken if pair[0] in self._entries]
        # What was acknowledged since it was counted is not missing.
        gone = sum(tag not in self._entries for tag in new)
        self.complete = len(self._entries) + gone >= self.total

    def by_queue(self, bindings: Sequence[Binding]) -> dict[str, int] | None:
        """Return how many there are of each queue; None if not all could be told apart."""
        if not self.complete:
            return None
        counts: Counter[str] = Counter()
        for entry in self._entries.values():
            queues = queues_of(entry.exchange, entry.routing_key, bindings)
            if len(queues) != 1:
                return None
            counts[queues[0]] += 1
        return counts

    def messages(self, queue: str | None, bindings: Sequence[Binding]) -> list[UnackedMessage]:
        """Return them in the order they were taken, of one queue or of all."""
        found = []
        for tag, taken_at in self._taken:
            entry = self._entries[tag]
            queues = queues_of(entry.exchange, entry.routing_key, bindings)
            if queue is not None and queue not in queues:
                continue
            found.append(
                UnackedMessage(
                    id=entry.id,
                    name=entry.name,
                    queue=clean(queues[0], 255) if len(queues) == 1 else None,
                    delivery_tag=clean(tag.decode(errors="replace"), 255),
                    taken_at=taken_at,
                    redelivered_at=taken_at + self._timeout_s,
                    priority=entry.priority,
                    retries=entry.retries,
                    eta=entry.eta,
                    size_bytes=entry.size_bytes,
                )
            )
        return found

    def _read(self, client: redis.Redis, tags: list[bytes]) -> None:
        import redis

        batches = [tags[start : start + _BATCH] for start in range(0, len(tags), _BATCH)]
        script = client.register_script(ENTRIES)
        try:
            for batch in batches:
                values = script(keys=[self._hash], args=[_WHOLE_BYTES, _TAIL_BYTES, *batch])
                self._keep(batch, values[::2], values[1::2])
        except redis.ResponseError:
            for batch in batches:
                raws: list[Any] = [value or b"" for value in client.hmget(self._hash, batch)]
                sizes = [len(raw) if raw else -1 for raw in raws]
                self._keep(batch, sizes, raws)

    def _keep(self, tags: list[bytes], sizes: Sequence[int], raws: Sequence[bytes]) -> None:
        for tag, size, raw in zip(tags, sizes, raws, strict=True):
            if size >= 0:
                self._entries[tag] = _read(raw, size)


def _read(raw: bytes, size_bytes: int) -> _Entry:
    """Read ``[message, exchange, routing key]``, or the end of it."""
    exchange, routing_key, message = _taken_apart(raw, size_bytes)
    wire = read_wire(message, size_bytes if len(raw) < size_bytes else len(message))
    headers: dict[str, Any] = wire.headers if wire is not None else {}
    eta = headers.get("eta")
    return _Entry(
        id=text(headers.get("id")),
        name=text(headers.get("task")),
        exchange=exchange,
        routing_key=routing_key,
        priority=whole(wire.properties.get("priority")) if wire is not None else None,
        retries=whole(headers.get("retries")) or 0,
        eta=instant(eta) if isinstance(eta, str) and len(eta) <= 64 else None,
        size_bytes=size_bytes,
    )


def _taken_apart(raw: bytes, size_bytes: int) -> tuple[str, str, bytes]:
    try:
        if len(raw) >= size_bytes:
            message, exchange, routing_key = _read_entry(raw)
            return exchange or "", routing_key or "", bytes(message)
        end = raw.rindex(b"}, ")
        exchange, routing_key = _read_pair(b"[" + raw[end + 3 :])
        return exchange, routing_key, raw[: end + 1]
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return "", "", b""

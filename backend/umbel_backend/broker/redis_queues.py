"""Queues on Redis and Valkey: lists that kombu pushes on the left and workers pop from the right.

A queue is one list for each priority step, served in the order of the steps: the next to run is the
last entry of the first list that has any. Nothing here writes, and nothing walks a long list in one
command.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from umbel_agent.protocol import PAUSED_QUEUES_KEY
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.messages import MessageReader
from umbel_backend.broker.queues import PAGE_LIMIT, Abilities, Found, Page, UnackedPage
from umbel_backend.broker.redis_names import BindingTables, QueueNames
from umbel_backend.broker.redis_page import read_page
from umbel_backend.broker.redis_scripts import DEPTH
from umbel_backend.broker.redis_surgery import RedisSurgery
from umbel_backend.broker.redis_unacked import Unacked
from umbel_backend.broker.routing import Binding, is_internal
from umbel_backend.broker.watched import FirstSeen, Rates
from umbel_backend.events.fold import instant
from umbel_backend.records import MessageRecord, QueueRecord
from umbel_backend.settings import Settings

if TYPE_CHECKING:
    import redis

_FIND_LIMIT = 200_000
"""Messages looked at by one `RedisQueues.find`."""

_TAG = re.compile(rb'"delivery_tag": "([^"]+)"')


@dataclass(frozen=True, slots=True)
class _Depth:
    lengths: tuple[int, ...]
    head: str = ""
    """Mark of the message that runs next; empty if there is none or it could not be read."""
    head_eta: float | None = None
    newest: tuple[str, ...] = ()


class RedisQueues:
    """Reads the queues of a Redis broker; see `umbel_backend.broker.queues.Queues`."""

    abilities = Abilities(depth=True, priorities=True, unacked=True, waiting=True)

    def __init__(self, cluster: Cluster, settings: Settings) -> None:
        self._cluster = cluster
        self._steps = cluster.priority_steps
        self._reader = MessageReader(settings)
        self._lock = threading.RLock()
        self._tables = BindingTables(cluster)
        self._names = QueueNames()
        self._known = {self._names.add(name) for name in cluster.context.queues}
        self._consumed: dict[Binding, None] = {}
        self._unacked = Unacked(cluster)
        self._surgery = RedisSurgery(cluster)
        self._seen = FirstSeen()
        self._rates = Rates()
        self._looked_at: set[str] = set()
        """Queues that were measured before."""

    @property
    def has_looked_everywhere(self) -> bool:
        """Whether all keys of the database have been walked through."""
        return self._tables.has_walked

    def discover(
        self,
        consumed: Iterable[Binding] = (),
        told: Iterable[str] = (),
        *,
        look_on_s: float | None = None,
    ) -> list[str]:
        """Return configured, bound and consumed queues, sorted."""
        told = set(told)
        with self._lock:
            self._consumed.update(dict.fromkeys(consumed))
            # Most queues are bound to an exchange of their own name.
            guesses = {"celery", *map(self._names.raw, self._known), *told}
            guesses.update(binding.exchange for binding in self._consumed)
            self._ask(lambda client: self._tables.refresh(client, guesses, look_on_s))
            prefix = self._cluster.context.event_queue_prefix
            for binding in self._bindings:
                if binding.queue and not is_internal(binding.queue, prefix):
                    self._known.add(self._names.add(binding.queue))
            # One that is bound to no exchange has messages, or nobody can know of it.
            unbound = {name for name in told if not is_internal(name, prefix)} - self._known
            if unbound:
                holding = self._ask(lambda client: self._holding(client, sorted(unbound)))
                self._known.update(map(self._names.add, holding))
            return sorted(self._known)

    def measure(
        self,
        names: Collection[str],
        *,
        consumers: Mapping[str, int] | None = None,
        taken: Mapping[str, int] | None = None,
    ) -> list[QueueRecord]:
        """Return depth, unacked, consumers, rates and age; see `Queues.measure`."""
        with self._lock:
            depths = self._ask(lambda client: self._depths(client, list(names)))
            self._ask(self._unacked.refresh)
            unacked = self._unacked.by_queue(self._bindings)
            paused = self._ask(self._paused)
            now = time.time()
            records = []
            for name, depth in zip(names, depths, strict=True):
                if depth is not None:
                    record = self._record(name, depth, now, taken)
                    record.unacked = None if unacked is None else unacked.get(name, 0)
                    if consumers is not None:
                        record.consumers = consumers.get(name, 0)
                        record.state = "flowing" if record.consumers else "no consumer"
                    if self._names.raw(name) in paused:
                        record.state = "paused"
                    records.append(record)
            return records

    def waiting(self, queue: str, start: int = 0, limit: int = 100) -> Page:
        """Return a page of what waits, across the priority steps; see `Queues.waiting`."""
        start, limit = max(0, start), max(0, min(limit, PAGE_LIMIT))
        with self._lock:
            page: Page = self._ask(lambda client: self._page(client, queue, start, limit))
            return page

    def unacked(self, queue: str | None = None, start: int = 0, limit: int = 100) -> UnackedPage:
        """Return what is not acknowledged, taken first comes first; see `Queues.unacked`."""
        with self._lock:
            self._ask(self._unacked.refresh)
            raw = None if queue is None else self._names.raw(queue)
            messages = self._unacked.messages(raw, self._bindings)
            page = messages[max(0, start) : max(0, start) + max(0, limit)]
            return UnackedPage(page, self._unacked.total, self._unacked.complete)

    def find(self, ids: Collection[str], queues: Collection[str], timeout_s: float = 5.0) -> Found:
        """Page through ``queues`` for the ids; see `Queues.find`."""
        shown = {self._names.raw(queue): queue for queue in queues}
        search = self._surgery.find(ids, list(shown), timeout_s, _FIND_LIMIT)
        found = {task_id: shown[each.queue] for task_id, each in search.messages.items()}
        return Found(found, search.scanned, search.complete)

    def close(self) -> None:
        """Nothing of its own is open: the client belongs to the cluster."""

    @property
    def _bindings(self) -> tuple[Binding, ...]:
        return (*self._tables.bindings, *self._consumed)

    def _paused(self, client: redis.Redis) -> set[str]:
        """Return the queues that an operator has paused."""
        import redis

        try:
            names: Any = client.smembers(self._cluster.key_prefix + PAUSED_QUEUES_KEY)
        except redis.ResponseError:
            return set()  # this user may not read it, or another kind of key bears that name
        return {name.decode(errors="replace") for name in names}

    def _holding(self, client: redis.Redis, queues: list[str]) -> list[str]:
        """Return those of ``queues`` of which a list is there."""
        with client.pipeline(transaction=False) as pipe:
            for queue in queues:
                pipe.exists(*self._keys(queue))
            return [queue for queue, count in zip(queues, pipe.execute(), strict=True) if count]

    def _keys(self, queue: str) -> list[str]:
        name = self._cluster.key_prefix + self._names.raw(queue)
        sep = self._cluster.sep
        return [f"{name}{sep}{step}" if step else name for step in self._steps]

    def _ask(self, call: Any) -> Any:
        """Run ``call`` with the client and translate what it raises."""
        import redis

        try:
            return call(self._cluster.redis())
        except (redis.RedisError, OSError) as error:
            raise self._cluster.unavailable(error) from None

    def _record(
        self, name: str, depth: _Depth, now: float, taken: Mapping[str, int] | None
    ) -> QueueRecord:
        ready = sum(depth.lengths)
        count = None if taken is None else taken.get(name, 0)
        in_rate, out_rate = self._rates.read(name, now, ready, count)
        return QueueRecord(
            name=name,
            ready=ready,
            by_priority={
                str(step): length for step, length in zip(self._steps, depth.lengths, strict=True)
            },
            read_at=now,
            in_rate=in_rate,
            out_rate=out_rate,
            oldest_age_s=self._head_age(name, depth, now),
        )

    def _head_age(self, name: str, depth: _Depth, now: float) -> float | None:
        """Return the least age of the message that runs next; None on the first look at a queue."""
        marks = [mark for mark in (depth.head, *depth.newest) if mark]
        watched = name in self._looked_at
        self._looked_at.add(name)
        self._seen.note(marks, now)
        if not watched or not depth.head:
            return None
        age_s = self._seen.age_s(depth.head, now)
        if depth.head_eta is not None:
            # Until its ETA a message is not late, however long it has been there.
            if depth.head_eta > now:
                return None
            age_s = min(age_s or 0.0, now - depth.head_eta)
        return age_s

    def _depths(self, client: redis.Redis, names: list[str]) -> list[_Depth | None]:
        """Read all queues in one round trip."""
        import redis

        script = client.register_script(DEPTH)
        try:
            with client.pipeline(transaction=False) as pipe:
                for name in names:
                    script(keys=self._keys(name), client=pipe)
                answers = pipe.execute(raise_on_error=False)
        except redis.ResponseError:
            answers = [None] * len(names)
        return [
            _depth(answer) if isinstance(answer, list) else self._plain_depth(client, name)
            for name, answer in zip(names, answers, strict=True)
        ]

    def _plain_depth(self, client: redis.Redis, name: str) -> _Depth | None:
        """Count without a script, where the server allows none; None if it is no queue."""
        import redis

        try:
            with client.pipeline(transaction=False) as pipe:
                for key in self._keys(name):
                    pipe.llen(key)
                return _Depth(tuple(pipe.execute()))
        except redis.ResponseError:
            return None  # another kind of key bears that name

    def _page(self, client: redis.Redis, queue: str, start: int, limit: int) -> Page:
        page = read_page(client, self._keys(queue), start, limit)
        messages: list[MessageRecord] = []
        marks: list[str] = []
        now = time.time()
        for position, (size, raw) in enumerate(page.entries, start):
            record = self._reader.read(raw, size, position=position, queue=queue)
            if tag := _TAG.search(raw, max(0, len(raw) - 300)):
                marks.append(tag[1].decode(errors="replace"))
                record.age_s = self._seen.age_s(marks[-1], now)
            messages.append(record)
        self._seen.note(marks, now)
        end = start + len(messages)
        return Page(messages, page.ready, end if messages and end < page.ready else None)


def _depth(answer: list[Any]) -> _Depth:
    lengths, head, eta, newest = answer
    return _Depth(
        tuple(lengths),
        head.decode(errors="replace"),
        instant(eta.decode(errors="replace")) if eta else None,
        tuple(mark.decode(errors="replace") for mark in newest),
    )

"""Finds and removes single messages in Redis queues, and puts one in: the only writer of those lists.

A message is identified by its exact bytes, which hold a delivery tag of its own: what the server says it
removed decides, never what was read before. No command here walks a long list while others wait, but
for the removal itself, which is one walk for up to a hundred messages.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

from umbel_backend.broker.cluster import Cluster

if TYPE_CHECKING:
    import redis

T = TypeVar("T")

_FIRST_ROWS = 20
_MOST_ROWS = 1_000
_PAGE_BYTES = 4 << 20
_REMOVED_AT_ONCE = 100

# kombu writes the task's id here for every message; quotes inside other texts are escaped.
_ID = re.compile(rb'"correlation_id": ?"([^"\\]{1,255})"')

REMOVE = """
-- KEYS: list. ARGV: a mark that no message can be, then an index from the left and a message, in turn.
-- Answers for each 1 where it was removed, 0 where it is not there any more.
-- Each message is marked where it stands and all marks go in one walk, for a walk is what costs.
-- No reader can meet a mark: others wait until the script is over.
local key, mark, out, marked, sum = KEYS[1], ARGV[1], {}, 0, 0
for i = 2, #ARGV, 2 do
  local index, raw, at = tonumber(ARGV[i]), ARGV[i + 1], -1
  if redis.call('LINDEX', key, index) == raw then
    at = index
  elseif #raw < 65536 then
    -- others pushed on the left since it was read
    for offset, entry in ipairs(redis.call('LRANGE', key, index, index + 100)) do
      if entry == raw then at = index + offset - 1 break end
    end
  end
  if at >= 0 then
    redis.call('LSET', key, at, mark)
    marked, sum = marked + 1, sum + at
  end
  out[i / 2] = at >= 0 and 1 or 0
end
if marked > 0 then
  local nearer_left = sum / marked < redis.call('LLEN', key) / 2
  redis.call('LREM', key, nearer_left and marked or -marked, mark)
end
for i = 2, #ARGV, 2 do
  if out[i / 2] == 0 then out[i / 2] = redis.call('LREM', key, 1, ARGV[i + 1]) end
end
return out
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that was seen waiting."""

    id: str
    queue: str
    key: str
    """The list it is in."""
    step: int
    """The priority step of that list."""
    index: int
    """Where it stood from the left, the list's tail."""
    raw: bytes = field(repr=False)
    """The whole message as kombu wrote it."""


@dataclass(slots=True)
class Search:
    """What a search found."""

    messages: dict[str, Waiting] = field(default_factory=dict)
    """By task id."""
    scanned: int = 0
    """Messages looked at."""
    complete: bool = True
    """False if time ran out: what was not found may wait all the same."""


class RedisSurgery:
    """Changes the queues of one Redis broker. Blocking; safe between threads.

    Every method raises BrokerUnavailable when the broker cannot be reached.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._steps = cluster.priority_steps

    def find(
        self,
        ids: Collection[str],
        queues: Iterable[str],
        timeout_s: float = 20.0,
        most: int | None = None,
    ) -> Search:
        """Look for the messages of ``ids``, page by page from the tail of each list.

        From the tail, because workers take at the head: so none is passed over.

        Args:
            ids: Task ids.
            queues: Names as they stand in keys.
            timeout_s: Longest search.
            most: Messages to look at; None looks at all.
        """
        wanted = {task_id.encode(): task_id for task_id in ids}
        search, deadline = Search(), time.monotonic() + timeout_s
        for queue in queues:
            for step, key in self._lists(queue):
                if len(search.messages) == len(wanted):
                    return search
                if time.monotonic() > deadline or (most is not None and search.scanned >= most):
                    search.complete = False
                    return search
                for index, raw in self._entries(key, search, deadline, most):
                    if len(search.messages) == len(wanted):
                        return search
                    match = _ID.search(raw, max(0, len(raw) - 2_000)) or _ID.search(raw)
                    task_id = wanted.get(match[1]) if match else None
                    if task_id is not None:
                        found = Waiting(task_id, queue, key, step, index, raw)
                        search.messages[task_id] = found
        return search

    def every(self, queue: str, search: Search, timeout_s: float) -> Iterator[Waiting]:
        """Read all messages of ``queue``, counting them in ``search``; ids are as kombu wrote them."""
        deadline = time.monotonic() + timeout_s
        for step, key in self._lists(queue):
            for index, raw in self._entries(key, search, deadline):
                match = _ID.search(raw, max(0, len(raw) - 2_000)) or _ID.search(raw)
                if match is not None:
                    task_id = match[1].decode(errors="replace")
                    yield Waiting(task_id, queue, key, step, index, raw)

    def remove(self, messages: Iterable[Waiting]) -> set[str]:
        """Remove ``messages`` and return the ids of those that were still there.

        The rest was taken by a worker meanwhile.
        """
        by_key: dict[str, list[Waiting]] = defaultdict(list)
        for message in messages:
            by_key[message.key].append(message)
        removed: set[str] = set()
        for key, listed in by_key.items():
            for start in range(0, len(listed), _REMOVED_AT_ONCE):
                some = listed[start : start + _REMOVED_AT_ONCE]
                counts = self._ask(partial(_remove, key=key, messages=some))
                gone = zip(some, counts, strict=True)
                removed.update(message.id for message, count in gone if count)
        return removed

    def push(self, queue: str, priority: int, raw: bytes) -> int:
        """Put a message at the tail of ``queue``; return how many wait in its list then.

        Args:
            queue: Where to.
            priority: The number in the message; it chooses the list.
            raw: The whole message as kombu would write it.
        """
        step = max((s for s in self._steps if s <= priority), default=self._steps[0])
        key = dict(self._lists(queue))[step]
        watched = f"{self._cluster.key_prefix}umbel:sending:{uuid4()}"
        return self._ask(partial(_push_once, key=key, raw=raw, watched=watched))

    def _lists(self, queue: str) -> list[tuple[int, str]]:
        self._cluster.redis()  # once connected, the separator is known
        name, sep = self._cluster.key_prefix + queue, self._cluster.sep
        return [(step, f"{name}{sep}{step}" if step else name) for step in self._steps]

    def _entries(
        self, key: str, search: Search, deadline: float, most: int | None = None
    ) -> Iterator[tuple[int, bytes]]:
        at, rows = 0, _FIRST_ROWS
        while page := self._page(key, at, rows):
            search.scanned += len(page)
            yield from enumerate(page, start=at)
            if len(page) < rows:
                return
            if time.monotonic() > deadline or (most is not None and search.scanned >= most):
                search.complete = False
                return
            at += len(page)
            largest = max(map(len, page))
            rows = max(1, min(_MOST_ROWS, rows * 4, _PAGE_BYTES // max(1, largest)))

    def _page(self, key: str, at: int, rows: int) -> list[bytes]:
        import redis

        def read(client: redis.Redis) -> list[bytes]:
            try:
                page: list[bytes] = client.lrange(key, at, at + rows - 1)  # type: ignore[assignment]
                return page
            except redis.ResponseError as error:
                if "WRONGTYPE" in str(error):
                    return []  # another kind of key bears that name
                raise

        return self._ask(read)

    def _ask(self, call: Callable[[redis.Redis], T]) -> T:
        """Run ``call`` with the client and translate what it raises."""
        import redis

        try:
            return call(self._cluster.redis())
        except (redis.RedisError, OSError) as error:
            raise self._cluster.unavailable(error) from None


def _push_once(client: redis.Redis, key: str, raw: bytes, watched: str) -> int:
    """Push, and never again where the answer is lost: the message may be there, and run twice.

    While a connection watches a key, which nobody ever writes, redis-py does not try again by itself.
    """
    import redis

    with client.pipeline() as pipe:
        pipe.watch(watched)  # type: ignore[no-untyped-call]
        pipe.multi()
        pipe.lpush(key, raw)
        try:
            return int(pipe.execute()[0])
        except redis.WatchError:
            raise redis.ConnectionError("it did not answer whether it has the message") from None


def _remove(client: redis.Redis, key: str, messages: Sequence[Waiting]) -> list[int]:
    import redis

    args: list[bytes | str | int] = [f"umbel:removed:{uuid4()}"]
    for message in messages:
        args += [message.index, message.raw]
    try:
        return [int(count) for count in client.register_script(REMOVE)(keys=[key], args=args)]
    except redis.exceptions.NoPermissionError:
        pass
    # No scripts for this user: one walk for each message, each as exact.
    with client.pipeline(transaction=False) as pipe:
        for message in messages:
            pipe.lrem(key, 1, message.raw)  # type: ignore[arg-type]
        return [int(count) for count in pipe.execute()]

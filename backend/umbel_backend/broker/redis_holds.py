"""Puts messages of Redis queues aside, exactly as they are, and back at the head of where they were.

They stand in two hashes by task id: the messages, and the lists they belong to. Each step is one script on
the server: a message is in its list or put aside, never in both and never in neither.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from umbel_agent.protocol import HELD_MESSAGES_KEY, HELD_PLACES_KEY, HELD_TURNS_KEY
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.redis_surgery import Waiting
from umbel_backend.errors import Refused

if TYPE_CHECKING:
    import redis

T = TypeVar("T")

_AT_ONCE = 100

HOLD = """
-- KEYS: list, messages, places. ARGV: a mark that no message can be, the list's name without prefix, then
-- index from the left, message and task id, in turn.
-- Answers for each 1 where it was put aside, 0 where it is not there any more, -1 where another message
-- of that task is aside already.
local key, mark, out, marked, sum = KEYS[1], ARGV[1], {}, 0, 0
local function aside(id, raw)
  redis.call('HSET', KEYS[2], id, raw)
  redis.call('HSET', KEYS[3], id, ARGV[2])
end
for i = 3, #ARGV, 3 do
  local index, raw, id, n = tonumber(ARGV[i]), ARGV[i + 1], ARGV[i + 2], i / 3
  out[n] = 0
  if redis.call('HEXISTS', KEYS[2], id) == 1 then
    out[n] = -1
  elseif redis.call('LINDEX', key, index) == raw then
    aside(id, raw)
    redis.call('LSET', key, index, mark)
    marked, sum, out[n] = marked + 1, sum + index, 1
  end
end
if marked > 0 then
  local nearer_left = sum / marked < redis.call('LLEN', key) / 2
  redis.call('LREM', key, nearer_left and marked or -marked, mark)
end
for i = 3, #ARGV, 3 do
  -- others pushed on the left since it was read
  if out[i / 3] == 0 and redis.call('LREM', key, 1, ARGV[i + 1]) == 1 then
    aside(ARGV[i + 2], ARGV[i + 1])
    out[i / 3] = 1
  end
end
return out
"""

PUT_BACK = """
-- KEYS: messages, places, turns, then lists. ARGV: a task id for each list, whose message goes to its head.
-- Answers for each how many wait in its list then, 0 where its message is not aside any more.
local out = {}
for i, id in ipairs(ARGV) do
  local raw = redis.call('HGET', KEYS[1], id)
  out[i] = 0
  if raw then
    out[i] = redis.call('RPUSH', KEYS[i + 3], raw)
    for k = 1, 3 do redis.call('HDEL', KEYS[k], id) end
  end
end
return out
"""

TAKE = """
-- KEYS: messages, places, turns. ARGV: task id. Answers the message, which is aside no more.
local raw = redis.call('HGET', KEYS[1], ARGV[1])
for k = 1, 3 do redis.call('HDEL', KEYS[k], ARGV[1]) end
return raw
"""


@dataclass(frozen=True, slots=True)
class Held:
    """A message that was put aside."""

    id: str
    queue: str
    place: str
    """The list it belongs to, without the broker's prefix."""
    raw: bytes = field(repr=False)


class RedisHolds:
    """What is put aside of one Redis broker. Blocking; safe between threads.

    Every method raises BrokerUnavailable when the broker cannot be reached, and Refused where it lets
    this user run no scripts.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._prefix = cluster.key_prefix
        self._messages = self._prefix + HELD_MESSAGES_KEY
        self._places = self._prefix + HELD_PLACES_KEY
        self._turns = self._prefix + HELD_TURNS_KEY

    def hold(self, messages: Iterable[Waiting]) -> set[str]:
        """Put ``messages`` aside; return the ids of those that were still there."""
        by_key: dict[str, list[Waiting]] = defaultdict(list)
        for message in messages:
            by_key[message.key].append(message)
        held: set[str] = set()
        for key, listed in by_key.items():
            for start in range(0, len(listed), _AT_ONCE):
                some = listed[start : start + _AT_ONCE]
                args: list[Any] = [f"umbel:held:{uuid4()}", key.removeprefix(self._prefix)]
                for message in some:
                    args += [message.index, message.raw, message.id]
                counts = self._run(HOLD, [key, self._messages, self._places], args)
                gone = zip(some, counts, strict=True)
                held.update(message.id for message, count in gone if count == 1)
        return held

    def of(self, ids: Sequence[str]) -> dict[str, Held]:
        """Return what is aside of ``ids``."""
        found: dict[str, Held] = {}
        for start in range(0, len(ids), _AT_ONCE):
            some = list(ids[start : start + _AT_ONCE])
            raws, places = self._ask(partial(self._read, ids=some))
            for task_id, raw, place in zip(some, raws, places, strict=True):
                if raw is not None and place is not None:
                    name = place.decode(errors="replace")
                    queue = name.partition(self._cluster.sep)[0]
                    found[task_id] = Held(task_id, queue, name, raw)
        return found

    def ids(self) -> list[str]:
        """Return the ids of all that is aside."""
        keys: Any = self._ask(lambda client: client.hkeys(self._messages))
        return [key.decode(errors="replace") for key in keys]

    def put_back(self, messages: Sequence[Held]) -> set[str]:
        """Put ``messages`` back at the heads of their lists, the last of them to be served first.

        Returns:
            The ids of those that were aside until now.
        """
        back: set[str] = set()
        for start in range(0, len(messages), _AT_ONCE):
            some = messages[start : start + _AT_ONCE]
            own = [self._messages, self._places, self._turns]
            keys = [*own, *(self._prefix + message.place for message in some)]
            counts = self._run(PUT_BACK, keys, [message.id for message in some])
            put = zip(some, counts, strict=True)
            back.update(message.id for message, count in put if count)
        return back

    def take(self, task_id: str) -> bytes | None:
        """Take the message of a task away for good; return it, None if it was not aside."""
        raw: bytes | None = self._run(TAKE, [self._messages, self._places, self._turns], [task_id])
        return raw

    def _read(self, client: redis.Redis, ids: list[str]) -> tuple[list[Any], list[Any]]:
        with client.pipeline(transaction=False) as pipe:
            pipe.hmget(self._messages, ids)
            pipe.hmget(self._places, ids)
            raws, places = pipe.execute()
        return raws, places

    def _run(self, script: str, keys: list[str], args: list[Any]) -> Any:
        import redis

        try:
            return self._ask(lambda client: client.register_script(script)(keys=keys, args=args))
        except redis.exceptions.NoPermissionError:
            raise Refused(
                "This Redis lets its user run no scripts (EVALSHA), without which a message cannot be"
                " put aside safely."
            ) from None

    def _ask(self, call: Callable[[redis.Redis], T]) -> T:
        import redis

        try:
            return call(self._cluster.redis())
        except redis.exceptions.NoPermissionError:
            raise
        except (redis.RedisError, OSError) as error:
            raise self._cluster.unavailable(error) from None

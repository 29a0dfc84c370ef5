"""Deletes all that waits in a queue.

On Redis its lists are renamed in one transaction, so that what is sent meanwhile is safe, and read and
deleted where nobody takes from them. The same transaction notes the new names, so that a purge whose
process ended is finished by the next one or by the recorder; what nobody finishes ends after a day.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from umbel_backend.broker.cluster import Cluster
from umbel_backend.errors import Refused

if TYPE_CHECKING:
    import redis

Tell = Callable[[Sequence[bytes]], object]
"""Given messages, some at a time, before they are gone."""
TellOf = Callable[[str, Sequence[bytes]], object]
"""Given a queue and messages of it, some at a time, before they are gone."""

_PAGE = 200
_MOST_TOLD = 50_000
_KEPT_S = 86_400
_NOTES_KEY = "umbel:purges"
"""A hash: what the new names begin with to the queue and how many lists, as JSON text."""

PURGE = """
-- KEYS: a hash of notes, then lists and their new names, in turn. ARGV: seconds for which these are kept, a
-- note's name, the note.
-- Answers how many messages each list had; asked again, for the answer was lost, the same.
local out, any = {}, false
if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 1 then
  for i = 2, #KEYS, 2 do out[i / 2] = redis.call('LLEN', KEYS[i + 1]) end
  return out
end
for i = 2, #KEYS, 2 do
  local kind = redis.call('TYPE', KEYS[i]).ok
  out[i / 2] = kind == 'list' and redis.call('LLEN', KEYS[i]) or 0
  if kind == 'list' then
    redis.call('RENAME', KEYS[i], KEYS[i + 1])
    redis.call('EXPIRE', KEYS[i + 1], ARGV[1])
    any = true
  end
end
if any then redis.call('HSET', KEYS[1], ARGV[2], ARGV[3]) end
return out
"""


def purge(cluster: Cluster, queue: str, tell: Tell) -> int:
    """Delete all messages that wait in ``queue``, of all priorities; return how many.

    Args:
        cluster: Redis, or a broker that kombu can purge.
        queue: Its name.
        tell: Given the messages, on Redis only.

    Raises:
        BrokerUnavailable: The broker cannot be reached.
        Refused: It does not allow it.
    """
    if cluster.is_redis:
        return sum(_asked(cluster, lambda client: _purge_redis(cluster, client, queue, tell)))
    from amqp.exceptions import AMQPError
    from kombu.exceptions import KombuError

    with cluster.connection() as connection:
        try:
            return int(connection.channel().queue_purge(queue) or 0)
        except (OSError, KombuError, AMQPError) as error:
            raise cluster.unavailable(error) from None


def finish_purges(
    cluster: Cluster, tell: TellOf, queue: str | None = None, *, older_than_s: float = 0.0
) -> int:
    """Delete what earlier purges took out of their queues and did not come to delete; return how much.

    Args:
        cluster: On other brokers than Redis nothing can be left.
        tell: Given the messages.
        queue: Only what was purged from it; None finishes all.
        older_than_s: Leave alone what was begun later than so long ago.

    Raises:
        BrokerUnavailable: The broker cannot be reached.
        Refused: It does not allow it.
    """
    if not cluster.is_redis:
        return 0
    return sum(_asked(cluster, lambda client: _finish(cluster, client, tell, queue, older_than_s)))


def _asked(cluster: Cluster, call: Callable[[redis.Redis], Iterator[int]]) -> list[int]:
    """Run ``call`` with the client and translate what it raises."""
    import redis

    try:
        return list(call(cluster.redis()))
    except redis.exceptions.NoPermissionError:
        raise Refused("This Redis lets its user run no scripts, or not delete.") from None
    except (redis.RedisError, OSError) as error:
        raise cluster.unavailable(error) from None


def _purge_redis(cluster: Cluster, client: redis.Redis, queue: str, tell: Tell) -> Iterator[int]:
    name, mark, keys = cluster.key_prefix + queue, str(uuid4()), [cluster.key_prefix + _NOTES_KEY]
    steps = cluster.priority_steps
    for step, new_name in zip(steps, _new_names(cluster, mark, len(steps)), strict=True):
        keys += [f"{name}{cluster.sep}{step}" if step else name, new_name]
    note = json.dumps({"queue": queue, "lists": len(steps)})
    counts: Any = client.register_script(PURGE)(keys=keys, args=[_KEPT_S, mark, note])
    for key, count in zip(keys[2::2], counts, strict=True):
        if int(count):
            _read_and_delete(client, key, tell)
            yield int(count)
    client.hdel(keys[0], mark)


def _finish(
    cluster: Cluster, client: redis.Redis, tell: TellOf, queue: str | None, older_than_s: float
) -> Iterator[int]:
    notes: Any = client.hgetall(cluster.key_prefix + _NOTES_KEY)
    for mark, text in notes.items():
        note = json.loads(text)
        if queue not in (None, note["queue"]):
            continue
        keys = _new_names(cluster, mark.decode(), int(note["lists"]))
        left_s: Any = [client.ttl(key) for key in keys]
        if max(left_s) > _KEPT_S - older_than_s:
            continue
        for key in keys:
            count: Any = client.llen(key)
            if count:
                _read_and_delete(client, key, partial(tell, note["queue"]))
                yield int(count)
        client.hdel(cluster.key_prefix + _NOTES_KEY, mark)


def _new_names(cluster: Cluster, mark: str, lists: int) -> list[str]:
    return [f"{cluster.key_prefix}umbel:purged:{mark}:{number}" for number in range(lists)]


def _read_and_delete(client: redis.Redis, key: str, tell: Tell) -> None:
    at = 0
    while page := client.lrange(key, -(at + _PAGE), -(at + 1)):
        messages: Any = list(reversed(page))
        tell(messages)
        at += len(messages)
        if len(messages) < _PAGE or at >= _MOST_TOLD:
            break
    client.unlink(key)

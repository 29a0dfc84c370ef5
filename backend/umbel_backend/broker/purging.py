"""Deletes all that waits in a queue.

On Redis its lists are renamed in one transaction, so that what is sent meanwhile is safe, and read and
deleted where nobody takes from them. A name left behind by a crash ends by itself after a day.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from umbel_backend.broker.cluster import Cluster
from umbel_backend.errors import Refused

if TYPE_CHECKING:
    import redis

_PAGE = 200
_KEPT_S = 86_400

PURGE = """
-- KEYS: lists and their new names, in turn. ARGV: seconds for which these are kept.
-- Answers how many messages each list had.
local out = {}
for i = 1, #KEYS, 2 do
  local kind = redis.call('TYPE', KEYS[i]).ok
  out[(i + 1) / 2] = kind == 'list' and redis.call('LLEN', KEYS[i]) or 0
  if kind == 'list' then
    redis.call('RENAME', KEYS[i], KEYS[i + 1])
    redis.call('EXPIRE', KEYS[i + 1], ARGV[1])
  end
end
return out
"""


def purge(cluster: Cluster, queue: str, tell: Callable[[Sequence[bytes]], None]) -> int:
    """Delete all messages that wait in ``queue``, of all priorities; return how many.

    Args:
        cluster: Redis, or a broker that kombu can purge.
        queue: Its name.
        tell: Given the messages, some at a time, before they are gone; on Redis only.

    Raises:
        BrokerUnavailable: The broker cannot be reached.
        Refused: It does not allow it.
    """
    if cluster.is_redis:
        return _purge_redis(cluster, queue, tell)
    from amqp.exceptions import AMQPError
    from kombu.exceptions import KombuError

    with cluster.connection() as connection:
        try:
            return int(connection.channel().queue_purge(queue) or 0)
        except (OSError, KombuError, AMQPError) as error:
            raise cluster.unavailable(error) from None


def _purge_redis(cluster: Cluster, queue: str, tell: Callable[[Sequence[bytes]], None]) -> int:
    import redis

    name, mark = cluster.key_prefix + queue, f"{cluster.key_prefix}umbel:purged:{uuid4()}"
    keys: list[str] = []
    try:
        client = cluster.redis()
        for step in cluster.priority_steps:
            keys += [f"{name}{cluster.sep}{step}" if step else name, f"{mark}:{step}"]
        script: Any = client.register_script(PURGE)
        counts = [int(count) for count in script(keys=keys, args=[_KEPT_S])]
        for key, count in zip(keys[1::2], counts, strict=True):
            if count:
                _read_and_delete(client, key, tell)
    except redis.exceptions.NoPermissionError:
        raise Refused("This Redis lets its user run no scripts, or not delete.") from None
    except (redis.RedisError, OSError) as error:
        raise cluster.unavailable(error) from None
    return sum(counts)


def _read_and_delete(
    client: redis.Redis, key: str, tell: Callable[[Sequence[bytes]], None]
) -> None:
    at = 0
    while page := client.lrange(key, -(at + _PAGE), -(at + 1)):
        messages: Any = list(reversed(page))
        tell(messages)
        at += len(messages)
        if len(messages) < _PAGE or at >= 50_000:
            break
    client.unlink(key)

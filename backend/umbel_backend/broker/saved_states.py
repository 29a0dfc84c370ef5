"""What tasks saved at their checkpoints, in the Redis that is their broker; read as opaque text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from umbel_agent.protocol import STATE_KEY, WANTED_KEY
from umbel_backend.broker.cluster import Cluster

if TYPE_CHECKING:
    import redis

T = TypeVar("T")

_AT_ONCE = 1_000


class SavedStates:
    """The states of one Redis broker. Blocking; every method raises BrokerUnavailable.

    Args:
        cluster: A Redis.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def there(self, ids: Sequence[str]) -> set[str]:
        """Return those of ``ids`` that have saved a state and not succeeded since."""
        found: set[str] = set()
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            keys = [self._key(STATE_KEY, each) for each in some]
            counts = self._ask(partial(_exist, keys=keys))
            found.update(each for each, count in zip(some, counts, strict=True) if count)
        return found

    def copy(self, old: str, new: str) -> bool:
        """Give the task ``new`` the state of ``old`` too, for as long; tell whether there was one."""
        key = self._key(STATE_KEY, old)

        def copied(client: redis.Redis) -> bool:
            with client.pipeline() as pipe:
                pipe.get(key)
                pipe.pttl(key)
                text, left_ms = pipe.execute()
            if text is None:
                return False
            client.set(self._key(STATE_KEY, new), text, px=left_ms if left_ms > 0 else None)
            return True

        return self._ask(copied)

    def let_run(self, task_id: str) -> None:
        """Take back that a task is to pause at its next checkpoint."""
        key = self._key(WANTED_KEY, task_id)
        self._ask(lambda client: client.delete(key))

    def _key(self, key: str, task_id: str) -> str:
        return self._cluster.key_prefix + key.format(task=task_id)

    def _ask(self, call: Callable[[redis.Redis], T]) -> T:
        import redis

        try:
            return call(self._cluster.redis())
        except (redis.RedisError, OSError) as error:
            raise self._cluster.unavailable(error) from None


def _exist(client: redis.Redis, keys: Sequence[str]) -> list[Any]:
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.exists(key)
        return list(pipe.execute())

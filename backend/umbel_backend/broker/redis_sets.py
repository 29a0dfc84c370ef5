"""Sets of names that Umbel keeps on a Redis broker, beside kombu's keys and with their prefix."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from umbel_backend.broker.cluster import Cluster

if TYPE_CHECKING:
    import redis

T = TypeVar("T")


class RedisSets:
    """Reads and changes sets. Every method raises BrokerUnavailable."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def add(self, key: str, name: str) -> None:
        """Put ``name`` into the set ``key``, which is given without the broker's prefix."""
        self._ask(lambda client: client.sadd(self._cluster.key_prefix + key, name))

    def remove(self, key: str, *names: str) -> None:
        """Take ``names`` out of it."""
        if names:
            self._ask(lambda client: client.srem(self._cluster.key_prefix + key, *names))

    def members(self, key: str) -> set[str]:
        """Return all that is in it."""
        names: Any = self._ask(lambda client: client.smembers(self._cluster.key_prefix + key))
        return {name.decode(errors="replace") for name in names}

    def _ask(self, call: Callable[[redis.Redis], T]) -> T:
        import redis

        try:
            return call(self._cluster.redis())
        except (redis.RedisError, OSError) as error:
            raise self._cluster.unavailable(error) from None

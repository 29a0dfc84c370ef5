"""Which of Redis's connections is which worker's, learnt while it is well by asking it alone.

Redis counts the connections of workers and names none of them, so that of two silent workers nothing
tells which one is gone. But a worker replies over a connection of its own that it keeps: right after a
reply it is the one that just pushed to a list and was idle before. Seen twice, it is known, and while it
is there its process is: the kernel closes it with the process, however that ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from umbel_backend.broker.cluster import Cluster

_SAMPLES = 2
"""How often a connection must have been the only one before it is believed to be the worker's."""
_MOST_SAMPLES = 6
_MOST_CLIENTS = 2_000
"""With more connections than this the list of them is not asked for: it costs the server a millisecond."""
_LOOK_AGAIN_S = 60.0


@dataclass(slots=True)
class _Footprint:
    pid: int | None
    ids: frozenset[int] = frozenset()
    samples: int = 0

    @property
    def is_known(self) -> bool:
        return self.samples >= _SAMPLES and len(self.ids) == 1

    @property
    def is_settled(self) -> bool:
        return self.is_known or self.samples >= _MOST_SAMPLES

    def sample(self, ids: frozenset[int]) -> None:
        """Keep what was seen each time; what has nothing in common begins anew."""
        common = self.ids & ids if self.samples else ids
        self.ids = common or ids
        self.samples = self.samples + 1 if common or not ids else 1


class Footprints:
    """The connections of workers. One thread learns, another may ask `standing`.

    Args:
        cluster: The broker; of another kind than Redis nothing is ever learnt.
        clock: Returns seconds that only grow.
    """

    def __init__(self, cluster: Cluster, clock: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._clock = clock
        self._known: dict[str, _Footprint] = {}
        self._looked_at = clock()
        self._can_list = cluster.is_redis

    def next_to_learn(self, well: Mapping[str, int | None]) -> str | None:
        """Return whom to ask alone now; None if nobody, or if it cannot be learnt here.

        Args:
            well: The process id of each worker that answers, by node name.
        """
        if not self._can_list:
            return None
        now = self._clock()
        if now - self._looked_at >= _LOOK_AGAIN_S:
            self._looked_at = now
            self._drop_stale(well)
        for name in self._known.keys() - well.keys():
            if len(self._known) > 2 * len(well) + 100:
                del self._known[name]
        for name, pid in well.items():
            if name not in self._known or self._known[name].pid != pid:
                self._known[name] = _Footprint(pid)
        left = [name for name in well if not self._known[name].is_settled]
        return min(left, key=lambda name: self._known[name].samples, default=None)

    def learn(self, name: str, ask: Callable[[], bool]) -> None:
        """Look which connection ``name`` replies on.

        Args:
            name: From `next_to_learn`.
            ask: Asks that worker alone, and returns whether it replied. Nobody may have been asked
                in the second before: Redis tells how long a connection was idle in whole seconds.

        Raises:
            BrokerUnavailable: The broker is gone.
        """
        before = self._clients()
        footprint = self._known[name]
        if not ask():
            footprint.samples += 1
            return
        busy = {number for number, client in before.items() if client.get("idle") == "0"}
        footprint.sample(
            frozenset(
                number
                for number, client in self._clients().items()
                if client.get("cmd") == "lpush" and client.get("idle") == "0" and number not in busy
            )
        )

    def standing(self, names: Collection[str]) -> tuple[set[str], set[str]]:
        """Return whose connection is there, and whose is not; of others it is not known.

        Raises:
            BrokerUnavailable: The broker is gone.
        """
        known = {name: one for name in names if (one := self._known.get(name)) and one.is_known}
        if not known or not self._can_list:
            return set(), set()
        there = self._clients().keys()
        if not there:
            return set(), set()
        present = {name for name, one in known.items() if one.ids <= there}
        return present, known.keys() - present

    def forget(self) -> None:
        """Begin anew: with the broker all connections went."""
        self._known.clear()

    def _drop_stale(self, well: Mapping[str, int | None]) -> None:
        """Learn anew what well workers reply on where that has gone, or is that of two."""
        there = self._clients().keys()
        counts: dict[frozenset[int], int] = {}
        for one in self._known.values():
            counts[one.ids] = counts.get(one.ids, 0) + 1
        for name in well.keys() & self._known.keys():
            ids = self._known[name].ids
            if not ids <= there or counts[ids] > 1:
                del self._known[name]

    def _clients(self) -> dict[int, dict[str, Any]]:
        """Return what Redis tells of each connection, by the number it gave it; nothing if it does not."""
        import redis

        try:
            listed = self._cluster.redis().client_list()
        except redis.ResponseError:
            self._can_list = False  # not for this user
            return {}
        except (redis.RedisError, OSError) as error:
            raise self._cluster.unavailable(error) from None
        if len(listed) > _MOST_CLIENTS:
            self._can_list = False
        return {int(client["id"]): client for client in listed}

"""What the agents of a cluster can do, as they announce it, and a word of ours in their stream."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from umbel_agent.protocol import FIELD, STREAM_KEY, STREAM_MAXLEN, agent_key
from umbel_backend.broker.cluster import Cluster
from umbel_backend.errors import UmbelError
from umbel_backend.events.agent_stream_door import read_announcement
from umbel_backend.events.agent_stream_upkeep import stream_context

NEEDS_AGENT = "needs umbel_agent in worker {worker}"


class Agents:
    """The agents of one cluster, by way of the Redis they write to.

    Args:
        cluster: Whose workers.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._own: Cluster | None = None
        context = stream_context(cluster.context)
        if context is not None and context is not cluster.context:
            self._own = Cluster(context)
        self._cluster = self._own or (cluster if context is not None else None)

    def able(self, workers: Collection[str], word: str) -> set[str]:
        """Return those of ``workers`` whose agents can do what ``word`` names, ``kill``.

        Nobody where that cannot be read: then it is done without an agent.
        """
        if self._cluster is None or not workers:
            return set()
        import redis

        names = list(workers)
        prefix = self._cluster.key_prefix
        try:
            found: Any = self._cluster.redis().mget([agent_key(name, prefix) for name in names])
        except (redis.RedisError, OSError, UmbelError):
            return set()
        told = {name: read_announcement(raw) for name, raw in zip(names, found, strict=True)}
        return {name for name, said in told.items() if said and word in said.capabilities}

    def note(self, type: str, tasks: Mapping[str, Mapping[str, Any]]) -> None:
        """Put a record of ``type`` about each of ``tasks`` into the stream, for history and consoles.

        What an act did is in the audit and in its outcome; this is how others see it at once. It is
        left out where there is no stream.
        """
        if self._cluster is None or not tasks:
            return
        import redis

        key, now = self._cluster.key_prefix + STREAM_KEY, time.time()
        with suppress(redis.RedisError, OSError, UmbelError):
            pipe = self._cluster.redis().pipeline(transaction=False)
            for task_id, fields in tasks.items():
                record = {"type": type, "uuid": task_id, "timestamp": now, **fields}
                entry: Any = {FIELD: json.dumps(record)}
                pipe.xadd(key, entry, maxlen=STREAM_MAXLEN, approximate=True)
            pipe.execute()

    def close(self) -> None:
        """Close what is open."""
        if self._own is not None:
            self._own.close()


def described(headers: Mapping[str, Any], queue: str) -> dict[str, Any]:
    """Return what a record tells of the task of a message with these ``headers``."""
    names = {"task": "name", "root_id": "root_id", "parent_id": "parent_id", "group": "group_id"}
    told = {own: headers.get(name) for name, own in names.items()}
    return {**{own: text for own, text in told.items() if isinstance(text, str)}, "queue": queue}


def asked(reply: Any, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Read an agent's reply: for each of ``ids`` that it tells of, what it tells."""
    told = reply.get("ok") if isinstance(reply, dict) else None
    found = told if isinstance(told, dict) else {}
    return {each: found[each] for each in ids if isinstance(found.get(each), dict)}

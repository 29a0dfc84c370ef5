"""What Redis itself knows of agents, read once: who announces itself, and how their stream stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from umbel_agent.protocol import agent_key
from umbel_backend.broker.cluster import Cluster
from umbel_backend.errors import UmbelError
from umbel_backend.events.agent_stream_door import Announcement, read_announcement
from umbel_backend.events.agent_stream_upkeep import StreamStanding, stream_context, survey
from umbel_backend.settings import Context

if TYPE_CHECKING:
    from redis import Redis

_MOST = 2_000


@dataclass(frozen=True, slots=True)
class AgentFacts:
    """What was read; empty where there is no Redis to read."""

    announced: Mapping[str, Announcement | None] = field(default_factory=dict)
    """By node name of those asked for; None has no agent. A worker that is left out was not asked for."""
    standing: StreamStanding | None = None
    """Of the stream; None if there is none, or it was not asked for."""
    problem: str | None = None
    """Why nothing could be read, in one sentence."""


def read_agents(
    context: Context, hostnames: Sequence[str], *, with_stream: bool = False
) -> AgentFacts:
    """Read the announcements of these workers, and how the stream stands if that is asked for.

    What fails is told in ``problem``: commands that only complete their answer by it do without.
    """
    try:
        where = stream_context(context)
        if where is None:
            return AgentFacts(
                problem="No Redis is known that agents could write to: set stream in the context."
            )
        cluster = Cluster(where)
        try:
            return _read(cluster.redis(), cluster, hostnames[:_MOST], with_stream)
        finally:
            cluster.close()
    except UmbelError as error:
        return AgentFacts(problem=str(error))


def _read(
    client: Redis, cluster: Cluster, hostnames: Sequence[str], with_stream: bool
) -> AgentFacts:
    import redis

    prefix = cluster.key_prefix
    try:
        keys = [agent_key(name, prefix) for name in hostnames]
        raw: Any = client.mget(keys) if keys else ()
        standing = survey(client, prefix) if with_stream else None
    except (redis.RedisError, OSError) as error:
        return AgentFacts(problem=str(cluster.unavailable(error)))
    found = zip(hostnames, raw, strict=True)
    return AgentFacts({name: read_announcement(each) for name, each in found}, standing)

"""Publishes the retry policies where workers read them: one key in the Redis of the agents' stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from umbel_agent import policies as followed
from umbel_agent.protocol import POLICIES_KEY
from umbel_backend.broker.cluster import Cluster
from umbel_backend.db.query import run, run_on
from umbel_backend.db.statements import messages
from umbel_backend.db.statements import policies as statements
from umbel_backend.events.agent_stream_upkeep import stream_context
from umbel_backend.policies.stored import RETRY, retry_policies
from umbel_backend.settings import Context

if TYPE_CHECKING:
    from redis.client import Pipeline

FOLLOWED_WITHIN_S = 5
"""How long it takes until all workers with the agent follow a change, at most."""


class Publisher:
    """Writes what workers follow, for one database and one cluster. Close it after use.

    Args:
        engine: Where the policies are.
        context: Whose workers follow them.
    """

    def __init__(self, engine: sa.Engine, context: Context) -> None:
        self._engine = engine
        own = stream_context(context)
        self._cluster = None if own is None else Cluster(own)

    @property
    def why_not(self) -> str | None:
        """Why there is nowhere to publish, a sentence; None if there is."""
        if self._cluster is not None:
            return None
        return (
            "No Redis is known that workers read policies from: name it by UMBEL_REDIS or the"
            " configuration's stream."
        )

    def publish(self) -> bool:
        """Publish all retry policies as they stand, unless newer ones are there.

        Returns:
            Whether they, or newer ones of this database, were read back; False where there is nowhere.

        Raises:
            BrokerUnavailable: Redis cannot be reached or does not take it.
            DatabaseUnavailable: They cannot be read.
        """
        if self._cluster is None:
            return False
        number, installation, text = self._own()
        self._put(number, installation, text, over_others=True)
        stands = self._read()
        return (
            stands is not None and stands.installation == installation and stands.version >= number
        )

    def renew(self) -> bool:
        """Publish if what stands there is older or missing; return whether that was so.

        What another database published last is left alone: only acts take its place.

        Raises:
            BrokerUnavailable: Redis cannot be reached or does not take it.
            DatabaseUnavailable: They cannot be read.
        """
        if self._cluster is None or run(self._engine, statements.version(RETRY)) == 0:
            return False
        stands = self._read()
        number, installation, text = self._own()
        if stands is not None and (stands.installation != installation or stands.version >= number):
            return False
        self._put(number, installation, text, over_others=False)
        return True

    def close(self) -> None:
        """Close what is open."""
        if self._cluster is not None:
            self._cluster.close()

    def _own(self) -> tuple[int, str, str]:
        """Return version, identity of the database, and the text to publish, of one moment."""
        with self._engine.connect() as connection:
            number = run_on(connection, statements.version(RETRY))
            installation = run_on(connection, messages.installation_id())
            rules = run_on(connection, retry_policies())
        return number, installation, followed.written(number, installation, rules)

    def _read(self) -> followed.Published | None:
        import redis

        assert self._cluster is not None
        try:
            text: Any = self._cluster.redis().get(self._key)
        except (redis.RedisError, OSError) as error:
            raise self._cluster.unavailable(error) from None
        return None if text is None else followed.read(text)

    @property
    def _key(self) -> str:
        assert self._cluster is not None
        return self._cluster.key_prefix + POLICIES_KEY

    def _put(self, number: int, installation: str, text: str, *, over_others: bool) -> None:
        """Write unless something newer is there; in one step, for two operators may act at once."""
        import redis

        assert self._cluster is not None

        def put(pipe: Pipeline) -> None:
            stands: Any = pipe.get(self._key)
            there = followed.read(stands)
            is_own = there.installation == installation
            wins = there.version < number if is_own else over_others
            pipe.multi()
            if stands is None or wins:
                pipe.set(self._key, text)

        try:
            self._cluster.redis().transaction(put, self._key)
        except (redis.RedisError, OSError) as error:
            raise self._cluster.unavailable(error) from None

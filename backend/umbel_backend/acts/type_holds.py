"""What is put aside because its type is paused: which that is, and how it comes back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import sqlalchemy as sa

from umbel_agent.policies import fits
from umbel_backend.acts.revoked_results import opened
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.redis_holds import Held, RedisHolds
from umbel_backend.broker.redis_types import Published, RedisTypes
from umbel_backend.db.query import run
from umbel_backend.db.statements import messages, type_pauses

_AT_ONCE = 1_000
_LEFT_AFTER_S = 600
"""A turn of which no message came in so long is left over from an act that was cut off."""


def name_of(raw: bytes) -> str:
    """Return the name of the task of a message; empty if it cannot be read."""
    return str(opened(raw)[0].get("task") or "")


def pausing(patterns: Iterable[str], name: str) -> str | None:
    """Return by which of ``patterns`` tasks called ``name`` are paused; None if by none."""
    return next((pattern for pattern in patterns if fits(pattern, name)), None)


def put_back_free(cluster: Cluster) -> Iterator[list[Held]]:
    """Put what is aside for a type that is paused no more back at the heads of its queues.

    Yields what came back, some at a time; all of it stands in the order it had.

    Raises:
        BrokerUnavailable: The broker cannot be reached.
    """
    types, holds = RedisTypes(cluster), RedisHolds(cluster)
    # In this order: what was put aside by now, was so for a type that is published by now.
    turns = list(types.turns())
    patterns = list(types.published())
    while turns:
        some = turns[-_AT_ONCE:]
        del turns[-_AT_ONCE:]
        aside = holds.of(some)
        free = [
            aside[each]
            for each in reversed(some)
            if each in aside and pausing(patterns, name_of(aside[each].raw)) is None
        ]
        back = holds.put_back(free)
        if back:
            yield [held for held in free if held.id in back]


def settle(cluster: Cluster, engine: sa.Engine) -> Iterator[list[Held]]:
    """Have the broker agree with the database on which types are paused, after an act was cut off.

    What other databases paused is left alone. Yields what came back.

    Raises:
        BrokerUnavailable: The broker cannot be reached.
        DatabaseUnavailable: What is paused cannot be read.
    """
    types = RedisTypes(cluster)
    published = types.published()
    paused = run(engine, type_pauses.paused())
    installation = run(engine, messages.installation_id())
    for pattern, row in paused.items():
        if pattern not in published:
            types.publish(pattern, Published(installation, row.at, row.operator, row.reason))
    for pattern, told in published.items():
        if told.installation == installation and pattern not in paused:
            types.withdraw(pattern)
    yield from put_back_free(cluster)
    turns = types.turns()
    old = types.old_turns(turns, _LEFT_AFTER_S)
    aside = RedisHolds(cluster).of(old)
    types.forget_turns([each for each in old if each not in aside])

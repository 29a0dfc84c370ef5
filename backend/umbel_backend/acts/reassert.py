"""Tells workers that come online which tasks were cancelled while they were away.

A worker keeps what it was told to revoke in its memory only. So the recorder tells each one that comes
online again, from the tombstones, until the tasks were seen to be gone or have become too old.
"""

from __future__ import annotations

import time

import sqlalchemy as sa

from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.mailbox import Command, Mailbox
from umbel_backend.db.query import run
from umbel_backend.db.statements import tombstones
from umbel_backend.db.transaction import writing

KEPT_S = 30 * 86_400.0
"""For how long a cancelled task that was never seen again is remembered."""
_MOST = 50_000
"""As many as a worker remembers, by Celery's default."""
_AT_ONCE = 1_000
_TRY_S = 2.0


def reassert(
    cluster: Cluster, engine: sa.Engine, hostname: str, *, timeout_s: float = 20.0
) -> int | None:
    """Tell the worker ``hostname`` which tasks it has to discard, and to stop if it runs them.

    A worker says that it is online before it listens for commands, so that this asks again until it
    replies. Blocking: for a thread of its own.

    Returns:
        How many tasks it acknowledged; None if it did not reply in time.

    Raises:
        BrokerUnavailable: The broker cannot be reached.
        DatabaseUnavailable: The tombstones cannot be read.
    """
    ids = run(engine, tombstones.standing(time.time() - KEPT_S, _MOST))
    mailbox, deadline = Mailbox(cluster), time.monotonic() + timeout_s
    told = 0
    try:
        while told < len(ids):
            some = ids[told : told + _AT_ONCE]
            replies = mailbox.ask(
                [Command("revoke", {"task_id": some, "terminate": True, "signal": "SIGTERM"})],
                to=[hostname],
                expected=[hostname],
                timeout_s=_TRY_S,
            ).replies["revoke"]
            # A pool that cannot stop a run answers with an error, and has noted the ids all the same.
            if hostname in replies:
                told += len(some)
            elif time.monotonic() > deadline:
                return None
    finally:
        mailbox.close()
    return told


def forget_old(engine: sa.Engine) -> int:
    """Take away tombstones that have become too old; return how many."""
    with writing(engine) as connection:
        return int(connection.execute(tombstones.prune(time.time() - KEPT_S)).rowcount)

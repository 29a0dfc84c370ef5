"""Tells workers that come online what was decided while they were away: cancelled tasks, paused queues.

A worker keeps what it was told in its memory only. So the recorder tells each one that comes online again:
from the tombstones, until the tasks were seen to be gone or have become too old; of queues, until they are
resumed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial

import sqlalchemy as sa

from umbel_agent.protocol import PAUSED, PAUSED_HOSTS_KEY, PAUSED_QUEUES_KEY, RESUMED
from umbel_backend import states
from umbel_backend.acts.agents import Agents, described
from umbel_backend.acts.queue_acts import tell_purged
from umbel_backend.acts.revoked_results import opened
from umbel_backend.acts.type_holds import settle as settle_types
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.mailbox import Command, Mailbox
from umbel_backend.broker.purging import finish_purges
from umbel_backend.broker.redis_holds import RedisHolds
from umbel_backend.broker.redis_sets import RedisSets
from umbel_backend.db.query import run
from umbel_backend.db.statements import holds, tasks, tombstones, worker_pauses
from umbel_backend.db.transaction import writing
from umbel_backend.errors import Refused

KEPT_S = 30 * 86_400.0
"""For how long a cancelled task that was never seen again is remembered."""
_MOST = 50_000
"""As many as a worker remembers, by Celery's default."""
_AT_ONCE = 1_000
_PURGED_WITHIN_S = 120.0
"""A purge that takes longer has been cut off."""
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


def reassert_pauses(
    cluster: Cluster, engine: sa.Engine, hostname: str, *, timeout_s: float = 20.0
) -> list[str] | None:
    """Tell the worker ``hostname`` to stop consuming the queues that are paused; all, if it is itself.

    Returns:
        Those that it consumed until now; None if it did not reply in time.

    Raises:
        BrokerUnavailable: The broker cannot be reached.
        DatabaseUnavailable: What is paused cannot be read.
    """
    paused = run(engine, holds.paused())
    host = run(engine, worker_pauses.paused()).get(hostname)
    if not paused and host is None:
        return []
    mailbox, deadline = Mailbox(cluster), time.monotonic() + timeout_s
    try:
        while (consumed := _consumed(mailbox, hostname)) is None:
            if time.monotonic() > deadline:
                return None
        closed = sorted(consumed if host is not None else paused.keys() & consumed)
        if host is not None and closed:
            with writing(engine) as connection:
                queues = {*host.queues, *closed}
                connection.execute(worker_pauses.consumed(hostname, queues))
        for queue in closed:
            # Written first: whoever resumes it then knows whom to tell.
            if queue in paused:
                workers = sorted({*paused[queue].workers, hostname})
                with writing(engine) as connection:
                    connection.execute(holds.told(queue, workers))
            _tell(mailbox, "cancel_consumer", hostname, queue)
        resumed = set(closed) - run(engine, holds.paused()).keys() if closed else set()
        if hostname in run(engine, worker_pauses.paused()):
            resumed = set()
        for queue in resumed:
            # Somebody was quicker, whose word to this worker may have come before ours.
            _tell(mailbox, "add_consumer", hostname, queue)
        return [queue for queue in closed if queue not in resumed]
    finally:
        mailbox.close()


def _consumed(mailbox: Mailbox, hostname: str) -> set[str] | None:
    """Return what a worker consumes; None if it does not answer."""
    replies = mailbox.ask(
        [Command("active_queues", {})], to=[hostname], expected=[hostname], timeout_s=_TRY_S
    ).replies["active_queues"]
    told = replies.get(hostname)
    if not isinstance(told, list):
        return None
    return {str(queue.get("name")) for queue in told if isinstance(queue, dict)}


def _tell(mailbox: Mailbox, command: str, hostname: str, queue: str) -> None:
    order = Command(command, {"queue": queue})
    mailbox.ask([order], to=[hostname], expected=[hostname], timeout_s=_TRY_S)


def settle_holds(cluster: Cluster, engine: sa.Engine) -> int:
    """Finish what an act on holds left half done that ended too early; return of how many it is told.

    Which types, queues and workers are paused is published again, what is aside for no type comes back,
    and history says of tasks that they are put aside, or back: what is aside on the broker decides. What
    purges left is deleted, and history told of it.

    Raises:
        BrokerUnavailable: The broker cannot be reached.
        DatabaseUnavailable: History cannot be read.
    """
    if not cluster.is_redis:
        return 0
    for _back in settle_types(cluster, engine):
        pass  # history is told below
    settle_pauses(cluster, engine)
    broker = RedisHolds(cluster)
    paused = run(engine, tasks.in_state(states.PAUSED, _MOST))
    # After history: what is put aside in between is in both, or only here, and is looked at.
    aside = set(broker.ids()[:_MOST])
    back = [each.id for each in paused if each.paused_how != "frozen" and each.id not in aside]
    unsaid = sorted(aside - {each.id for each in paused})
    known = run(engine, tasks.by_ids(unsaid))
    unsaid = [each for each in unsaid if each not in known or not known[each].is_ready]
    agents = Agents(cluster)
    try:
        told = {
            each.id: {"how": "held", **described(opened(each.raw)[0], each.queue)}
            for each in broker.of(unsaid).values()
        }
        agents.note(PAUSED, told)
        agents.note(RESUMED, {task_id: {} for task_id in back})
        with suppress(Refused):
            finish_purges(cluster, partial(tell_purged, agents), older_than_s=_PURGED_WITHIN_S)
    finally:
        agents.close()
    return len(told) + len(back)


def settle_pauses(cluster: Cluster, engine: sa.Engine) -> None:
    """Write again on a Redis broker, where agents look, which queues and workers are paused.

    What other databases paused is left alone.

    Raises:
        BrokerUnavailable: The broker cannot be reached.
        DatabaseUnavailable: What is paused cannot be read.
    """
    sets = RedisSets(cluster)

    def write(key: str, paused: Callable[[], Collection[str]]) -> None:
        for name in set(paused()) - sets.members(key):
            sets.add(key, name)
            # Resumed meanwhile: then it was taken out before it was put in here.
            if name not in paused():
                sets.remove(key, name)

    write(PAUSED_QUEUES_KEY, lambda: run(engine, holds.paused()))
    write(PAUSED_HOSTS_KEY, lambda: run(engine, worker_pauses.paused()))


def forget_old(engine: sa.Engine) -> int:
    """Take away tombstones that have become too old; return how many."""
    with writing(engine) as connection:
        return int(connection.execute(tombstones.prune(time.time() - KEPT_S)).rowcount)

"""Pauses, resumes and purges whole queues.

A paused queue is written down: in the database, for the recorder to tell workers that come online, and on
a Redis broker for their agents, which ask before they take a message. What workers have taken already
goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from umbel_agent.protocol import PAUSED_QUEUES_KEY, PAUSED_WORKERS_KEY, REVOKED
from umbel_backend.acts.agents import Agents, described
from umbel_backend.acts.left_over import left_over, noted
from umbel_backend.acts.operator import Door
from umbel_backend.acts.outcome import Outcome, done, partly, refused, unknown
from umbel_backend.acts.revoked_results import opened
from umbel_backend.acts.whereabouts import Tracker
from umbel_backend.acts.workforce import Foreman, Workforce
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.purging import finish_purges, purge
from umbel_backend.broker.redis_sets import RedisSets
from umbel_backend.db.query import run
from umbel_backend.db.statements import holds, worker_pauses
from umbel_backend.db.statements.holds import PausedQueue
from umbel_backend.db.transaction import writing
from umbel_backend.errors import NotFound

__all__ = ["PausedQueue", "QueueActs"]

_RESUME = "queue resume"
_SETTLE_S = 3.0
"""How long to look whether workers did what they replied that they do."""
_PAUSE_S = 0.1
_TOLD_OF = 10_000
"""Of so many purged tasks history is told; more would drive out of the stream what others told."""


class QueueActs:
    """Acts on the queues of one cluster. Blocking; for one thread. Close it after use.

    Every act raises NotFound for a queue that nobody knows, NotPermitted, BrokerUnavailable and
    DatabaseUnavailable.
    """

    def __init__(self, door: Door, cluster: Cluster) -> None:
        self._door = door
        self._cluster = cluster
        self._foreman = Foreman(cluster)
        self._agents = Agents(cluster)
        self._tracker = Tracker(cluster, door.settings, door.engine, self._foreman)
        self._sets = RedisSets(cluster) if cluster.is_redis else None

    def paused(self) -> dict[str, PausedQueue]:
        """Return the queues that are paused, by name."""
        return run(self._door.engine, holds.paused())

    def pause(self, queue: str, reason: str = "") -> Outcome:
        """Have all workers stop consuming ``queue``, until it is resumed."""
        return self._act("queue pause", queue, reason, self._pause)

    def resume(self, queue: str, reason: str = "") -> Outcome:
        """Have the workers consume ``queue`` again that did when it was paused, or came since."""
        return self._act(_RESUME, queue, reason, self._resume)

    def purge(self, queue: str, reason: str = "") -> Outcome:
        """Delete all messages that wait in ``queue``; what workers have taken is not touched."""
        return self._act("queue purge", queue, reason, self._purge)

    def look(self, queue: str) -> str:
        """Tell how ``queue`` stands and change nothing; what a dry run shows."""
        workforce = self._foreman.survey()
        self._refuse_unknown(queue, workforce)
        paused = "Paused. " if queue in self.paused() else ""
        waiting = self._tracker.waiting_in(queue)
        count = "" if waiting is None else f" {waiting:,} waiting."
        return f"{paused}{_consumed_by(_consuming(queue, workforce))}{count}"

    def close(self) -> None:
        """Close what is open."""
        self._foreman.close()
        self._agents.close()
        self._tracker.close()

    def _act(
        self,
        action: str,
        queue: str,
        reason: str,
        act: Callable[[str, str, Workforce], Outcome],
    ) -> Outcome:
        with self._door.job(action, [queue], target_kind="queue", reason=reason) as job:
            workforce = self._foreman.survey()
            self._refuse_unknown(queue, workforce)
            # Of a resume that is cut off the next one reads here whom to tell.
            more = noted("workers", self._kept_from(queue)) if action == _RESUME else {}
            job.open([queue], {queue: more})
            job.close(queue, act(queue, reason, workforce))
            return job.outcomes[queue]

    def _kept_from(self, queue: str) -> set[str]:
        """Return the workers that are to consume ``queue`` once it is resumed."""
        row = self.paused().get(queue)
        workers = set(row.workers) if row is not None else set()
        if self._sets is not None:
            workers |= self._sets.members(PAUSED_WORKERS_KEY.format(queue=queue))
        return workers | left_over(self._door.log, _RESUME, queue, "workers")

    def _refuse_unknown(self, queue: str, workforce: Workforce) -> None:
        known = {*self._tracker.queue_names(workforce, [queue]), *self.paused()}
        if queue not in known:
            names = ", ".join(sorted(known)) or "none"
            raise NotFound(f"No queue is called {queue!r}; known are: {names}.")

    def _pause(self, queue: str, reason: str, workforce: Workforce) -> Outcome:
        engine, before = self._door.engine, self.paused().get(queue)
        consuming = _consuming(queue, workforce)
        told = sorted({*consuming, *(before.workers if before is not None else ())})
        row = PausedQueue(
            queue=queue,
            at=before.at if before is not None else time.time(),
            operator=self._door.identity.name,
            reason=reason,
            workers=tuple(told),
        )
        with writing(engine) as connection:
            connection.execute(holds.pause(engine.dialect.name, row))
        if self._sets is not None:
            self._sets.add(PAUSED_QUEUES_KEY, queue)
        replied = self._foreman.order_all("cancel_consumer", {"queue": queue}, workforce.names)
        left, after = self._settled(queue, lambda now: not now & {*workforce.names, *replied})
        return _paused(queue, consuming, left, workforce, after)

    def _resume(self, queue: str, _reason: str, workforce: Workforce) -> Outcome:
        was_paused = queue in self.paused()
        workers = self._kept_from(queue)
        self._open_to_agents(queue)
        with writing(self._door.engine) as connection:
            connection.execute(holds.unpause(queue))
        # Again: a recorder that read the database a moment before may have closed it.
        self._open_to_agents(queue)
        workers |= self._kept_from(queue)
        paused = run(self._door.engine, worker_pauses.paused())
        for host in workers & paused.keys():
            # Whoever resumes this worker then knows that it consumes the queue.
            with writing(self._door.engine) as connection:
                queues = {*paused[host].queues, queue}
                connection.execute(worker_pauses.consumed(host, queues))
        there = sorted((workers & set(workforce.names)) - paused.keys())
        if there:
            self._foreman.order_all("add_consumer", {"queue": queue}, there, to=there)
        now, _ = self._settled(queue, lambda now: now >= set(there))
        missing = sorted(set(there) - now)
        if missing:
            return partly(f"Told to consume it again, and not seen to: {', '.join(missing)}.")
        if self._sets is not None:
            self._sets.remove(PAUSED_WORKERS_KEY.format(queue=queue), *sorted(workers))
        if not was_paused and not there:
            return refused(f"Queue {queue} is not paused. {_consumed_by(now)}")
        return done(_consumed_by(now))

    def _open_to_agents(self, queue: str) -> None:
        if self._sets is not None:
            self._sets.remove(PAUSED_QUEUES_KEY, queue)

    def _purge(self, queue: str, _reason: str, _workforce: Workforce) -> Outcome:
        told = 0

        def tell(queue: str, messages: Sequence[bytes]) -> None:
            nonlocal told
            if told < _TOLD_OF:
                told += tell_purged(self._agents, queue, messages)

        earlier = finish_purges(self._cluster, tell, queue)
        count = purge(self._cluster, queue, partial(tell, queue))
        also = (
            f" Of the first {told:,} history says that they are REVOKED."
            if 0 < told < count + earlier
            else ""
        )
        words = "1 message was" if count == 1 else f"{count:,} messages were"
        if earlier:
            also += f" {earlier:,} more, which an earlier purge had taken out, are deleted too."
        return done(f"{words} deleted.{also} No result was stored for them.")

    def _settled(
        self, queue: str, holds_for: Callable[[set[str]], bool]
    ) -> tuple[set[str], Workforce]:
        """Ask who consumes ``queue`` until that is as it should be, or time is up."""
        deadline = time.monotonic() + _SETTLE_S
        while True:
            after = self._foreman.survey()
            consuming = _consuming(queue, after)
            if holds_for(consuming) or time.monotonic() > deadline:
                return consuming, after
            time.sleep(_PAUSE_S)


def tell_purged(agents: Agents, queue: str, messages: Iterable[bytes]) -> int:
    """Let history and consoles know that ``messages`` were purged; return of how many tasks."""
    headers = [opened(raw)[0] for raw in messages]
    tasks = {str(each["id"]): described(each, queue) for each in headers if "id" in each}
    agents.note(REVOKED, tasks)
    return len(tasks)


def _consuming(queue: str, workforce: Workforce) -> set[str]:
    return {
        name for name, answer in workforce.answers.items() if queue in (answer.queue_names or ())
    }


def _paused(
    queue: str, before: set[str], left: set[str], workforce: Workforce, after: Workforce
) -> Outcome:
    if left:
        return partly(f"Told to stop consuming it, and still do: {', '.join(sorted(left))}.")
    silent = max(workforce.silent, after.silent)
    if silent:
        return unknown(
            f"{silent} of {silent + len(after.names)} workers did not answer; whether they consume"
            f" it was not seen. The others do not."
        )
    if not before:
        return done("No worker consumes it, and those that come online are told not to.")
    names = ", ".join(sorted(before)[:5]) + (" and others" if len(before) > 5 else "")
    return done(f"Stopped consuming it: {names}. Those that come online are told not to.")


def _consumed_by(names: set[str]) -> str:
    if not names:
        return "No worker consumes it."
    listed = ", ".join(sorted(names)[:5]) + (" and others" if len(names) > 5 else "")
    return f"Consumed by {listed}."

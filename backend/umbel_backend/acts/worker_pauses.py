"""Pauses and resumes whole workers: they consume nothing, and go on with what they have taken.

A paused worker is written down: in the database, for the recorder to tell the next run of it, and on a
Redis broker for its agent, which asks before it takes a message.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from umbel_agent.protocol import PAUSED_HOST_QUEUES_KEY, PAUSED_HOSTS_KEY
from umbel_backend.acts.left_over import left_over, noted
from umbel_backend.acts.operator import Door
from umbel_backend.acts.outcome import Outcome, done, partly, refused, unknown
from umbel_backend.acts.workforce import Foreman, Workforce
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.redis_sets import RedisSets
from umbel_backend.db.query import run
from umbel_backend.db.statements import holds, worker_pauses
from umbel_backend.db.statements.worker_pauses import PausedWorker
from umbel_backend.db.transaction import writing
from umbel_backend.errors import NotFound

_RESUME = "worker resume"
_SETTLE_S = 3.0
_PAUSE_S = 0.1


class WorkerActs:
    """Acts on the workers of one cluster. Blocking; for one thread. Close it after use.

    Every act raises NotFound for a worker that neither answers nor is paused, NotPermitted,
    BrokerUnavailable and DatabaseUnavailable.
    """

    def __init__(self, door: Door, cluster: Cluster) -> None:
        self._door = door
        self._foreman = Foreman(cluster)
        self._sets = RedisSets(cluster) if cluster.is_redis else None

    def pause(self, name: str, reason: str = "") -> Outcome:
        """Have a worker stop consuming all its queues, until it is resumed; its next run too."""
        return self._act("worker pause", name, reason, self._pause)

    def resume(self, name: str, reason: str = "") -> Outcome:
        """Have a worker consume again what it did, but for queues that are paused."""
        return self._act(_RESUME, name, reason, self._resume)

    def look(self, name: str) -> str:
        """Tell how a worker stands and change nothing; what a dry run shows."""
        workforce = self._foreman.survey()
        hostname = self._node_name(name, workforce)
        paused = "Paused. " if hostname in self._paused() else ""
        return f"{paused}{_consumes(_queues(hostname, workforce))}"

    def close(self) -> None:
        """Close what is open."""
        self._foreman.close()

    def _paused(self) -> dict[str, PausedWorker]:
        return run(self._door.engine, worker_pauses.paused())

    def _act(
        self,
        action: str,
        name: str,
        reason: str,
        act: Callable[[str, str, Workforce], Outcome],
    ) -> Outcome:
        # Whoever may not is told so, whether there is such a worker or not.
        self._door.job(action, [name], target_kind="worker", reason=reason)
        workforce = self._foreman.survey()
        hostname = self._node_name(name, workforce)
        with self._door.job(action, [hostname], target_kind="worker", reason=reason) as job:
            # Of a resume that is cut off the next one reads here what it is to consume.
            more = noted("queues", self._kept_from(hostname)) if action == _RESUME else {}
            job.open([hostname], {hostname: more})
            job.close(hostname, act(hostname, reason, workforce))
            return job.outcomes[hostname]

    def _kept_from(self, hostname: str) -> set[str]:
        """Return the queues that a worker is to consume once it is resumed."""
        row = self._paused().get(hostname)
        queues = set(row.queues) if row is not None else set()
        if self._sets is not None:
            queues |= self._sets.members(PAUSED_HOST_QUEUES_KEY.format(hostname=hostname))
        return queues | left_over(self._door.log, _RESUME, hostname, "queues")

    def _node_name(self, name: str, workforce: Workforce) -> str:
        """Return the whole name of a worker; the part before the ``@`` will do while only one has it."""
        known = sorted({*workforce.names, *self._paused()})
        found = [each for each in known if name in (each, each.partition("@")[0])]
        if len(found) != 1:
            names = ", ".join(known) or "none"
            raise NotFound(f"No one worker called {name!r} answers; known are: {names}.")
        return found[0]

    def _pause(self, hostname: str, reason: str, workforce: Workforce) -> Outcome:
        engine, before = self._door.engine, self._paused().get(hostname)
        queues = _queues(hostname, workforce)
        row = PausedWorker(
            hostname=hostname,
            at=before.at if before is not None else time.time(),
            operator=self._door.identity.name,
            reason=reason,
            queues=tuple(sorted(queues | set(before.queues if before is not None else ()))),
        )
        with writing(engine) as connection:
            connection.execute(worker_pauses.pause(engine.dialect.name, row))
        if self._sets is not None:
            self._sets.add(PAUSED_HOSTS_KEY, hostname)
        if hostname not in workforce.names:
            return unknown(f"{hostname} did not answer; it is written down for its next run.")
        for queue in sorted(queues):
            self._order("cancel_consumer", hostname, queue)
        left = self._settled(hostname, lambda now: not now)
        if left is None:
            return unknown(f"{hostname} was told, and did not answer since.")
        if left:
            return partly(f"Told to stop consuming, and still does: {', '.join(sorted(left))}.")
        was = ", ".join(sorted(queues)) or "nothing"
        return done(f"It consumes nothing now; before that {was}. What it has taken goes on.")

    def _resume(self, hostname: str, _reason: str, workforce: Workforce) -> Outcome:
        was_paused = hostname in self._paused()
        queues = self._kept_from(hostname)
        self._open_to_agent(hostname)
        with writing(self._door.engine) as connection:
            connection.execute(worker_pauses.unpause(hostname))
        # Again: a recorder that read the database a moment before may have closed it.
        self._open_to_agent(hostname)
        queues |= self._kept_from(hostname)
        paused = run(self._door.engine, holds.paused())
        with writing(self._door.engine) as connection:
            # Whoever resumes that queue then knows whom to tell.
            for queue in queues & paused.keys():
                workers = sorted({*paused[queue].workers, hostname})
                connection.execute(holds.told(queue, workers))
        wanted = queues - paused.keys()
        if not was_paused and not queues:
            return refused(f"It is not paused. {_consumes(_queues(hostname, workforce))}")
        also = "".join(f" Queue {queue} is paused." for queue in sorted(queues & paused.keys()))
        if hostname not in workforce.names:
            self._forget_kept(hostname, queues)
            return done(f"It did not answer; its next run consumes as it is started.{also}")
        for queue in sorted(wanted):
            self._order("add_consumer", hostname, queue)
        now = self._settled(hostname, lambda now: now >= wanted)
        if now is None:
            return unknown(f"{hostname} was told, and did not answer since.")
        missing = ", ".join(sorted(wanted - now))
        if missing:
            return partly(f"Told to consume again, and not seen to: {missing}.{also}")
        self._forget_kept(hostname, queues)
        return done(f"{_consumes(now)}{also}")

    def _open_to_agent(self, hostname: str) -> None:
        if self._sets is not None:
            self._sets.remove(PAUSED_HOSTS_KEY, hostname)

    def _forget_kept(self, hostname: str, queues: set[str]) -> None:
        if self._sets is not None:
            self._sets.remove(PAUSED_HOST_QUEUES_KEY.format(hostname=hostname), *sorted(queues))

    def _order(self, command: str, hostname: str, queue: str) -> None:
        self._foreman.order_all(command, {"queue": queue}, [hostname], to=[hostname])

    def _settled(self, hostname: str, is_so: Callable[[set[str]], bool]) -> set[str] | None:
        """Ask what the worker consumes until that is as it should be, or time is up; None if silent."""
        deadline = time.monotonic() + _SETTLE_S
        while True:
            after = self._foreman.survey(to=[hostname])
            now = _queues(hostname, after) if hostname in after.names else None
            if (now is not None and is_so(now)) or time.monotonic() > deadline:
                return now
            time.sleep(_PAUSE_S)


def _queues(hostname: str, workforce: Workforce) -> set[str]:
    answer = workforce.answers.get(hostname)
    return set(answer.queue_names or ()) if answer is not None else set()


def _consumes(names: set[str]) -> str:
    return f"It consumes {', '.join(sorted(names))}." if names else "It consumes nothing."

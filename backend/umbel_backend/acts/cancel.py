"""Cancels tasks wherever they are: by what Celery and the broker offer, and by agents where there are.

A tombstone is written first. Then every worker is told to discard the tasks; what waits in a queue of
Redis is taken out, what runs is told to stop and watched until its process is gone, and what cannot be
seen to end is said not to be.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from itertools import chain

from umbel_agent.protocol import REVOKED
from umbel_backend import states
from umbel_backend.acts.agents import NEEDS_AGENT, Agents, described
from umbel_backend.acts.ending import RunEnder
from umbel_backend.acts.holds import Holds
from umbel_backend.acts.operator import Door, Job
from umbel_backend.acts.outcome import Outcome, done, partly, refused, unknown
from umbel_backend.acts.pace import Pace
from umbel_backend.acts.revoked_results import RevokedResults, opened
from umbel_backend.acts.selection import Selection, unfinished
from umbel_backend.acts.whereabouts import Place, Tracker, Whereabouts
from umbel_backend.acts.workforce import Foreman, Holding, Workforce
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.redis_surgery import Waiting
from umbel_backend.broker.results import Results, ResultsUnavailable
from umbel_backend.db.statements import tombstones
from umbel_backend.db.transaction import writing
from umbel_backend.filters.tree import Filter

AT_ONCE = 200
"""Tasks that are looked for, and whose audit rows are opened, together."""
DEFAULT_GRACE_S = 30.0
_SETTLE_S = 1.0
"""How long to wait for the result of what a worker said it discards."""
_PAUSE_S = 0.1


class Canceller:
    """Cancels tasks of one cluster. Blocking; for one thread. Close it after use.

    Args:
        door: Who acts, and where it is written down.
        cluster: Whose tasks.
        grace_s: Seconds between SIGTERM and SIGKILL for what runs; 0 sends SIGKILL at once.
    """

    def __init__(self, door: Door, cluster: Cluster, grace_s: float = DEFAULT_GRACE_S) -> None:
        self._door = door
        self._grace_s = grace_s
        self._cluster = cluster
        self._foreman = Foreman(cluster)
        self._agents = Agents(cluster)
        self._patience_s = _SETTLE_S
        self._tracker = Tracker(cluster, door.settings, door.engine, self._foreman)
        self._results: RevokedResults | None = None
        self._reader: Results | None = None
        self.job: Job | None = None
        """The job of the last `cancel`; tells what came of each target, also after an error."""

    def matching(self, chosen: Filter) -> Selection:
        """Return the unfinished tasks that match ``chosen``, in history or just now in the cluster."""
        door = self._door
        return unfinished(door.engine, self._cluster, door.settings, self._tracker, chosen)

    def locate(self, ids: Sequence[str]) -> dict[str, Place]:
        """Tell where ``ids`` are and change nothing; what a dry run shows."""
        places: dict[str, Place] = {}
        for start in range(0, len(ids), AT_ONCE):
            some = ids[start : start + AT_ONCE]
            places |= self._look(some).places
        return {task_id: places[task_id] for task_id in ids}

    def cancel(
        self, ids: Sequence[str], reason: str = "", pace: Pace | None = None
    ) -> Generator[tuple[str, Outcome], None, None]:
        """Cancel ``ids`` and yield what was seen of each, as soon as it was.

        Args:
            ids: Each once.
            reason: In the operator's words.
            pace: How fast; None goes as fast as it can.

        Raises:
            NotPermitted: Nothing was done, and that was audited.
            BrokerUnavailable: The broker went away; what was under way is ``unknown`` in the audit.
        """
        parameters = {"grace_s": self._grace_s}
        pace = pace or Pace(0)
        with self._door.job("cancel", ids, reason=reason, parameters=parameters) as job:
            self.job, at = job, 0
            while at < len(ids):
                some = ids[at : at + pace.take(min(AT_ONCE, len(ids) - at))]
                job.open(some)
                yield from self._cancel(job, some, reason)
                at += len(some)

    def close(self) -> None:
        """Close what is open."""
        self._foreman.close()
        self._agents.close()
        self._tracker.close()
        if self._results is not None:
            self._results.close()
        if self._reader is not None:
            self._reader.close()

    def _look(self, ids: Sequence[str]) -> Whereabouts:
        workforce = self._foreman.survey(ids)
        if self._results is None:
            self._results = RevokedResults(self._cluster, workforce.answers)
            self._reader = self._results.reader
        return self._tracker.find(ids, workforce, self._reader)

    def _cancel(self, job: Job, ids: Sequence[str], reason: str) -> Iterator[tuple[str, Outcome]]:
        def closed(task_id: str, outcome: Outcome) -> tuple[str, Outcome]:
            job.close(task_id, outcome)
            return task_id, job.outcomes[task_id]

        before = self._look(ids)
        wanted = []
        for task_id in ids:
            place = before.places[task_id]
            if place.kind == "ended":
                words = f"It has ended already ({place.state}); there is nothing to cancel."
                yield closed(task_id, refused(words))
            else:
                wanted.append(task_id)
        if not wanted:
            return
        self._write_tombstones(wanted, reason)
        after = self._foreman.survey(wanted, revoke=True, describe=False)
        after.answers |= before.workforce.answers
        strangers = {h.worker for h in after.holdings.values() if not after.pool(h.worker)}
        if strangers:
            # They came between the two questions, or left the first one open.
            after.answers |= self._foreman.survey(to=sorted(strangers)).answers
        gone: dict[str, tuple[bytes, str]] = {}
        aside = self._take_paused(wanted, before, gone)
        for task_id, outcome in chain(aside, self._empty_queues(wanted, before, after, gone)):
            yield closed(task_id, outcome)
        self._settle(list(gone))
        self._agents.note(REVOKED, {i: described(opened(m)[0], q) for i, (m, q) in gone.items()})
        left = [task_id for task_id in wanted if task_id not in gone]
        running = [each for each in left if _is_running(each, before, after)]
        holdings = {task_id: _holding_of(task_id, before, after) for task_id in running}
        ender = RunEnder(self._foreman, self._agents, self._grace_s, self._ended_meanwhile)
        for task_id, outcome in ender.end({i: h for i, h in holdings.items() if h}, after):
            if outcome.outcome == "done":
                self._settle([task_id])
                outcome = self._with_result(task_id, outcome)
            yield closed(task_id, outcome)
        rest = [task_id for task_id in left if task_id not in set(running)]
        for task_id, outcome in self._watch(rest, before, after):
            yield closed(task_id, outcome)

    def _write_tombstones(self, ids: Sequence[str], reason: str) -> None:
        dialect = self._door.engine.dialect.name
        name = self._door.identity.name
        with writing(self._door.engine) as connection:
            connection.execute(
                tombstones.write(dialect, ids, at=time.time(), operator=name, reason=reason)
            )

    def _settle(self, ids: Sequence[str]) -> None:
        if ids:
            with writing(self._door.engine) as connection:
                connection.execute(tombstones.settle(ids, time.time()))

    def _take_paused(
        self, ids: Sequence[str], before: Whereabouts, gone: dict[str, tuple[bytes, str]]
    ) -> Iterator[tuple[str, Outcome]]:
        """Take away what was put aside; what was resumed meanwhile is left to the workers' memory.

        What is gone is put into ``gone`` with its message and queue.
        """
        paused = [each for each in ids if before.places[each].kind == "paused"]
        if not paused:
            return
        holds = Holds(self._door, self._cluster, self._agents)
        for task_id, held in holds.broker.of(paused).items():
            if holds.broker.take(task_id) is not None:
                gone[task_id] = held.raw, held.queue
                assert self._results is not None
                stored = self._results.store(held.raw)
                yield task_id, done(f"It was held aside, and is taken away. {stored}")
        holds.forget(paused)

    def _empty_queues(
        self,
        ids: Sequence[str],
        before: Whereabouts,
        after: Workforce,
        gone: dict[str, tuple[bytes, str]],
    ) -> Iterator[tuple[str, Outcome]]:
        """Take out of the queues what waits there; what a worker took meanwhile is left to it."""
        messages = [
            message
            for task_id in ids
            if task_id not in after.holdings
            and (message := before.places[task_id].message) is not None
            and _may_be_removed(message)
        ]
        if self._tracker.surgery is None or not messages:
            return
        removed = self._tracker.surgery.remove(messages)
        for message in messages:
            if message.id in removed:
                gone[message.id] = message.raw, message.queue
                assert self._results is not None
                stored = self._results.store(message.raw)
                yield message.id, done(f"Removed from queue {message.queue}. {stored}")
        taken = [message.id for message in messages if message.id not in removed]
        if taken:
            again = self._foreman.survey(taken, describe=False)
            after.holdings |= again.holdings

    def _watch(
        self, ids: Sequence[str], before: Whereabouts, after: Workforce
    ) -> Iterator[tuple[str, Outcome]]:
        """Tell of what no effect can be forced on: what workers hold, and what was not found."""
        holdings = {each: h for each in ids if (h := _holding_of(each, before, after)) is not None}
        revoked = self._revoked_within(list(holdings), _SETTLE_S)
        for task_id in ids:
            place, holding = before.places[task_id], holdings.get(task_id)
            if holding is not None:
                pool = after.pool(holding.worker)
                yield task_id, _discarded(holding, pool, task_id in revoked)
            elif place.holding is not None or _was_taken(place):
                yield task_id, self._ended_meanwhile(task_id)
            else:
                yield task_id, _not_found(place, after)

    def _with_result(self, task_id: str, outcome: Outcome) -> Outcome:
        """Add what the result backend says of a task whose run has ended."""
        if task_id in self._revoked_within([task_id], self._patience_s):
            return done(f"{outcome.detail} Its result is REVOKED.")
        # It may store none, and then the others of it do not either.
        self._patience_s = _PAUSE_S
        return outcome

    def _ended_meanwhile(self, task_id: str) -> Outcome:
        """Tell of a task that was held or waiting a moment ago, and is neither now."""
        state = self._states([task_id]).get(task_id)
        if state == states.REVOKED:
            return done("A worker discarded it; its result is REVOKED.")
        if state in states.READY:
            return refused(f"It ended at this very moment ({state}).")
        return unknown(
            "A worker had it at this very moment and has it no more; whether it ran was not seen."
        )

    def _revoked_within(self, ids: Sequence[str], limit_s: float) -> set[str]:
        deadline = time.monotonic() + limit_s
        while True:
            stored = self._states(ids)
            found = {each for each, state in stored.items() if state == states.REVOKED}
            if self._reader is None or len(found) == len(ids) or time.monotonic() > deadline:
                return found
            time.sleep(_PAUSE_S)

    def _states(self, ids: Sequence[str]) -> dict[str, str]:
        if self._reader is None or not ids:
            return {}
        try:
            return {each: result.state for each, result in self._reader.read(ids).items()}
        except ResultsUnavailable:
            return {}  # then nothing is seen there, which is what is told


def _holding_of(task_id: str, before: Whereabouts, after: Workforce) -> Holding | None:
    """Return who has a task; by the earlier answer where a worker left the later question open."""
    holding = after.holdings.get(task_id)
    if holding is not None:
        return holding
    earlier = before.places[task_id].holding
    if earlier is None:
        return None
    told = earlier.worker in after.acknowledged and earlier.worker not in after.blind
    return None if told else earlier


def _was_taken(place: Place) -> bool:
    """Whether a message that waited was no longer there when it was to be removed."""
    return place.message is not None and _may_be_removed(place.message)


def _is_running(task_id: str, before: Whereabouts, after: Workforce) -> bool:
    holding = _holding_of(task_id, before, after)
    return holding is not None and holding.held == "active"


def _may_be_removed(message: Waiting) -> bool:
    """Whether what depends on the task can be told here; of a chord only JSON says which it is."""
    headers, embed = opened(message.raw)
    return embed is not None or not headers.get("group")


def _discarded(holding: Holding, pool: str, is_revoked: bool) -> Outcome:
    worker = holding.worker
    if holding.held == "reserved" and pool not in ("prefork", "solo"):
        agent = NEEDS_AGENT.format(worker=worker)
        return partly(
            f"Cancelling: {worker} acknowledged, but had given it to its pool before, from which Celery"
            f" cannot take it back ({agent}); it may run."
        )
    waits = "its ETA" if holding.held == "scheduled" else "its turn"
    words = f"{worker} acknowledged, and discards it when {waits} comes."
    return done(f"Its result is REVOKED; {words}") if is_revoked else partly(f"Cancelling: {words}")


def _not_found(place: Place, after: Workforce) -> Outcome:
    where = place.words[0].upper() + place.words[1:]
    if place.message is not None:
        words = (
            f"{where}; it belongs to a chord whose message is not JSON, so a worker discards it."
        )
        return partly(words) if after.acknowledged else unknown(_nobody(where))
    if not after.acknowledged:
        return unknown(_nobody(where))
    silent = f" {after.silent} did not answer." if after.silent else ""
    told = ", ".join(after.acknowledged[:3]) + (
        "" if len(after.acknowledged) < 4 else " and others"
    )
    words = f"{where}. Told to discard it if it comes: {told}.{silent}"
    return partly(words) if place.kind == "unacked" else unknown(words)


def _nobody(where: str) -> str:
    return f"{where}. No worker is online; it will be revoked when one comes online."

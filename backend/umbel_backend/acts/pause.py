"""Pauses tasks: what waits is put aside, in its queue or where a worker has it; what runs is frozen."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from umbel_agent.protocol import CHECKPOINT, FREEZE, HOLD, PAUSED
from umbel_backend import states
from umbel_backend.acts.agents import NEEDS_AGENT, Agents, asked
from umbel_backend.acts.holds import NO_SURGERY, Holds
from umbel_backend.acts.operator import Door, Job
from umbel_backend.acts.outcome import Outcome, done, partly, refused, unknown
from umbel_backend.acts.pace import Pace
from umbel_backend.acts.selection import Selection, unfinished
from umbel_backend.acts.whereabouts import Place, Tracker, Whereabouts
from umbel_backend.acts.workforce import Foreman
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.redis_surgery import Waiting
from umbel_backend.broker.results import Results, find_backend, open_results
from umbel_backend.db.query import run
from umbel_backend.db.statements import tasks
from umbel_backend.errors import Refused
from umbel_backend.filters.tree import Filter

_CHECKPOINT_S = 10.0
"""How long to watch whether tasks come to their next checkpoints."""
AT_ONCE = 200
"""Tasks that are looked for, and whose audit rows are opened, together."""


class Pauser:
    """Pauses tasks of one cluster. Blocking; for one thread. Close it after use.

    Args:
        door: Who acts, and where it is written down.
        cluster: Whose tasks.
    """

    def __init__(self, door: Door, cluster: Cluster) -> None:
        self._door = door
        self._cluster = cluster
        self._foreman = Foreman(cluster)
        self._agents = Agents(cluster)
        self._tracker = Tracker(cluster, door.settings, door.engine, self._foreman)
        self._holds = Holds(door, cluster, self._agents) if cluster.is_redis else None
        self._results: Results | None = None
        self.job: Job | None = None
        """The job of the last `pause`; tells what came of each target, also after an error."""

    def matching(self, chosen: Filter) -> Selection:
        """Return the tasks that match ``chosen``, have not ended, and are not paused."""
        door = self._door
        selection = unfinished(door.engine, self._cluster, door.settings, self._tracker, chosen)
        known = run(door.engine, tasks.by_ids(selection.ids))
        selection.ids = [
            each
            for each in selection.ids
            if each not in known or known[each].state != states.PAUSED
        ]
        return selection

    def locate(self, ids: Sequence[str]) -> dict[str, Place]:
        """Tell where ``ids`` are and change nothing; what a dry run shows."""
        places: dict[str, Place] = {}
        for start in range(0, len(ids), AT_ONCE):
            places |= self._look(ids[start : start + AT_ONCE]).places
        return {task_id: places[task_id] for task_id in ids}

    def pause(
        self, ids: Sequence[str], reason: str = "", pace: Pace | None = None
    ) -> Generator[tuple[str, Outcome], None, None]:
        """Pause ``ids`` and yield what was seen of each, as soon as it was.

        Args:
            ids: Each once.
            reason: In the operator's words.
            pace: How fast; None goes as fast as it can.

        Raises:
            NotPermitted: Nothing was done, and that was audited.
            BrokerUnavailable: The broker went away; what was under way is ``unknown`` in the audit.
        """
        pace = pace or Pace(0)
        with self._door.job("pause", ids, reason=reason) as job:
            self.job, at = job, 0
            while at < len(ids):
                some = ids[at : at + pace.take(min(AT_ONCE, len(ids) - at))]
                job.open(some)
                for task_id, outcome in self._pause(some, reason):
                    job.close(task_id, outcome)
                    yield task_id, job.outcomes[task_id]
                at += len(some)

    def close(self) -> None:
        """Close what is open."""
        self._foreman.close()
        self._agents.close()
        self._tracker.close()
        if self._results is not None:
            self._results.close()

    def _look(self, ids: Sequence[str]) -> Whereabouts:
        workforce = self._foreman.survey(ids)
        if self._results is None:
            backend = find_backend(self._cluster, workforce.answers.values())
            if backend.url is not None and not backend.guessed:
                prefix = backend.key_prefix
                self._results = open_results(self._cluster, backend.url, key_prefix=prefix)
        return self._tracker.find(ids, workforce, self._results)

    def _pause(self, ids: Sequence[str], reason: str) -> Iterator[tuple[str, Outcome]]:
        where = self._look(ids)
        messages: list[Waiting] = []
        taken: dict[str, Place] = {}
        running: dict[str, Place] = {}
        for task_id in ids:
            place = where.places[task_id]
            if place.kind == "waiting" and place.message is not None:
                messages.append(place.message)
            elif place.kind == "held" and self._holds is not None:
                taken[task_id] = place
            elif place.kind == "running":
                running[task_id] = place
            else:
                yield task_id, _cannot_pause(place)
        asked_for: dict[str, str] = {}
        if self._holds is not None and running:
            asked_for = self._ask_to_pause(self._holds, running, reason)
            yield from self._until_paused(self._holds, asked_for)
        frozen = {each: place for each, place in running.items() if each not in asked_for}
        yield from self._freeze(frozen, where)
        if self._holds is None or not (messages or taken):
            return
        late = []
        for task_id, outcome in self._put_aside(self._holds, messages, reason):
            if outcome is None:
                late.append(task_id)
            else:
                yield task_id, outcome
        if late:
            for task_id, place in self._tracker.find(late, results=self._results).places.items():
                if place.kind == "held":
                    # A worker took it at this very moment.
                    taken[task_id] = place
                else:
                    yield task_id, _cannot_pause(place)
        yield from self._have_put_aside(self._holds, taken, reason)

    def _put_aside(
        self, holds: Holds, messages: list[Waiting], reason: str
    ) -> Iterator[tuple[str, Outcome | None]]:
        """Put aside what waits in queues; None of what was gone from there."""
        holds.intend(messages, (), reason)
        try:
            held = holds.broker.hold(messages)
        except Refused as why:
            holds.forget([message.id for message in messages])
            for message in messages:
                yield message.id, refused(str(why))
            return
        holds.forget([message.id for message in messages if message.id not in held])
        holds.tell(PAUSED, [message for message in messages if message.id in held])
        for message in messages:
            outcome = _held_aside(message.queue) if message.id in held else None
            yield message.id, outcome

    def _have_put_aside(
        self, holds: Holds, taken: dict[str, Place], reason: str
    ) -> Iterator[tuple[str, Outcome]]:
        """Have the agents of workers put aside what these took and have not begun."""
        by_worker = _by_worker(taken)
        able = self._agents.able(list(by_worker), "hold")
        for worker, ids in by_worker.items():
            if worker not in able:
                for task_id in ids:
                    yield task_id, _needs_agent(worker, taken[task_id])
                continue
            holds.intend((), ids, reason)
            told = asked(self._foreman.order(worker, HOLD, {"task_ids": ids}), ids)
            aside = holds.broker.of(ids)
            holds.keep(aside.values())
            for task_id in ids:
                yield task_id, _as_told(worker, task_id, task_id in aside, told.get(task_id))
            # Of a worker that did not answer it is not known, and it may yet put it aside.
            holds.forget([each for each in ids if each not in aside and each in told])

    def _ask_to_pause(self, holds: Holds, running: dict[str, Place], reason: str) -> dict[str, str]:
        """Ask the tasks that come to checkpoints to pause at the next; return the worker of each."""
        by_worker = _by_worker(running)
        asked_for: dict[str, str] = {}
        for worker in self._agents.able(list(by_worker), "checkpoint"):
            ids = by_worker[worker]
            holds.intend((), ids, reason)
            told = asked(self._foreman.order(worker, CHECKPOINT, {"task_ids": ids}), ids)
            willing = [each for each in ids if "error" not in told.get(each, {"error": ""})]
            holds.forget([each for each in ids if each not in willing])
            asked_for |= dict.fromkeys(willing, worker)
        return asked_for

    def _until_paused(
        self, holds: Holds, asked_for: dict[str, str]
    ) -> Iterator[tuple[str, Outcome]]:
        """Watch tasks until they have come to their next checkpoints, or their time is up."""
        waiting, deadline, pause_s = dict(asked_for), time.monotonic() + _CHECKPOINT_S, 0.05
        while waiting:
            aside = holds.broker.of(list(waiting))
            holds.keep(aside.values())
            for task_id in aside:
                del waiting[task_id]
                yield (
                    task_id,
                    done(
                        "Paused at its checkpoint: it gave its slot back, and umbel resume lets it go on"
                        " from there."
                    ),
                )
            if not waiting or time.monotonic() > deadline:
                break
            time.sleep(pause_s)
            pause_s = min(0.5, pause_s * 1.5)
        places = self._tracker.find(list(waiting), results=self._results).places if waiting else {}
        for task_id, place in places.items():
            if place.kind == "running":
                yield (
                    task_id,
                    partly(
                        f"{asked_for[task_id]} was told; it has come to no checkpoint within"
                        f" {_CHECKPOINT_S:.0f} s and pauses at its next."
                    ),
                )
            else:
                holds.forget([task_id])
                yield task_id, _cannot_pause(place)

    def _freeze(
        self, running: dict[str, Place], where: Whereabouts
    ) -> Iterator[tuple[str, Outcome]]:
        """Have the agents of workers stop the processes in which tasks run."""
        by_worker = _by_worker(running)
        able = self._agents.able(list(by_worker), "freeze")
        for worker, ids in by_worker.items():
            pool = where.workforce.pool(worker)
            if worker not in able:
                for task_id in ids:
                    yield task_id, _cannot_freeze(worker, pool, running[task_id])
                continue
            reply = self._foreman.order(worker, FREEZE, {"task_ids": ids})
            told = asked(reply, ids)
            # One that ended in that very moment has been told of by now.
            after = self._foreman.survey(ids, to=[worker], describe=False)
            is_told = worker in after.names and worker not in after.blind
            for task_id in ids:
                outcome = _frozen(worker, told.get(task_id))
                if outcome.outcome == "done" and is_told and task_id not in after.holdings:
                    outcome = refused("It ended at this very moment.")
                yield task_id, outcome


def _by_worker(places: dict[str, Place]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for task_id, place in places.items():
        assert place.holding is not None
        found[place.holding.worker].append(task_id)
    return found


def _frozen(worker: str, told: dict[str, Any] | None) -> Outcome:
    if told is None:
        return unknown(f"{worker} was told to freeze it, and did not answer.")
    if "error" in told:
        return refused(f"{worker} did not freeze it: {told['error']}.")
    below = int(told.get("processes") or 1) - 1
    also = "" if below < 1 else f" and {below} below it"
    return done(
        f"Frozen: process {told.get('pid')} of {worker}{also} stands still. It keeps its slot, and its"
        " time limits wait."
    )


def _cannot_freeze(worker: str, pool: str, place: Place) -> Outcome:
    where = place.words[0].upper() + place.words[1:]
    if pool not in ("prefork", ""):
        return refused(f"{where}, in a pool of kind {pool}, where no task can be frozen.")
    agent = NEEDS_AGENT.format(worker=worker)
    return refused(f"{where}, and only its worker's agent can freeze it ({agent}).")


def _held_aside(queue: str) -> Outcome:
    return done(f"Held aside from queue {queue}; umbel resume puts it back at its head.")


def _as_told(worker: str, task_id: str, is_aside: bool, told: dict[str, object] | None) -> Outcome:
    if is_aside:
        return done(f"{worker} gave it back before it began; it is held aside.")
    if told is None:
        return unknown(f"{worker} was told to give it back, and did not answer.")
    return refused(f"{worker} did not give it back: {told.get('error', 'it did not say why')}.")


def _needs_agent(worker: str, place: Place) -> Outcome:
    where = place.words[0].upper() + place.words[1:]
    agent = NEEDS_AGENT.format(worker=worker)
    return refused(f"{where}, and only its worker's agent can give it back ({agent}).")


def _cannot_pause(place: Place) -> Outcome:
    where = place.words[0].upper() + place.words[1:]
    if place.kind == "ended":
        return refused(f"{where}; there is nothing to pause.")
    if place.kind == "paused":
        return refused(f"It is paused already: {place.words}.")
    if place.kind in ("waiting", "held"):
        return refused(f"{where}. {NO_SURGERY}.")
    return refused(f"{where}; it was not paused.")

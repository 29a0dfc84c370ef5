"""Resumes paused tasks: what was put aside goes back to the head of its queue, what is frozen goes on.

What ended and had saved a state goes on from there (`from_state`).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from umbel_agent.protocol import RESUMED, THAW
from umbel_backend import states
from umbel_backend.acts.again import one_by_one, rivals
from umbel_backend.acts.agents import Agents, asked
from umbel_backend.acts.from_state import FromState, would_do
from umbel_backend.acts.holds import NO_SURGERY, Holds
from umbel_backend.acts.operator import Door, Job
from umbel_backend.acts.outcome import NOT_BEGUN, Outcome, done, refused, unknown
from umbel_backend.acts.pace import Pace
from umbel_backend.acts.retry import Plan, parameters
from umbel_backend.acts.selection import Selection, in_history, record_of
from umbel_backend.acts.type_holds import name_of, pausing
from umbel_backend.acts.whereabouts import Kind, Place, Tracker
from umbel_backend.acts.workforce import Foreman
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.messages import MessageReader
from umbel_backend.broker.redis_holds import Held
from umbel_backend.broker.redis_types import RedisTypes
from umbel_backend.db.query import run
from umbel_backend.db.statements import holds, tasks
from umbel_backend.db.tables import task
from umbel_backend.filters.predicate import compile_predicate
from umbel_backend.filters.tree import Filter

AT_ONCE = 200
_GONE = ("ended", "unacked", "nowhere")
"""Where a task is that ended and was not begun anew since."""


class Resumer:
    """Resumes tasks of one cluster. Blocking; for one thread. Close it after use.

    Args:
        door: Who acts, and where it is written down.
        cluster: Whose tasks.
        twice: Also what ended and may do something for the second time.
        creating: How fast messages of what ended are sent again; None goes as fast as it can.
    """

    def __init__(
        self, door: Door, cluster: Cluster, *, twice: bool = False, creating: Pace | None = None
    ) -> None:
        self._door = door
        self._foreman = Foreman(cluster)
        self._agents = Agents(cluster)
        self._tracker = Tracker(cluster, door.settings, door.engine, self._foreman)
        self._holds = Holds(door, cluster, self._agents) if cluster.is_redis else None
        self._ended = FromState(door, cluster, twice=twice) if cluster.is_redis else None
        self._types = RedisTypes(cluster) if cluster.is_redis else None
        self._creating = creating
        self.job: Job | None = None
        """The job of the last `resume`; tells what came of each target, also after an error."""

    def matching(self, chosen: Filter) -> Selection:
        """Return the tasks that match ``chosen`` and are paused: of history, and what else is put aside.

        Where the filter names a state, those too that ended and had saved a state.
        """
        paused = task.c.state == states.PAUSED
        selection = Selection([r.id for r in in_history(self._door.engine, chosen, paused)])
        if self._holds is None:
            return selection
        seen, matches, now = set(selection.ids), compile_predicate(chosen), time.time()
        others = [each for each in self._holds.broker.ids() if each not in seen]
        known = run(self._door.engine, tasks.by_ids(others))
        reader = MessageReader(self._door.settings)
        for held in self._holds.broker.of(others).values():
            record = known.get(held.id)
            if record is None:
                message = reader.read(held.raw, len(held.raw), position=0, queue=held.queue)
                record = record_of(message, self._door.settings, now)
            record.state, record.paused_how = states.PAUSED, "held"
            if matches(record, now):
                selection.ids.append(held.id)
        if self._ended is not None:
            ended, notes = self._ended.matching(chosen)
            selection.ids = list(dict.fromkeys([*selection.ids, *ended]))
            selection.notes += notes
        return selection

    def locate(self, ids: Sequence[str]) -> dict[str, Place]:
        """Tell where ``ids`` are and change nothing; what a dry run shows."""
        places: dict[str, Place] = {}
        for start in range(0, len(ids), AT_ONCE):
            some = ids[start : start + AT_ONCE]
            found = self._tracker.find(some).places
            gone = [each for each in some if found[each].kind in _GONE]
            plans = self._ended.plan(gone) if self._ended is not None else {}
            for task_id, words in would_do(plans).items():
                kind: Kind = "ended" if isinstance(plans[task_id], Outcome) else "saved"
                found[task_id] = replace(found[task_id], kind=kind, words=words)
            places |= found
        return {task_id: places[task_id] for task_id in ids}

    def resume(
        self, ids: Sequence[str], reason: str = "", pace: Pace | None = None
    ) -> Generator[tuple[str, Outcome], None, None]:
        """Resume ``ids`` and yield what was seen of each, as soon as it was.

        Args:
            ids: Each once; those that are served last go first, so that the order is kept.
            reason: In the operator's words.
            pace: How fast; None goes as fast as it can.

        Raises:
            NotPermitted: Nothing was done, and that was audited.
            BrokerUnavailable: The broker went away; what was under way is ``unknown`` in the audit.
        """
        pace = pace or Pace(0)
        with self._door.job("resume", ids, reason=reason) as job:
            self.job = job
            listed, at = self._last_first(ids), 0
            while at < len(listed):
                some = listed[at : at + pace.take(min(AT_ONCE, len(listed) - at))]
                planned_at = time.time()
                plans = self._ended.plan(some) if self._ended is not None else {}
                job.open(some, {each: parameters(plan) for each, plan in plans.items()})
                if plans:
                    plans.update(rivals(self._door.engine, job, list(plans), planned_at))
                yield from self._act(job, some, plans)
                at += len(some)

    def close(self) -> None:
        """Close what is open."""
        self._foreman.close()
        self._agents.close()
        self._tracker.close()
        if self._ended is not None:
            self._ended.close()

    def _act(
        self, job: Job, ids: Sequence[str], plans: Mapping[str, Plan | Outcome]
    ) -> Iterator[tuple[str, Outcome]]:
        """Resume ``ids``, of which some ended and have a plan."""
        resumed = self._resume(ids, plans)
        to_send = {each: plans[each] for each in ids if each not in resumed}
        for task_id, outcome in resumed.items():
            job.close(task_id, outcome)
        is_sending = False
        try:
            for task_id in resumed:
                yield task_id, job.outcomes[task_id]
            is_sending = True
            if self._ended is not None:
                yield from one_by_one(job, to_send, self._ended.send, self._creating)
        finally:
            for task_id in () if is_sending else to_send:
                job.close(task_id, NOT_BEGUN)

    def _last_first(self, ids: Sequence[str]) -> list[str]:
        """Order ``ids`` so that the last of them is served first once all are back at the head."""
        aside: dict[str, Held] = self._holds.broker.of(ids) if self._holds is not None else {}
        order = self._holds.serving_order(aside.values()) if self._holds is not None else []
        return [each for each in ids if each not in aside] + [held.id for held in reversed(order)]

    def _resume(
        self, ids: Sequence[str], plans: Mapping[str, Plan | Outcome]
    ) -> dict[str, Outcome]:
        """Resume what is paused of ``ids``; what ended and has a plan is left out."""
        aside: dict[str, Held] = self._holds.broker.of(ids) if self._holds is not None else {}
        back: set[str] = set()
        by_type = self._of_paused_types(aside)
        if self._holds is not None and aside:
            held = [aside[each] for each in ids if each in aside and each not in by_type]
            back = self._holds.broker.put_back(held)
            self._holds.tell(RESUMED, [each for each in held if each.id in back])
            self._holds.forget([each.id for each in held])
        paused = run(self._door.engine, holds.paused()) if back else {}
        rest = [each for each in ids if each not in back and each not in by_type]
        elsewhere = self._tracker.find(rest).places if rest else {}
        thawed = dict(self._thaw({i: p for i, p in elsewhere.items() if p.kind == "running"}))
        outcomes: dict[str, Outcome] = {}
        for task_id in ids:
            if task_id in by_type:
                outcomes[task_id] = _type_is_paused(by_type[task_id])
            elif task_id in thawed:
                outcomes[task_id] = thawed[task_id]
            elif task_id in back:
                queue = aside[task_id].queue
                outcomes[task_id] = _is_back(queue, queue in paused)
            elif task_id not in plans or elsewhere[task_id].kind not in _GONE:
                outcomes[task_id] = _not_paused(elsewhere[task_id], self._holds is not None)
        return outcomes

    def _of_paused_types(self, aside: Mapping[str, Held]) -> dict[str, str]:
        """Return what would be put aside again, with the name under which its type is paused."""
        patterns = list(self._types.published()) if self._types is not None and aside else []
        if not patterns:
            return {}
        by = {task_id: pausing(patterns, name_of(held.raw)) for task_id, held in aside.items()}
        return {task_id: pattern for task_id, pattern in by.items() if pattern is not None}

    def _thaw(self, running: dict[str, Place]) -> Iterator[tuple[str, Outcome]]:
        """Have the agents of workers let frozen tasks go on; what has no agent is left out."""
        by_worker: dict[str, list[str]] = defaultdict(list)
        for task_id, place in running.items():
            assert place.holding is not None
            by_worker[place.holding.worker].append(task_id)
        able = self._agents.able(list(by_worker), "freeze")
        for worker in able:
            ids = by_worker[worker]
            told = asked(self._foreman.order(worker, THAW, {"task_ids": ids}), ids)
            for task_id in ids:
                yield task_id, _goes_on(worker, told.get(task_id))


def _goes_on(worker: str, told: dict[str, Any] | None) -> Outcome:
    if told is None:
        return unknown(f"{worker} was told to let it go on, and did not answer.")
    if told.get("unwanted") is True:
        return done(f"It was to pause at its next checkpoint on {worker}, and goes on instead.")
    if "error" in told:
        return refused(f"It runs on {worker}: {told['error']}.")
    frozen_s = float(told.get("frozen_s") or 0.0)
    return done(
        f"Process {told.get('pid')} of {worker} goes on; it stood still for {frozen_s:.0f} s."
    )


def _type_is_paused(pattern: str) -> Outcome:
    return refused(
        f"Its type is paused: workers would put it aside again. umbel resume --type {pattern!r} resumes"
        " all of them."
    )


def _is_back(queue: str, is_paused: bool) -> Outcome:
    also = " That queue is paused." if is_paused else ""
    return done(f"Back at the head of queue {queue}.{also}")


def _not_paused(place: Place, has_holds: bool) -> Outcome:
    where = place.words[0].upper() + place.words[1:]
    also = "" if has_holds else f" {NO_SURGERY}."
    return refused(f"It is not paused. {where}.{also}")

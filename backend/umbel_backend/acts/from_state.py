"""Lets tasks that failed, were lost or revoked go on from the state that they saved last.

The exact message is sent again as a retry sends it, under the task's own id, for its state stands under
that. What was REVOKED gets a new id and a copy of the state: workers remember the old one as not to be run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import uuid4

import sqlalchemy as sa

from umbel_backend import states
from umbel_backend.acts import resend
from umbel_backend.acts.again import (
    interrupted,
    last_repeats,
    refuse_repeated,
    refuse_unfinished,
)
from umbel_backend.acts.operator import Door
from umbel_backend.acts.outcome import Outcome, refused
from umbel_backend.acts.retry import Plan, Retrier, needs_agent
from umbel_backend.acts.selection import in_history
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.saved_states import SavedStates
from umbel_backend.db.query import run
from umbel_backend.db.statements import messages, tasks
from umbel_backend.db.tables import task
from umbel_backend.errors import Refused
from umbel_backend.filters.edit import asked
from umbel_backend.filters.tree import Filter
from umbel_backend.records import TaskRecord

RESUMABLE = states.READY - {states.SUCCESS}
"""Ends after which a task can go on from a state that it saved."""
_GOES_ON = "It goes on from the state that it saved last."


class FromState:
    """Sends tasks of one cluster again that ended with a saved state. Blocking; close it after use.

    Args:
        door: Who acts.
        cluster: A Redis.
        twice: Also what may do something for the second time.
    """

    def __init__(self, door: Door, cluster: Cluster, *, twice: bool = False) -> None:
        self._engine: sa.Engine = door.engine
        self._twice = twice
        self._retrier = Retrier(door, cluster, twice=twice)
        self._states = SavedStates(cluster)

    def matching(self, chosen: Filter) -> tuple[list[str], list[str]]:
        """Return the tasks that match ``chosen`` and can go on, and notes on what is left out.

        None where the filter names no state: then it is about what is paused.
        """
        if "state" not in asked(chosen):
            return [], []
        ended = [r.id for r in in_history(self._engine, chosen, task.c.state.in_(RESUMABLE))]
        saved = self._states.there(ended)
        without = len(ended) - len(saved)
        notes = [f"{without:,} that ended saved no state, and are left out."] if without else []
        return [each for each in ended if each in saved], notes

    def plan(self, ids: Sequence[str]) -> dict[str, Plan | Outcome]:
        """Return what would be sent, or why nothing is, of those of ``ids`` that ended. Reads only."""
        records = run(self._engine, tasks.by_ids(ids))
        ended = [each for each in ids if each in records and records[each].is_ready]
        if not ended:
            return {}
        saved = self._states.there(ended)
        again = last_repeats(self._engine, [records[each] for each in ended])
        cut_off = interrupted(self._engine, ended)
        plans: dict[str, Plan | Outcome] = {}
        for task_id in ended:
            record = records[task_id]
            try:
                _refuse_without_state(record, task_id in saved)
                if not self._twice:
                    refuse_unfinished(cut_off.get(task_id, ()), record, "resumes")
                    _refuse_lost(record)
                    refuse_repeated(record, again, "resumes")
                plans[task_id] = self._plan(record)
            except Refused as why:
                plans[task_id] = refused(f"{why}.")
        return plans

    def send(self, plan: Plan) -> Outcome:
        """Send what was planned, and tell where it was seen.

        Raises:
            BrokerUnavailable: The broker went away, so that it is not known whether it was sent.
        """
        if plan.is_same_id:
            self._states.let_run(plan.record.id)
        elif not self._states.copy(plan.record.id, plan.message.id):
            return refused("Its saved state is gone; umbel retry starts it from the beginning.")
        return self._retrier.send(plan)

    def close(self) -> None:
        """Close what is open."""
        self._retrier.close()

    def _plan(self, record: TaskRecord) -> Plan:
        kept = run(self._engine, messages.of_task(record.id))
        why_not = resend.why_not_exact(kept)
        if why_not is not None:
            needs = "" if kept is not None else needs_agent(record)
            raise Refused(f"{why_not}{needs}, so that it cannot be sent again to go on")
        new_id = str(uuid4()) if record.state == states.REVOKED else record.id
        plan = self._retrier.exact_plan(record, kept, new_id)
        return replace(plan, warning=f"{_GOES_ON} {plan.warning}".strip())


def would_do(plans: Mapping[str, Plan | Outcome]) -> dict[str, str]:
    """Return what a dry run tells of each plan."""
    return {
        task_id: plan.detail
        if isinstance(plan, Outcome)
        else f"ended ({plan.record.state}) with a saved state: {plan.words}, to go on from there"
        for task_id, plan in plans.items()
    }


def _refuse_without_state(record: TaskRecord, has_saved: bool) -> None:
    if record.state not in RESUMABLE:
        raise Refused(f"It has ended ({record.state}); there is nothing to go on with")
    if not has_saved:
        raise Refused(
            f"It ended as {record.state} and saved no state; retry starts it from the beginning"
        )


def _refuse_lost(record: TaskRecord) -> None:
    if record.state != states.LOST:
        return
    back = " and its message may come back by itself" if record.acks_late else ""
    raise Refused(
        f"It ended as LOST: a process that nobody heard of since may still run it{back}, so it may do"
        " the same for the second time; --yes resumes it all the same"
    )

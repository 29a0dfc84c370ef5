"""Retry: the exact messages of tasks that ended are sent again, or new ones with edited arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from umbel_backend.acts.ended import ended_matching
from umbel_backend.acts.known import known_arguments
from umbel_backend.acts.opening import at_work, open_door
from umbel_backend.acts.outcome import Outcome
from umbel_backend.acts.resend import Edited
from umbel_backend.acts.retry import Retrier
from umbel_backend.db.query import run
from umbel_backend.db.statements import tasks
from umbel_backend.settings import Settings
from umbel_console import acting_words as words
from umbel_console.acting import AT_ONCE, Known, Outlook, Wanted
from umbel_console.acting_job import Outcomes, ThreadJob
from umbel_console.acting_rules import allow, doable
from umbel_console.acting_rules import pace as pace_of

if TYPE_CHECKING:
    from umbel_backend.acts.operator import Door
    from umbel_backend.broker.cluster import Cluster


def known(settings: Settings, task_id: str) -> Known:
    """Return what is known of a task's arguments."""
    with open_door(settings) as door:
        found = known_arguments(door.engine, task_id)
    return Known(args=found.args_text, kwargs=found.kwargs_text, why_not=found.why_not)


def outlook(settings: Settings, wanted: Wanted) -> Outlook:
    """Find out what would be sent, and what would not."""
    with at_work(settings) as (door, cluster):
        allow(door, wanted)
        ids, left_out = list(wanted.ids), 0
        if wanted.chosen is not None:
            ended = ended_matching(door.engine, wanted.chosen, twice=wanted.twice)
            ids = [record.id for record in ended.records]
            left_out = ended.left_out + ended.repeated
        some = ids[:AT_ONCE]
        records = run(door.engine, tasks.by_ids(some))
        retrier = _retrier(door, cluster, wanted)
        try:
            plans = retrier.plan(some)
        finally:
            retrier.close()
        pace = pace_of(door, wanted, None)
        return Outlook(
            ids=ids,
            lines=[
                *words.of_plans(plans, records, twice=wanted.twice),
                *words.looked_at(len(ids)),
                *words.takes(len(ids), wanted.rate, pace.minutes_for(len(ids))),
            ],
            names={each: record.name or "" for each, record in records.items()},
            doable=doable(ids, [not isinstance(plan, Outcome) for plan in plans.values()]),
            left_out=left_out or (0 if wanted.twice else words.may_run_twice(plans, records)),
        )


def work(
    settings: Settings, job: ThreadJob, wanted: Wanted, ids: Sequence[str], reason: str
) -> Outcomes:
    """Do it, in the thread of ``job``."""
    with at_work(settings) as (door, cluster):
        retrier = _retrier(door, cluster, wanted)
        try:
            pace = pace_of(door, wanted, job.sleep)
            yield from job.carried_out(retrier.retry(list(ids), reason, pace), lambda: retrier.job)
        finally:
            retrier.close()


def _retrier(door: Door, cluster: Cluster, wanted: Wanted) -> Retrier:
    return Retrier(door, cluster, edit=Edited(wanted.args, wanted.kwargs), twice=wanted.twice)

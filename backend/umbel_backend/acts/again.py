"""Sending the messages of tasks again that ended: one after the other, and none of them by two acts."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import sqlalchemy as sa

from umbel_backend import states
from umbel_backend.acts.operator import Job
from umbel_backend.acts.outcome import NOT_BEGUN, Outcome, refused
from umbel_backend.acts.pace import Pace
from umbel_backend.db.query import run
from umbel_backend.db.statements import audit, tasks
from umbel_backend.errors import Refused
from umbel_backend.records import AuditRecord, TaskRecord

P = TypeVar("P")

_VERBS = {"retry": "retries", "resume": "resumes"}
"""The acts that do it."""


def one_by_one(
    job: Job,
    plans: Mapping[str, P | Outcome],
    send: Callable[[P], Outcome],
    pace: Pace | None = None,
) -> Iterator[tuple[str, Outcome]]:
    """Send one after the other; what was not begun when it is stopped is told as that.

    Args:
        job: Its rows are open for all of ``plans``.
        plans: What is to be sent by task, or why nothing is.
        send: Sends one.
        pace: How fast; None does not wait.
    """
    left = list(plans)
    try:
        while left:
            plan = plans[left[0]]
            if pace is not None and not isinstance(plan, Outcome):
                pace.take(1)
            task_id = left.pop(0)
            outcome = plan if isinstance(plan, Outcome) else send(plan)
            job.close(task_id, outcome)
            yield task_id, job.outcomes[task_id]
    finally:
        for task_id in left:
            job.close(task_id, NOT_BEGUN)


def interrupted(engine: sa.Engine, ids: Sequence[str]) -> dict[str, list[AuditRecord]]:
    """Read which acts were interrupted that would have sent the messages of ``ids`` again, by task."""
    found: dict[str, list[AuditRecord]] = defaultdict(list)
    for action in _VERBS:
        for task_id, row in run(engine, audit.interrupted(action, ids, time.time())).items():
            found[task_id].append(row)
    return found


def rivals(
    engine: sa.Engine, job: Job, ids: Sequence[str], planned_at: float
) -> dict[str, Outcome]:
    """Return the refusals of what somebody else began to send again before, since it was planned here."""
    found: dict[str, Outcome] = {}
    for action in _VERBS:
        others = audit.rivals(action, ids, job.batch, planned_at, time.time())
        for task_id, operator in run(engine, others).items():
            found[task_id] = refused(f"{operator} {_VERBS[action]} it at this moment.")
    return found


def last_repeats(engine: sa.Engine, records: Iterable[TaskRecord]) -> dict[str, TaskRecord]:
    """Read the last task by which each of ``records`` was repeated, by its own id."""
    return run(engine, tasks.by_ids([each.retried_as[-1] for each in records if each.retried_as]))


def was_repeated(record: TaskRecord, again: Mapping[str, TaskRecord]) -> bool:
    """Whether ``record`` was sent again already, and has not failed since.

    Args:
        record: The task.
        again: What `last_repeats` read.
    """
    last = again.get(record.retried_as[-1]) if record.retried_as else None
    return last is not None and (not last.is_ready or last.state == states.SUCCESS)


def refuse_repeated(record: TaskRecord, again: Mapping[str, TaskRecord], verb: str) -> None:
    """Refuse what was sent again already and has not failed since.

    Args:
        record: The task.
        again: What `last_repeats` read.
        verb: What ``--yes`` does, ``retries``.

    Raises:
        Refused: It was.
    """
    if was_repeated(record, again):
        last = again[record.retried_as[-1]]
        raise Refused(
            f"It was retried already as {last.id} ({last.state}); --yes {verb} it all the same"
        )


def refuse_unfinished(earlier: Iterable[AuditRecord], record: TaskRecord | None, verb: str) -> None:
    """Refuse where the message of an interrupted act may have been sent, and nobody has seen it yet.

    Args:
        earlier: Acts on the task that were interrupted.
        record: The task.
        verb: What ``--yes`` does, ``retries``.

    Raises:
        Refused: It may have been.
    """
    for row in earlier:
        new_id = row.parameters.get("new_id")
        if record is None or not new_id:
            continue
        is_same = new_id == record.id
        if new_id in record.retried_as or (is_same and record.state_at > row.at):
            continue
        raise Refused(
            f"An earlier {row.action} of it, as {new_id}, was interrupted, and whether its message was"
            f" sent is not known; --yes {verb} it all the same"
        )

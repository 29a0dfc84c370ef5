"""Small reads about the whole record: since when and until when it was kept, and how long tasks run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from umbel_backend import states
from umbel_backend.db.query import Plan, Query
from umbel_backend.db.rollup import HOUR_S, MINUTE_S
from umbel_backend.db.statements import leases
from umbel_backend.db.tables import queue_sample, task, task_rollup

RECORDER_LEASE = "recorder"
"""The name of the lease under which the recorder writes."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The stretch of time the record stands for."""

    since: float | None
    """The earliest count or sample there is; None before the first."""
    until: float | None
    """Until when a recorder's work was surely done; None if none ever worked."""
    recorder: str | None
    """Who records now; None if nobody does."""


@dataclass(frozen=True, slots=True)
class RuntimeMean:
    """How long the tasks of one queue ran."""

    queue: str
    mean_s: float
    tasks: int
    """How many were measured."""


def kept(now: float) -> Query[Kept]:
    """Read since when and until when there is a record."""

    def plan(dialect: str) -> Plan[Kept]:
        rows = yield sa.select(sa.func.min(task_rollup.c.bucket_at)).where(
            task_rollup.c.resolution == HOUR_S
        )
        hour = rows[0][0]
        minutes = yield sa.select(sa.func.min(task_rollup.c.bucket_at)).where(
            task_rollup.c.resolution == MINUTE_S
        )
        sampled = yield sa.select(sa.func.min(queue_sample.c.at))
        # An hour's count begins before the first task in it: its minute, while kept, tells better.
        counted = minutes[0][0] if hour is None or _is_in(minutes[0][0], hour) else hour
        starts = [float(at) for at in (counted, sampled[0][0]) if at is not None]
        holder = yield from leases.latest(RECORDER_LEASE, now).plan(dialect)
        if holder is None:
            return Kept(min(starts, default=None), None, None)
        works = not holder.is_over
        return Kept(
            min(starts, default=None),
            now if works else min(now, holder.renewed_at),
            holder.holder if works else None,
        )

    return Query(plan)


def runtimes_of_queues(
    queues: Sequence[str], since: float, *, newest: int = 500
) -> Query[list[RuntimeMean]]:
    """Average the runtimes of the tasks of each queue that ran to an end after ``since``.

    Among the ``newest`` to change only, so that a long queue of waiting ones is not walked through.
    """

    def plan(dialect: str) -> Plan[list[RuntimeMean]]:
        found = []
        for queue in queues:
            chosen = (
                sa.select(task.c.runtime_s, task.c.state)
                .where(_same(task.c.queue, queue, dialect), task.c.state_at >= since)
                .order_by(task.c.state_at.desc())
                .limit(newest)
                .subquery()
            )
            rows = yield (
                sa.select(sa.func.avg(chosen.c.runtime_s), sa.func.count())
                .where(chosen.c.state.in_((states.SUCCESS, states.FAILURE)))
                .where(chosen.c.runtime_s.is_not(None))
            )
            mean_s, count = rows[0]
            if count:
                found.append(RuntimeMean(queue, float(mean_s), int(count)))
        return found

    return Query(plan)


def _is_in(minute: int | None, hour: int) -> bool:
    return minute is not None and minute < hour + HOUR_S


def _same(column: sa.Column[str | None], text: str, dialect: str) -> sa.ColumnElement[bool]:
    """Compare as the indexes do, which fold case."""
    if dialect == "sqlite":
        return sa.collate(column, "NOCASE") == text
    return sa.func.lower(sa.collate(column, "C")) == text.lower()

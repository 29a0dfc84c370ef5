"""Reads of what workers and queues looked like over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from umbel_backend.db.changes import QueueSample, WorkerSample
from umbel_backend.db.query import Plan, Query
from umbel_backend.db.tables import queue_sample, worker_sample

_levels = msgspec.json.Decoder(dict[str, int]).decode


HOLDS_S = 30.0
"""For how long a reading is taken to hold; they come every ten seconds."""


@dataclass(frozen=True, slots=True)
class Course:
    """How one queue stood over a range, at equal steps."""

    name: str
    samples: tuple[QueueSample | None, ...]
    """The last reading at the end of each step; None if it is older than both the step and `HOLDS_S`."""


def queue_names() -> Query[list[str]]:
    """Read the names of all queues with samples, in order, without reading the samples."""
    at = queue_sample.c.name
    # One seek a name: DISTINCT would walk through every sample.
    names = sa.select(sa.func.min(at).label("name")).cte("names", recursive=True)
    following = sa.select(sa.func.min(at)).where(at > names.c.name).scalar_subquery()
    names = names.union_all(sa.select(following).where(names.c.name.is_not(None)))

    def plan(_dialect: str) -> Plan[list[str]]:
        rows = yield sa.select(names.c.name).where(names.c.name.is_not(None))
        return [row.name for row in rows]

    return Query(plan)


def course_of_queue(name: str, start: float, end: float, steps: int) -> Query[Course]:
    """Read the last sample at each of ``steps`` equal steps of ``[start, end)``: one seek a step."""
    table, width = queue_sample, (end - start) / steps
    reach = max(width, HOLDS_S)
    number = sa.select(sa.literal(0).label("n")).cte("step", recursive=True)
    number = number.union_all(sa.select(number.c.n + 1).where(number.c.n < steps - 1))
    inner = table.alias("probe")
    newest = (
        sa.select(sa.func.max(inner.c.at))
        .where(inner.c.name == name)
        .where(inner.c.at >= start + (number.c.n + 1) * width - reach)
        .where(inner.c.at < start + (number.c.n + 1) * width)
        .scalar_subquery()
    )

    def plan(_dialect: str) -> Plan[Course]:
        rows = yield (
            sa.select(number.c.n, *table.c)
            .select_from(number)
            .join(table, sa.and_(table.c.name == name, table.c.at == newest))
        )
        found: list[QueueSample | None] = [None] * steps
        for row in rows:
            found[row.n] = _sample(row)
        return Course(name, tuple(found))

    return Query(plan)


def of_worker(hostname: str, start: float, end: float) -> Query[list[WorkerSample]]:
    """Read a worker's samples in ``[start, end)``, oldest first."""

    def plan(_dialect: str) -> Plan[list[WorkerSample]]:
        table = worker_sample
        rows = yield (
            sa.select(table)
            .where(table.c.hostname == hostname, table.c.at >= start, table.c.at < end)
            .order_by(table.c.at)
        )
        return [WorkerSample(**row._mapping) for row in rows]

    return Query(plan)


def of_queues(start: float, end: float) -> Query[list[QueueSample]]:
    """Read all queues' samples in ``[start, end)``, by queue and then oldest first."""

    def plan(_dialect: str) -> Plan[list[QueueSample]]:
        table = queue_sample
        rows = yield (
            sa.select(table)
            .where(table.c.at >= start, table.c.at < end)
            .order_by(table.c.name, table.c.at)
        )
        return [_sample(row) for row in rows]

    return Query(plan)


def _sample(row: Any) -> QueueSample:
    return QueueSample(
        name=row.name,
        at=row.at,
        ready=row.ready,
        by_priority=_levels(row.by_priority),
        unacked=row.unacked,
        consumers=row.consumers,
        in_rate=row.in_rate,
        out_rate=row.out_rate,
        oldest_age_s=row.oldest_age_s,
    )

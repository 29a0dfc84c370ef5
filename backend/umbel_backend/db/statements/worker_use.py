"""Reads of what workers used over time, as their agents told."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from umbel_backend.db.query import Plan, Query
from umbel_backend.db.tables import worker_sample
from umbel_backend.db.whole import whole


@dataclass(frozen=True, slots=True)
class UseSlice:
    """One slice of a worker's time; means of its samples, main process and children together."""

    at: float
    """Its beginning, Unix seconds."""
    cpu_percent: float | None
    """Of one core."""
    memory_bytes: float | None


def of_workers(
    start: float, end: float, slice_s: float, *, hostname: str | None = None
) -> Query[dict[str, list[UseSlice]]]:
    """Read by worker what it used in each slice of ``[start, end)`` for which an agent told, oldest first.

    Args:
        start: Unix seconds.
        end: Unix seconds.
        slice_s: Width of a slice.
        hostname: Only this worker; None is all of them.
    """
    table = worker_sample
    number = whole(table.c.at / slice_s)
    statement = (
        sa.select(
            table.c.hostname,
            number.label("slice"),
            sa.func.avg(table.c.cpu_percent).label("cpu"),
            sa.func.avg(table.c.memory_bytes).label("memory"),
        )
        # Without an agent a worker tells its parent's peak memory only, which is another figure.
        .where(table.c.at >= start, table.c.at < end, table.c.cpu_percent.is_not(None))
        .group_by(table.c.hostname, number)
        .order_by(table.c.hostname, number)
    )
    if hostname is not None:
        statement = statement.where(table.c.hostname == hostname)

    def plan(_dialect: str) -> Plan[dict[str, list[UseSlice]]]:
        rows = yield statement
        found: dict[str, list[UseSlice]] = {}
        for row in rows:
            memory = None if row.memory is None else float(row.memory)
            each = UseSlice(row.slice * slice_s, float(row.cpu), memory)
            found.setdefault(row.hostname, []).append(each)
        return found

    return Query(plan)

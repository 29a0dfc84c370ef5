"""Reads of samples in slices of time, for the lines that show how workers and queues fared lately."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from umbel_backend.db.query import Plan, Query
from umbel_backend.db.tables import queue_sample, worker_sample
from umbel_backend.db.whole import whole


@dataclass(frozen=True, slots=True)
class WorkerSlice:
    """One slice of a worker's time."""

    at: float
    """Its beginning, Unix seconds."""
    active: float | None
    """Mean of what it ran."""
    processed: int | None
    """Tasks accepted since its start, at the end of the slice."""
    loadavg: float | None


def of_queues(
    start: float, end: float, slice_s: float
) -> Query[dict[str, list[tuple[float, int]]]]:
    """Read of every queue the most that was ready in each slice of ``[start, end)`` with a sample.

    Returns:
        By queue, beginning of the slice and messages ready, oldest first.
    """
    table = queue_sample
    number = _slice(table.c.at, slice_s)

    def plan(_dialect: str) -> Plan[dict[str, list[tuple[float, int]]]]:
        rows = yield (
            sa.select(
                table.c.name, number.label("slice"), sa.func.max(table.c.ready).label("ready")
            )
            .where(table.c.at >= start, table.c.at < end)
            .group_by(table.c.name, number)
            .order_by(table.c.name, number)
        )
        found: dict[str, list[tuple[float, int]]] = {}
        for row in rows:
            found.setdefault(row.name, []).append((row.slice * slice_s, int(row.ready)))
        return found

    return Query(plan)


def of_worker(hostname: str, start: float, end: float, slice_s: float) -> Query[list[WorkerSlice]]:
    """Read how one worker fared in each slice of ``[start, end)`` with a sample, oldest first."""
    table = worker_sample
    number = _slice(table.c.at, slice_s)

    def plan(_dialect: str) -> Plan[list[WorkerSlice]]:
        rows = yield (
            sa.select(
                number.label("slice"),
                sa.func.avg(table.c.active).label("active"),
                sa.func.max(table.c.processed).label("processed"),
                sa.func.max(table.c.loadavg).label("loadavg"),
            )
            .where(table.c.hostname == hostname, table.c.at >= start, table.c.at < end)
            .group_by(number)
            .order_by(number)
        )
        return [
            WorkerSlice(
                row.slice * slice_s,
                None if row.active is None else float(row.active),
                None if row.processed is None else int(row.processed),
                row.loadavg,
            )
            for row in rows
        ]

    return Query(plan)


def _slice(at: Any, slice_s: float) -> Any:
    return whole(at / slice_s)

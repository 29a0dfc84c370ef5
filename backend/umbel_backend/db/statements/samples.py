"""Reads of what workers and queues looked like over time."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from umbel_backend.db.changes import QueueSample, WorkerSample
from umbel_backend.db.query import Plan, Query
from umbel_backend.db.tables import queue_sample, worker_sample

_levels = msgspec.json.Decoder(dict[str, int]).decode


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


def of_queue(name: str, start: float, end: float) -> Query[list[QueueSample]]:
    """Read a queue's samples in ``[start, end)``, oldest first."""
    table = queue_sample
    return _queues(
        sa.select(table)
        .where(table.c.name == name, table.c.at >= start, table.c.at < end)
        .order_by(table.c.at)
    )


def of_queues(start: float, end: float) -> Query[list[QueueSample]]:
    """Read all queues' samples in ``[start, end)``, by queue and then oldest first."""
    table = queue_sample
    return _queues(
        sa.select(table)
        .where(table.c.at >= start, table.c.at < end)
        .order_by(table.c.name, table.c.at)
    )


def _queues(statement: sa.Select[Any]) -> Query[list[QueueSample]]:
    def plan(_dialect: str) -> Plan[list[QueueSample]]:
        rows = yield statement
        samples = []
        for row in rows:
            values = dict(row._mapping)
            values["by_priority"] = _levels(row.by_priority)
            samples.append(QueueSample(**values))
        return samples

    return Query(plan)

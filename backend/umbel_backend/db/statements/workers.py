"""Reads of the workers as they were last known."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from umbel_backend.db.query import Plan, Query
from umbel_backend.db.tables import task, worker
from umbel_backend.records import WorkerRecord
from umbel_backend.states import SUCCESS

_decode = msgspec.json.Decoder(WorkerRecord).decode


def every(*, seen_since: float | None = None) -> Query[list[WorkerRecord]]:
    """Read all workers by name; only those heard of since an instant if given."""
    statement = sa.select(worker.c.record).order_by(worker.c.hostname)
    if seen_since is not None:
        statement = statement.where(worker.c.heartbeat_at >= seen_since)
    return _query(statement)


def recent_runtimes(limit: int = 5_000) -> Query[dict[str, list[float]]]:
    """Read the runtimes of the last ``limit`` tasks that succeeded, by the worker that ran them.

    Together and not worker by worker: of an idle one there may be none among them.
    """

    def plan(_dialect: str) -> Plan[dict[str, list[float]]]:
        rows = yield (
            sa.select(task.c.worker, task.c.runtime_s)
            .where(task.c.state == SUCCESS)
            .order_by(task.c.state_at.desc(), task.c.n.desc())
            .limit(limit)
        )
        found: dict[str, list[float]] = {}
        for row in rows:
            if row.worker is not None and row.runtime_s is not None:
                found.setdefault(row.worker, []).append(row.runtime_s)
        return found

    return Query(plan)


def _query(statement: sa.Select[Any]) -> Query[list[WorkerRecord]]:
    def plan(_dialect: str) -> Plan[list[WorkerRecord]]:
        rows = yield statement
        return [_decode(row.record) for row in rows]

    return Query(plan)

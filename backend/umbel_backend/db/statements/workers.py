"""Reads of the workers as they were last known."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from umbel_backend.db.query import Plan, Query
from umbel_backend.db.tables import worker
from umbel_backend.records import WorkerRecord

_decode = msgspec.json.Decoder(WorkerRecord).decode


def every(*, seen_since: float | None = None) -> Query[list[WorkerRecord]]:
    """Read all workers by name; only those heard of since an instant if given."""
    statement = sa.select(worker.c.record).order_by(worker.c.hostname)
    if seen_since is not None:
        statement = statement.where(worker.c.heartbeat_at >= seen_since)
    return _query(statement)


def by_hostname(hostname: str) -> Query[WorkerRecord | None]:
    """Read one worker; None if it was never seen."""

    def plan(_dialect: str) -> Plan[WorkerRecord | None]:
        rows = yield sa.select(worker.c.record).where(worker.c.hostname == hostname)
        return _decode(rows[0].record) if rows else None

    return Query(plan)


def _query(statement: sa.Select[Any]) -> Query[list[WorkerRecord]]:
    def plan(_dialect: str) -> Plan[list[WorkerRecord]]:
        rows = yield statement
        return [_decode(row.record) for row in rows]

    return Query(plan)

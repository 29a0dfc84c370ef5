"""Reads and writes of paused workers: node names that are to consume nothing."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from umbel_backend.db.query import Plan, Query
from umbel_backend.db.tables import worker_pause


@dataclass(frozen=True, slots=True, kw_only=True)
class PausedWorker:
    """A worker that is to consume nothing, this run of it and those after it."""

    hostname: str
    at: float
    operator: str
    reason: str
    queues: tuple[str, ...] = ()
    """What it consumed; it is told to consume these again when it is resumed."""


def pause(dialect: str, row: PausedWorker) -> sa.Executable:
    """Write that a worker is paused, over what was written before."""
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    values = {
        "paused_at": row.at,
        "operator": row.operator,
        "reason": row.reason,
        "queues": json.dumps(row.queues),
    }
    statement = insert(worker_pause).values(hostname=row.hostname, **values)
    return statement.on_conflict_do_update(index_elements=[worker_pause.c.hostname], set_=values)


def consumed(hostname: str, queues: Collection[str]) -> sa.Update:
    """Write what a paused worker consumes again once it is resumed."""
    return (
        sa.update(worker_pause)
        .where(worker_pause.c.hostname == hostname)
        .values(queues=json.dumps(sorted(queues)))
    )


def unpause(hostname: str) -> sa.Delete:
    """Write that a worker is not paused any more."""
    return sa.delete(worker_pause).where(worker_pause.c.hostname == hostname)


def paused() -> Query[dict[str, PausedWorker]]:
    """Read all workers that are paused, by node name."""

    def plan(_dialect: str) -> Plan[dict[str, PausedWorker]]:
        rows = yield sa.select(worker_pause).order_by(worker_pause.c.hostname)
        return {
            row.hostname: PausedWorker(
                hostname=row.hostname,
                at=row.paused_at,
                operator=row.operator,
                reason=row.reason,
                queues=tuple(json.loads(row.queues)),
            )
            for row in rows
        }

    return Query(plan)

"""Reads and writes of tombstones: tasks that were cancelled and must not run, wherever they turn up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from umbel_backend.db.query import Plan, Query
from umbel_backend.db.tables import tombstone

_MOST_IDS = 10_000


def write(
    dialect: str, ids: Iterable[str], *, at: float, operator: str, reason: str
) -> sa.Executable:
    """Write tombstones, over those that are there."""
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    statement = insert(tombstone).values(
        [
            {
                "task": task,
                "created_at": at,
                "operator": operator,
                "reason": reason,
                "settled_at": None,
            }
            for task in ids
        ]
    )
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=[tombstone.c.task],
        set_={
            "created_at": new.created_at,
            "operator": new.operator,
            "reason": new.reason,
            "settled_at": None,
        },
    )


def settle(ids: Sequence[str], at: float) -> sa.Update:
    """Note that tasks were seen to be gone; nobody needs to be told of them again."""
    return (
        sa.update(tombstone)
        .where(tombstone.c.task.in_(list(ids)[:_MOST_IDS]))
        .values(settled_at=at)
    )


def lift(ids: Sequence[str]) -> sa.Delete:
    """Take tombstones away, of tasks that are to run after all."""
    return sa.delete(tombstone).where(tombstone.c.task.in_(list(ids)[:_MOST_IDS]))


def prune(before: float) -> sa.Delete:
    """Take away those written before an instant."""
    return sa.delete(tombstone).where(tombstone.c.created_at < before)


def standing(since: float, limit: int) -> Query[list[str]]:
    """Read the tasks that workers have to be told of, the latest first."""

    def plan(_dialect: str) -> Plan[list[str]]:
        rows = yield (
            sa.select(tombstone.c.task)
            .where(tombstone.c.settled_at.is_(None), tombstone.c.created_at >= since)
            .order_by(tombstone.c.created_at.desc(), tombstone.c.task)
            .limit(limit)
        )
        return [row.task for row in rows]

    return Query(plan)

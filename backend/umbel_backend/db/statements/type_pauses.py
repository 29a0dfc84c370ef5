"""Reads and writes of paused types: names of tasks that no worker is to begin."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from umbel_backend.db.query import Plan, Query
from umbel_backend.db.tables import type_pause


@dataclass(frozen=True, slots=True, kw_only=True)
class PausedType:
    """Tasks of which none is to begin."""

    pattern: str
    """Their name; ``*`` stands for anything."""
    at: float
    operator: str
    reason: str


def pause(dialect: str, row: PausedType) -> sa.Executable:
    """Write that a type is paused, over what was written before."""
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    values = {"paused_at": row.at, "operator": row.operator, "reason": row.reason}
    statement = insert(type_pause).values(pattern=row.pattern, **values)
    return statement.on_conflict_do_update(index_elements=[type_pause.c.pattern], set_=values)


def unpause(pattern: str) -> sa.Delete:
    """Write that a type is not paused any more."""
    return sa.delete(type_pause).where(type_pause.c.pattern == pattern)


def paused() -> Query[dict[str, PausedType]]:
    """Read all types that are paused, by pattern."""

    def plan(_dialect: str) -> Plan[dict[str, PausedType]]:
        rows = yield sa.select(type_pause).order_by(type_pause.c.pattern)
        return {
            row.pattern: PausedType(
                pattern=row.pattern, at=row.paused_at, operator=row.operator, reason=row.reason
            )
            for row in rows
        }

    return Query(plan)

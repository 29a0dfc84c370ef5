"""Reads and writes of operators and their roles."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from umbel_backend.db.query import Plan, Query
from umbel_backend.db.tables import operator


@dataclass(frozen=True, slots=True)
class OperatorRow:
    """One operator as stored."""

    name: str
    role: str
    added_at: float
    added_by: str


def every() -> Query[list[OperatorRow]]:
    """Read all operators by name."""

    def plan(_dialect: str) -> Plan[list[OperatorRow]]:
        rows = yield sa.select(
            operator.c.name, operator.c.role, operator.c.added_at, operator.c.added_by
        ).order_by(operator.c.name)
        return [OperatorRow(*row) for row in rows]

    return Query(plan)


def add(row: OperatorRow) -> sa.Insert:
    """Write an operator who is not there yet."""
    return sa.insert(operator).values(
        name=row.name, role=row.role, added_at=row.added_at, added_by=row.added_by
    )


def change(row: OperatorRow) -> sa.Update:
    """Write another role of an operator who is there."""
    return (
        sa.update(operator)
        .where(operator.c.name == row.name)
        .values(role=row.role, added_at=row.added_at, added_by=row.added_by)
    )


def remove(name: str) -> sa.Delete:
    """Take an operator away."""
    return sa.delete(operator).where(operator.c.name == name)

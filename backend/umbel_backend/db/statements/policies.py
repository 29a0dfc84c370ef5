"""Reads and writes of policies, of every kind, as they are stored."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from umbel_backend.db.query import Plan, Query
from umbel_backend.db.tables import policy


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """One policy as stored."""

    kind: str
    """``retry``."""
    pattern: str
    """Names of tasks; with ``kind`` its identity."""
    definition: str | None
    """JSON text of an object; None of one that was deleted, whose version counts still."""
    version: int
    changed_at: float
    changed_by: str


def standing(kind: str) -> Query[list[PolicyRow]]:
    """Read the policies of one kind that are not deleted."""

    def plan(_dialect: str) -> Plan[list[PolicyRow]]:
        rows = yield (
            sa.select(*policy.columns)
            .where(policy.c.kind == kind, policy.c.definition.is_not(None))
            .order_by(policy.c.pattern)
        )
        return [PolicyRow(*row) for row in rows]

    return Query(plan)


def version(kind: str) -> Query[int]:
    """Read how often the policies of one kind were changed; 0 if there never was one."""

    def plan(_dialect: str) -> Plan[int]:
        rows = yield sa.select(sa.func.coalesce(sa.func.max(policy.c.version), 0)).where(
            policy.c.kind == kind
        )
        return int(rows[0][0])

    return Query(plan)


def write(dialect: str, row: PolicyRow) -> sa.Executable:
    """Write a policy, over the one of its kind and pattern."""
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    values = {
        "definition": row.definition,
        "version": row.version,
        "changed_at": row.changed_at,
        "changed_by": row.changed_by,
    }
    return (
        insert(policy)
        .values(kind=row.kind, pattern=row.pattern, **values)
        .on_conflict_do_update(index_elements=[policy.c.kind, policy.c.pattern], set_=values)
    )

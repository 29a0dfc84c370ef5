"""Policies in the database: read as records, changed with a version that grows."""

from __future__ import annotations

from dataclasses import asdict

import msgspec
import sqlalchemy as sa

from umbel_backend.db.query import Plan, Query, run_on
from umbel_backend.db.statements import policies as statements
from umbel_backend.db.statements.policies import PolicyRow
from umbel_backend.db.transaction import writing
from umbel_backend.policies.retry import RetryPolicy, in_order

RETRY = "retry"
_IDENTITY = ("pattern", "changed_at", "changed_by")


def retry_policies() -> Query[list[RetryPolicy]]:
    """Read the retry policies, in the order in which workers ask them."""

    def plan(dialect: str) -> Plan[list[RetryPolicy]]:
        rows = yield from statements.standing(RETRY).plan(dialect)
        return in_order(_policy(row) for row in rows)

    return Query(plan)


def change(
    engine: sa.Engine, pattern: str, policy: RetryPolicy | None, at: float, by: str
) -> RetryPolicy | None:
    """Write the retry policy of ``pattern``, or delete it; return the one that stood there.

    Only to be called through `umbel_backend.acts.policies`.
    """
    definition = None
    if policy is not None:
        fields = asdict(policy)
        for name in _IDENTITY:
            del fields[name]
        definition = msgspec.json.encode(fields).decode()
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            # Two changes must not take the same version.
            connection.exec_driver_sql("LOCK TABLE policy IN SHARE ROW EXCLUSIVE MODE")
        known = {each.pattern: each for each in run_on(connection, retry_policies())}
        number = run_on(connection, statements.version(RETRY)) + 1
        row = PolicyRow(RETRY, pattern, definition, number, at, by)
        connection.execute(statements.write(connection.dialect.name, row))
    return known.get(pattern)


def _policy(row: PolicyRow) -> RetryPolicy:
    fields = msgspec.json.decode(row.definition or "{}")
    own = {"pattern": row.pattern, "changed_at": row.changed_at, "changed_by": row.changed_by}
    return msgspec.convert({**fields, **own}, RetryPolicy)

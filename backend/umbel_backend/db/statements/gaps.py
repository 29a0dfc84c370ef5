"""Reads of the recorded gaps; they are written through `Changes.gaps`."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from umbel_backend.db.query import Plan, Query, Rows
from umbel_backend.db.tables import gap
from umbel_backend.records import Gap

_COLUMNS = (gap.c.source, gap.c.started_at, gap.c.ended_at, gap.c.reason, gap.c.events_lost)


def newest(limit: int = 100) -> Query[list[Gap]]:
    """Read gaps, the latest to begin first."""
    return _query(sa.select(*_COLUMNS).order_by(gap.c.started_at.desc()).limit(limit))


def overlapping(start: float, end: float) -> Query[list[Gap]]:
    """Read the gaps that touch ``[start, end)``, oldest first."""
    return _query(
        sa.select(*_COLUMNS)
        .where(gap.c.started_at < end)
        .where(sa.or_(gap.c.ended_at.is_(None), gap.c.ended_at >= start))
        .order_by(gap.c.started_at)
    )


def _query(statement: sa.Select[Any]) -> Query[list[Gap]]:
    def plan(_dialect: str) -> Plan[list[Gap]]:
        rows = yield statement
        return _gaps(rows)

    return Query(plan)


def _gaps(rows: Rows) -> list[Gap]:
    return [
        Gap(
            source=row.source,
            started_at=row.started_at,
            ended_at=row.ended_at,
            reason=row.reason,
            events_lost=row.events_lost,
        )
        for row in rows
    ]

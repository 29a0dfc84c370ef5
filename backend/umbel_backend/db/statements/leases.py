"""Reads and compare-and-set writes of leases; `umbel_backend.db.lease` is how they are used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from umbel_backend.db.query import Plan, Query
from umbel_backend.db.tables import lease


@dataclass(frozen=True, slots=True)
class LeaseHolder:
    """Who holds a lease."""

    name: str
    holder: str
    epoch: int
    """Counts the changes of holder; what a later holder has is higher."""
    acquired_at: float
    renewed_at: float
    """When it last said it is alive; instants by the database's clock."""
    expires_at: float


def current(name: str, now: float) -> Query[LeaseHolder | None]:
    """Read who holds ``name``; ``now`` counts on SQLite, PostgreSQL asks its own clock."""

    def plan(dialect: str) -> Plan[LeaseHolder | None]:
        rows = yield _row(name).where(
            lease.c.holder != "", lease.c.expires_at > clock(dialect, now)
        )
        return LeaseHolder(*rows[0]) if rows else None

    return Query(plan)


def latest(name: str) -> Query[LeaseHolder | None]:
    """Read the last holding of ``name``, expired or released ones too (``holder`` is then empty).

    Its ``renewed_at`` tells until when somebody was surely recording.
    """

    def plan(_dialect: str) -> Plan[LeaseHolder | None]:
        rows = yield _row(name)
        return LeaseHolder(*rows[0]) if rows else None

    return Query(plan)


def acquire(dialect: str, name: str, holder: str, ttl_s: float, now: float) -> sa.Executable:
    """Take the lease if it is free, expired or this holder's own; returns the epoch if taken."""
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    at = clock(dialect, now)
    statement = insert(lease).values(
        name=name, holder=holder, epoch=1, acquired_at=at, renewed_at=at, expires_at=at + ttl_s
    )
    new = statement.excluded
    same = lease.c.holder == new.holder
    return statement.on_conflict_do_update(
        index_elements=[lease.c.name],
        set_={
            "holder": new.holder,
            "epoch": sa.case((same, lease.c.epoch), else_=lease.c.epoch + 1),
            "acquired_at": sa.case((same, lease.c.acquired_at), else_=new.acquired_at),
            "renewed_at": new.renewed_at,
            "expires_at": new.expires_at,
        },
        where=sa.or_(same, lease.c.holder == "", lease.c.expires_at <= new.renewed_at),
    ).returning(lease.c.epoch)


def renew(
    dialect: str, name: str, holder: str, epoch: int, ttl_s: float, now: float
) -> sa.Executable:
    """Prolong the lease if it is still this holding's, even when it had expired; returns the epoch."""
    at = clock(dialect, now)
    return (
        sa.update(lease)
        .where(*_mine(name, holder, epoch))
        .values(renewed_at=at, expires_at=at + ttl_s)
        .returning(lease.c.epoch)
    )


def release(dialect: str, name: str, holder: str, epoch: int, now: float) -> sa.Executable:
    """Give the lease up if it is still this holding's."""
    at = clock(dialect, now)
    return (
        sa.update(lease)
        .where(*_mine(name, holder, epoch))
        .values(holder="", renewed_at=at, expires_at=at)
    )


def clock(dialect: str, now: float) -> sa.ColumnElement[float]:
    """Return the instant to go by: PostgreSQL's own, for hosts differ; on SQLite ``now``."""
    if dialect == "sqlite":
        return sa.literal(now, sa.Double)
    return sa.cast(sa.func.extract("epoch", sa.func.clock_timestamp()), sa.Double)


def _mine(name: str, holder: str, epoch: int) -> tuple[sa.ColumnElement[bool], ...]:
    return (lease.c.name == name, lease.c.holder == holder, lease.c.epoch == epoch)


def _row(name: str) -> sa.Select[Any]:
    return sa.select(
        lease.c.name,
        lease.c.holder,
        lease.c.epoch,
        lease.c.acquired_at,
        lease.c.renewed_at,
        lease.c.expires_at,
    ).where(lease.c.name == name)

"""Reads and compare-and-set writes of leases; `umbel_backend.db.lease` is how they are used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from umbel_backend.db.query import Plan, Query
from umbel_backend.db.tables import lease

CLOCK_SET_BACK_S = 5.0
"""A renewal further in the future than this was made before the clock was set back."""


@dataclass(frozen=True, slots=True)
class LeaseHolder:
    """Who holds a lease."""

    name: str
    holder: str
    epoch: int
    """Counts the changes of holder; what a later holder has is higher."""
    acquired_at: float
    renewed_at: float
    """Until when its work was surely done, as it said when it last renewed; instants by the
    database's clock."""
    expires_at: float
    silent_s: float
    """Seconds from ``renewed_at`` to the reading, by the database's clock; below zero if that clock
    was set back."""

    @property
    def is_over(self) -> bool:
        """Whether it was released, has expired, or was renewed before the clock was set back."""
        lasts_s = self.expires_at - self.renewed_at
        return not self.holder or not -CLOCK_SET_BACK_S <= self.silent_s < lasts_s


def current(name: str, now: float) -> Query[LeaseHolder | None]:
    """Read who holds ``name``; ``now`` counts on SQLite, PostgreSQL asks its own clock."""

    def plan(dialect: str) -> Plan[LeaseHolder | None]:
        at = clock(dialect, now)
        rows = yield _row(name, at).where(lease.c.holder != "", lease.c.expires_at > at)
        return LeaseHolder(*rows[0]) if rows else None

    return Query(plan)


def latest(name: str, now: float) -> Query[LeaseHolder | None]:
    """Read the last holding of ``name``, expired or released ones too (``holder`` is then empty).

    ``now`` counts on SQLite, PostgreSQL asks its own clock.
    """

    def plan(dialect: str) -> Plan[LeaseHolder | None]:
        rows = yield _row(name, clock(dialect, now))
        return LeaseHolder(*rows[0]) if rows else None

    return Query(plan)


def acquire(dialect: str, name: str, holder: str, ttl_s: float, now: float) -> sa.Executable:
    """Take the lease if it is free, expired or this holder's own; returns the epoch if taken.

    A lease renewed in the future counts as expired: the clock was set back, and its holder, were it
    alive, would have renewed by the new one. ``renewed_at`` stays what it was: no work is done yet.
    """
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
            "expires_at": new.expires_at,
        },
        where=sa.or_(
            same,
            lease.c.holder == "",
            lease.c.expires_at <= new.renewed_at,
            lease.c.renewed_at > new.renewed_at + CLOCK_SET_BACK_S,
        ),
    ).returning(lease.c.epoch)


def renew(
    dialect: str, name: str, holder: str, epoch: int, ttl_s: float, now: float, behind_s: float
) -> sa.Executable:
    """Prolong the lease if it is still this holding's, even when it had expired; returns the epoch.

    ``behind_s`` tells how long ago the holder's work was last done completely.
    """
    at = clock(dialect, now)
    return (
        sa.update(lease)
        .where(*_mine(name, holder, epoch))
        .values(renewed_at=at - behind_s, expires_at=at + ttl_s)
        .returning(lease.c.epoch)
    )


def release(
    dialect: str, name: str, holder: str, epoch: int, now: float, behind_s: float
) -> sa.Executable:
    """Give the lease up if it is still this holding's; ``behind_s`` as for `renew`."""
    at = clock(dialect, now)
    return (
        sa.update(lease)
        .where(*_mine(name, holder, epoch))
        .values(holder="", renewed_at=at - behind_s, expires_at=at)
    )


def clock(dialect: str, now: float) -> sa.ColumnElement[float]:
    """Return the instant to go by: PostgreSQL's own, for hosts differ; on SQLite ``now``."""
    if dialect == "sqlite":
        return sa.literal(now, sa.Double)
    return sa.cast(sa.func.extract("epoch", sa.func.clock_timestamp()), sa.Double)


def _mine(name: str, holder: str, epoch: int) -> tuple[sa.ColumnElement[bool], ...]:
    return (lease.c.name == name, lease.c.holder == holder, lease.c.epoch == epoch)


def _row(name: str, at: sa.ColumnElement[float]) -> sa.Select[Any]:
    return sa.select(
        lease.c.name,
        lease.c.holder,
        lease.c.epoch,
        lease.c.acquired_at,
        lease.c.renewed_at,
        lease.c.expires_at,
        at - lease.c.renewed_at,
    ).where(lease.c.name == name)

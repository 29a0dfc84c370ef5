"""Writes and reads of the audit: a chain of entries, two to a row, its opening and its outcome."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from umbel_backend.db.query import Plan, Query
from umbel_backend.db.statements.leases import clock
from umbel_backend.db.tables import act_batch, audit, audit_head
from umbel_backend.records import AuditRecord

INTERRUPTED = "interrupted"

OPENING = ("at", "operator", "origin", "action", "target_kind", "target", "reason", "parameters")
"""What the hash of an opening covers, with its id, its batch and the hash before it."""
ENDING = ("outcome", "outcome_at", "detail")
"""What the hash of an outcome covers, with both ids and the hash before it."""

_object = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class Entry:
    """One link of the chain as it is stored."""

    id: int
    row: int
    """The id of the row it is in; its own for an opening."""
    values: tuple[Any, ...]
    """What its hash covers beside the ids, in the order of `OPENING` with the batch, or of `ENDING`."""
    hash: str

    @property
    def is_opening(self) -> bool:
        """Whether it is the opening of its row."""
        return self.id == self.row


def head(dialect: str) -> sa.Select[Any]:
    """Select the end of the chain and, on PostgreSQL, lock it until the transaction ends."""
    statement = sa.select(audit_head.c.last_id, audit_head.c.hash)
    return statement if dialect == "sqlite" else statement.with_for_update()


def move_head(last_id: int, hash_: str) -> sa.Update:
    """Set the end of the chain."""
    return sa.update(audit_head).values(last_id=last_id, hash=hash_)


def close(id_: int, values: Mapping[str, Any]) -> sa.Update:
    """Write the outcome of a row that has none yet."""
    return sa.update(audit).where(audit.c.id == id_, audit.c.outcome.is_(None)).values(**values)


def begin_batch(
    dialect: str, batch: str, host: str, pid: int, now: float, ttl_s: float
) -> sa.Insert:
    """Note that a batch is under way."""
    at = clock(dialect, now)
    return sa.insert(act_batch).values(
        batch=batch, host=host, pid=pid, started_at=at, expires_at=at + ttl_s
    )


def renew_batch(dialect: str, batch: str, now: float, ttl_s: float) -> sa.Update:
    """Say that a batch is still under way."""
    return (
        sa.update(act_batch)
        .where(act_batch.c.batch == batch)
        .values(expires_at=clock(dialect, now) + ttl_s)
    )


def end_batch(batch: str) -> sa.Delete:
    """Note that a batch is over."""
    return sa.delete(act_batch).where(act_batch.c.batch == batch)


def newest(where: sa.ColumnElement[bool], now: float, limit: int = 100) -> Query[list[AuditRecord]]:
    """Read the rows that meet ``where``, the latest first.

    A row without an outcome whose batch is no longer renewed is told as interrupted; ``now`` counts
    on SQLite, PostgreSQL asks its own clock.
    """

    def plan(dialect: str) -> Plan[list[AuditRecord]]:
        rows = yield (
            sa.select(audit, is_under_way(dialect, now).label("under_way"))
            .where(where)
            .order_by(audit.c.id.desc())
            .limit(limit)
        )
        return [_record(row._mapping) for row in rows]

    return Query(plan)


def is_under_way(dialect: str, now: float) -> sa.ColumnElement[bool]:
    """Whether a row's batch is being worked on by a process that is alive."""
    return sa.exists().where(
        act_batch.c.batch == audit.c.batch, act_batch.c.expires_at > clock(dialect, now)
    )


def created_since(operator: str, actions: tuple[str, ...], since: float) -> Query[list[float]]:
    """Read when ``operator`` did acts that create work since an instant, oldest first.

    What was refused created none.
    """

    def plan(_dialect: str) -> Plan[list[float]]:
        rows = yield (
            sa.select(audit.c.at)
            .where(audit.c.operator == operator, audit.c.at >= since)
            .where(audit.c.action.in_(actions))
            .where(sa.or_(audit.c.outcome.is_(None), audit.c.outcome != "refused"))
            .order_by(audit.c.at)
        )
        return [row.at for row in rows]

    return Query(plan)


def chain(connection: sa.Connection, page: int = 2_000) -> Iterator[Entry]:
    """Read every entry in the order of the chain, page by page."""
    last = 0
    while True:
        openings = connection.execute(
            sa.select(audit.c.id, *(audit.c[name] for name in OPENING), audit.c.batch, audit.c.hash)
            .where(audit.c.id > last)
            .order_by(audit.c.id)
            .limit(page)
        ).all()
        endings = connection.execute(
            sa.select(
                audit.c.outcome_id,
                audit.c.id,
                *(audit.c[name] for name in ENDING),
                audit.c.outcome_hash,
            )
            .where(audit.c.outcome_id > last)
            .order_by(audit.c.outcome_id)
            .limit(page)
        ).all()
        found = [Entry(row[0], row[0], tuple(row[1:-1]), row[-1]) for row in openings]
        found += [Entry(row[0], row[1], tuple(row[2:-1]), row[-1] or "") for row in endings]
        if not found:
            return
        found.sort(key=lambda entry: entry.id)
        # What lies beyond the shorter page may have others before it that were not read yet.
        full = [rows[-1][0] for rows in (openings, endings) if len(rows) == page]
        last = min([found[-1].id, *full])
        yield from (entry for entry in found if entry.id <= last)


def _record(row: Mapping[Any, Any]) -> AuditRecord:
    outcome = row["outcome"]
    if outcome is None and not row["under_way"]:
        outcome = INTERRUPTED
    return AuditRecord(
        id=row["id"],
        at=row["at"],
        operator=row["operator"],
        origin=row["origin"],
        action=row["action"],
        target_kind=row["target_kind"],
        target=row["target"],
        reason=row["reason"],
        parameters=_object(row["parameters"]),
        outcome=outcome,
        outcome_at=row["outcome_at"],
        detail=row["detail"] or "",
        batch=row["batch"],
        hash=row["outcome_hash"] or row["hash"],
    )

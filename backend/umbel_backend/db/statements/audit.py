"""Writes and reads of the audit: a chain of entries, two to a row, its opening and its outcome."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from umbel_backend.db.query import Plan, Query, Rows
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


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Some rows of the audit, the latest first."""

    rows: list[AuditRecord]
    more: bool
    """Whether there are more in the direction in which was read."""
    last: int | None
    """Id of the last row, from which the next page is read; None of an empty page."""


@dataclass(frozen=True, slots=True)
class AuditNews:
    """What happened since an entry of the chain."""

    rows: list[AuditRecord]
    """Each row once, as it stands now, the oldest first."""
    entry: int
    """The last entry that was read."""


@dataclass(frozen=True, slots=True)
class BatchSummary:
    """What came of one command."""

    batch: str
    total: int
    """Targets it has begun with."""
    by_outcome: dict[str, int]
    """How many of each outcome; ``interrupted``, and the empty text for those under way."""
    operator: str
    action: str
    started_at: float
    last_at: float
    """When something was last written of it."""


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
        rows = yield _rows(dialect, now).where(where).order_by(audit.c.id.desc()).limit(limit)
        return [_record(row._mapping) for row in rows]

    return Query(plan)


def page(
    where: sa.ColumnElement[bool], now: float, *, before: int | None = None, limit: int = 20
) -> Query[AuditPage]:
    """Read a page of the rows that meet ``where``, the latest first.

    Args:
        where: A condition on `tables.audit`.
        now: As for `newest`.
        before: Only rows older than this id, the ``last`` of the page before; None begins.
        limit: Most rows of the page.
    """
    older = sa.true() if before is None else audit.c.id < before

    def plan(dialect: str) -> Plan[AuditPage]:
        statement = _rows(dialect, now).where(where, older).order_by(audit.c.id.desc())
        rows = yield statement.limit(limit + 1)
        return _page(rows[:limit], len(rows) > limit)

    return Query(plan)


def page_after(
    where: sa.ColumnElement[bool], now: float, *, after: int, limit: int = 20
) -> Query[AuditPage]:
    """Read the page before the one that begins with row ``after``: the next newer rows, latest first.

    ``more`` tells whether there are newer ones still.
    """

    def plan(dialect: str) -> Plan[AuditPage]:
        statement = _rows(dialect, now).where(where, audit.c.id > after).order_by(audit.c.id)
        rows = yield statement.limit(limit + 1)
        return _page(rows[:limit][::-1], len(rows) > limit)

    return Query(plan)


def count(where: sa.ColumnElement[bool], most: int = 10_000) -> Query[int]:
    """Read how many rows meet ``where``; ``most + 1`` stands for more than ``most``."""

    def plan(_dialect: str) -> Plan[int]:
        some = sa.select(audit.c.id).where(where).limit(most + 1).subquery()
        rows = yield sa.select(sa.func.count()).select_from(some)
        return int(rows[0][0])

    return Query(plan)


def last_entry() -> Query[int]:
    """Read the id of the chain's last entry, opening or outcome; 0 while there is none."""

    def plan(_dialect: str) -> Plan[int]:
        rows = yield sa.select(audit_head.c.last_id)
        return int(rows[0][0]) if rows else 0

    return Query(plan)


def changed_since(entry: int, now: float, limit: int = 200) -> Query[AuditNews]:
    """Read the rows that were opened or closed after an entry of the chain: others' acts as they happen.

    Args:
        entry: The ``entry`` of the news before, or `last_entry` to begin with.
        now: As for `newest`.
        limit: Most entries at once; the rest comes with the next call.
    """

    def plan(dialect: str) -> Plan[AuditNews]:
        opened = _rows(dialect, now).where(audit.c.id > entry).order_by(audit.c.id)
        closed = _rows(dialect, now).where(audit.c.outcome_id > entry).order_by(audit.c.outcome_id)
        openings = yield opened.limit(limit)
        outcomes = yield closed.limit(limit)
        last = [
            *((row.id, row) for row in openings),
            *((row.outcome_id, row) for row in outcomes),
        ]
        last.sort(key=lambda each: each[0])
        # Beyond the shorter of two full lists others may come before that were not read.
        full = [ids[-1] for ids in _full(openings, outcomes, limit)]
        until = min([*full, last[-1][0] if last else entry])
        rows = {row.id: row for number, row in last if number <= until}
        return AuditNews([_record(rows[id_]._mapping) for id_ in sorted(rows)], until)

    return Query(plan)


def batch(name: str, now: float) -> Query[BatchSummary | None]:
    """Read what came of one command so far; None if there is no such batch."""

    def plan(dialect: str) -> Plan[BatchSummary | None]:
        under_way = is_under_way(dialect, now).label("under_way")
        rows = yield (
            sa.select(audit.c.outcome, under_way, sa.func.count().label("rows"))
            .where(audit.c.batch == name)
            .group_by(audit.c.outcome, audit.c.batch)
        )
        ends = yield (
            sa.select(
                sa.func.min(audit.c.operator),
                sa.func.min(audit.c.action),
                sa.func.min(audit.c.at),
                sa.func.max(sa.func.coalesce(audit.c.outcome_at, audit.c.at)),
            ).where(audit.c.batch == name)
        )
        if not rows:
            return None
        by_outcome: dict[str, int] = {}
        for row in rows:
            outcome = row.outcome or ("" if row.under_way else INTERRUPTED)
            by_outcome[outcome] = by_outcome.get(outcome, 0) + row.rows
        operator, action, started_at, last_at = ends[0]
        return BatchSummary(
            name, sum(by_outcome.values()), by_outcome, operator, action, started_at, last_at
        )

    return Query(plan)


def interrupted(action: str, targets: Sequence[str], now: float) -> Query[dict[str, AuditRecord]]:
    """Read the last such act on each of ``targets`` where it was interrupted, by target."""

    def plan(dialect: str) -> Plan[dict[str, AuditRecord]]:
        last = (
            sa.select(sa.func.max(audit.c.id))
            .where(audit.c.target.in_(targets), audit.c.action == action)
            .group_by(audit.c.target)
        )
        rows = yield _rows(dialect, now).where(audit.c.id.in_(last), audit.c.outcome.is_(None))
        found = [_record(row._mapping) for row in rows]
        return {each.target: each for each in found if each.outcome == INTERRUPTED}

    return Query(plan)


def rivals(
    action: str, targets: Sequence[str], batch: str, since: float, now: float
) -> Query[dict[str, str]]:
    """Read who does the same to any of ``targets`` at this moment, by target.

    Args:
        action: The act's verb.
        targets: Rows of ours are open for them.
        batch: Ours.
        since: What others did and ended after this instant counts too.
        now: As for `newest`.
    """
    mine = audit.alias()

    def plan(dialect: str) -> Plan[dict[str, str]]:
        is_at_it = sa.and_(audit.c.outcome.is_(None), is_under_way(dialect, now))
        did_it = sa.and_(audit.c.outcome != "refused", audit.c.outcome_at >= since)
        rows = yield (
            sa.select(audit.c.target, audit.c.operator)
            .join(mine, sa.and_(mine.c.target == audit.c.target, mine.c.batch == batch))
            .where(audit.c.target.in_(targets), audit.c.action == action)
            .where(audit.c.batch != batch, audit.c.id < mine.c.id)
            .where(sa.or_(is_at_it, did_it))
        )
        return {row.target: row.operator for row in rows}

    return Query(plan)


def about(target: str, now: float, limit: int = 50) -> Query[list[AuditRecord]]:
    """Read the rows about one target, a task's id, the latest first."""
    return newest(audit.c.target == target, now, limit)


def _rows(dialect: str, now: float) -> sa.Select[Any]:
    return sa.select(audit, is_under_way(dialect, now).label("under_way"))


def _page(rows: Rows, more: bool) -> AuditPage:
    found = [_record(row._mapping) for row in rows]
    return AuditPage(found, more, found[-1].id if found else None)


def _full(openings: Rows, outcomes: Rows, limit: int) -> Iterator[list[int]]:
    if len(openings) == limit:
        yield [row.id for row in openings]
    if len(outcomes) == limit:
        yield [row.outcome_id for row in outcomes]


def is_under_way(dialect: str, now: float) -> sa.ColumnElement[bool]:
    """Whether a row's batch is being worked on by a process that is alive."""
    return sa.exists().where(
        act_batch.c.batch == audit.c.batch, act_batch.c.expires_at > clock(dialect, now)
    )


def created_since(operator: str, actions: tuple[str, ...], since: float) -> Query[list[float]]:
    """Read when ``operator`` did acts that create work since an instant, oldest first.

    What was refused created none, nor did a resume of what was only paused, which names no new id.
    """
    created = sa.or_(audit.c.action != "resume", audit.c.parameters.contains('"new_id":'))

    def plan(_dialect: str) -> Plan[list[float]]:
        rows = yield (
            sa.select(audit.c.at)
            .where(audit.c.operator == operator, audit.c.at >= since)
            .where(audit.c.action.in_(actions), created)
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

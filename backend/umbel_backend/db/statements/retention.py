"""Deletes of what is kept for a time or up to a size: log lines and exact messages.

Each one takes some rows at most, so that a transaction of it is short, and says what it took.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from umbel_backend.db.tables import cleanup, task_log, task_message

AT_ONCE = 1_000
"""Rows looked at by one statement."""
LINE_BYTES = 120
"""What a line takes beside its text, about."""
DROPPED = "dropped:"
"""With the task's id the ``stream_id`` of the line that says how many before it were deleted; its
``position`` is their number."""

_LINE_SIZE = sa.func.length(task_log.c.text) + LINE_BYTES


@dataclass(frozen=True, slots=True)
class Taken:
    """What one step deleted."""

    rows: int = 0
    bytes: int = 0
    """Of text or body, about."""
    until: int | None = None
    """Number of the last line looked at; None if there is nothing left to look at."""


def old_lines(connection: sa.Connection, before: float, after: int) -> Taken:
    """Delete log lines older than ``before``, of those that follow the line numbered ``after``.

    Lines are numbered as they came, which is nearly the order of their instants: once most of what is
    looked at is young, so is what follows.
    """
    looked_at = (
        sa.select(task_log.c.n, task_log.c.at, _LINE_SIZE.label("size"))
        .where(task_log.c.n > after)
        .order_by(task_log.c.n)
        .limit(AT_ONCE)
    )
    rows = connection.execute(looked_at).all()
    old = [row for row in rows if row.at < before]
    if old:
        connection.execute(
            sa.delete(task_log).where(
                task_log.c.n.between(old[0].n, old[-1].n), task_log.c.at < before
            )
        )
    goes_on = len(rows) == AT_ONCE and len(old) * 2 >= len(rows)
    return Taken(len(old), sum(row.size for row in old), rows[-1].n if goes_on else None)


def size_of_log(connection: sa.Connection, task_id: str) -> int:
    """Return about how many bytes the lines of a task take."""
    lines = sa.select(sa.func.sum(_LINE_SIZE)).where(task_log.c.task == task_id)
    return int(connection.scalar(lines) or 0)


def first_lines(connection: sa.Connection, task_id: str, excess: int, logger: str) -> Taken:
    """Delete the first lines of a task, about ``excess`` bytes of them, and say so in a line instead.

    Args:
        connection: In a transaction.
        task_id: Whose log.
        excess: How much of it is too much.
        logger: Who says so.
    """
    marker = DROPPED + task_id
    looked_at = (
        sa.select(task_log.c.n, task_log.c.at, _LINE_SIZE.label("size"))
        .where(task_log.c.task == task_id, task_log.c.stream_id != marker)
        .order_by(task_log.c.at, task_log.c.n)
        .limit(AT_ONCE)
    )
    rows = connection.execute(looked_at).all()
    count = size = 0
    for row in rows:
        if size >= excess:
            break
        count, size = count + 1, size + row.size
    if not count:
        return Taken()
    last = rows[count - 1]
    place = sa.tuple_(task_log.c.at, task_log.c.n)
    until = sa.tuple_(sa.literal(last.at, sa.Double), sa.literal(last.n, sa.BigInteger))
    of_task = task_log.c.task == task_id
    connection.execute(
        sa.delete(task_log).where(of_task, task_log.c.stream_id != marker, place <= until)
    )
    _say(connection, task_id, count, last.at, logger)
    return Taken(count, size, last.n)


def _say(connection: sa.Connection, task_id: str, count: int, at: float, logger: str) -> None:
    marker = DROPPED + task_id
    here = task_log.c.stream_id == marker
    before = connection.scalar(sa.select(sa.func.max(task_log.c.position)).where(here)) or 0
    connection.execute(sa.delete(task_log).where(here))
    total = before + count
    words = "1 line was" if total == 1 else f"{total:,} lines were"
    connection.execute(
        sa.insert(task_log).values(
            task=task_id,
            at=at,
            level=30,
            logger=logger,
            text=f"{words} deleted before this one, for the size of this log",
            stream_id=marker,
            position=total,
        )
    )


def old_messages(connection: sa.Connection, before: float) -> Taken:
    """Delete exact messages that were kept before an instant, the oldest first."""
    size = sa.func.coalesce(sa.func.length(task_message.c.body), 0).label("size")
    rows = connection.execute(
        sa.select(task_message.c.kept_at, size)
        .where(task_message.c.kept_at < before)
        .order_by(task_message.c.kept_at)
        .limit(AT_ONCE)
    ).all()
    if not rows:
        return Taken()
    taken = connection.execute(
        sa.delete(task_message).where(
            task_message.c.kept_at < before, task_message.c.kept_at <= rows[-1].kept_at
        )
    )
    goes_on = len(rows) == AT_ONCE
    return Taken(taken.rowcount, sum(row.size for row in rows), 0 if goes_on else None)


def note(connection: sa.Connection, at: float, what: str, reason: str, taken: Taken) -> None:
    """Add to the statistics of the clean-up begun at ``at``."""
    if not taken.rows:
        return
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    values: dict[str, Any] = {"at": at, "what": what, "reason": reason}
    statement = insert(cleanup).values(**values, row_count=taken.rows, byte_count=taken.bytes)
    new = statement.excluded
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[cleanup.c.at, cleanup.c.what, cleanup.c.reason],
            set_={
                "row_count": cleanup.c.row_count + new.row_count,
                "byte_count": cleanup.c.byte_count + new.byte_count,
            },
        )
    )


def forget_notes(connection: sa.Connection, before: float) -> None:
    """Delete the statistics of clean-ups before an instant."""
    connection.execute(sa.delete(cleanup).where(cleanup.c.at < before))

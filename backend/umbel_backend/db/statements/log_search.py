"""Searches within the lines that one task logged."""

from __future__ import annotations

import sqlalchemy as sa

from umbel_backend.db.query import Plan, Query
from umbel_backend.db.statements.logs import COLUMNS, Place
from umbel_backend.db.tables import task_log
from umbel_backend.records import LogLine


def following(
    task_id: str, words: str, after: Place | None, *, level: int = 0
) -> Query[LogLine | None]:
    """Read the first line after ``after`` that holds ``words``, whatever their case; None if none does.

    Args:
        task_id: The whole id.
        words: Looked for as they are, in the text alone.
        after: Where to begin; None is the beginning of the log.
        level: Only lines of this level and above, as Python's number.
    """
    place = None if after is None else _place() > _at(after)
    return _found(task_id, words, place, level, task_log.c.at, task_log.c.n)


def preceding(task_id: str, words: str, before: Place, *, level: int = 0) -> Query[LogLine | None]:
    """Read the last line before ``before`` that holds ``words``; None if none does."""
    order = (task_log.c.at.desc(), task_log.c.n.desc())
    return _found(task_id, words, _place() < _at(before), level, *order)


def _found(
    task_id: str,
    words: str,
    place: sa.ColumnElement[bool] | None,
    level: int,
    *order: sa.ColumnElement[object],
) -> Query[LogLine | None]:
    statement = (
        sa.select(*COLUMNS)
        .where(task_log.c.task == task_id, task_log.c.text.icontains(words, autoescape=True))
        .order_by(*order)
        .limit(1)
    )
    if place is not None:
        statement = statement.where(place)
    if level > 0:
        statement = statement.where(task_log.c.level >= level)

    def plan(_dialect: str) -> Plan[LogLine | None]:
        rows = yield statement
        return LogLine(*rows[0]) if rows else None

    return Query(plan)


def _place() -> sa.ColumnElement[bool]:
    return sa.tuple_(task_log.c.at, task_log.c.n)  # type: ignore[return-value]


def _at(place: Place) -> sa.ColumnElement[bool]:
    at, n = place
    return sa.tuple_(sa.literal(at, sa.Double), sa.literal(n, sa.BigInteger))  # type: ignore[return-value]

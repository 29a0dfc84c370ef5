"""Reads of the lines that tasks logged."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from umbel_backend.db.query import Plan, Query, Rows
from umbel_backend.db.statements import records
from umbel_backend.db.tables import task_log
from umbel_backend.records import LogLine

Place = tuple[float, int]
"""Where a line stands in its task's log: ``(line.at, line.n)``."""

COLUMNS = (
    task_log.c.at,
    task_log.c.level,
    task_log.c.logger,
    task_log.c.text,
    task_log.c.n,
    task_log.c.stream_id,
    task_log.c.position,
    task_log.c.retries,
    task_log.c.pid,
)
"""The fields of a `LogLine`, in their order."""
_OLDEST_FIRST = (task_log.c.at, task_log.c.n)
_NEWEST_FIRST = (task_log.c.at.desc(), task_log.c.n.desc())


def of_task(
    task_id: str, *, after: Place | None = None, limit: int = 1_000, level: int = 0
) -> Query[list[LogLine]]:
    """Read the lines of a task that come next after ``after``, oldest first; at first the first ones.

    Args:
        task_id: The whole id.
        after: The place of the last line read.
        limit: Most lines.
        level: Only lines of this level and above, as Python's number.
    """
    statement = _lines(task_id, level).order_by(*_OLDEST_FIRST).limit(limit)
    if after is not None:
        statement = statement.where(_place() > _at(after))
    return _query(statement)


def before(
    task_id: str, place: Place, *, limit: int = 1_000, level: int = 0
) -> Query[list[LogLine]]:
    """Read the last lines of a task that come before ``place``, oldest first."""
    statement = _lines(task_id, level).where(_place() < _at(place))
    return _query(statement.order_by(*_NEWEST_FIRST).limit(limit), newest_first=True)


def last(task_id: str, limit: int = 1_000, *, level: int = 0) -> Query[list[LogLine]]:
    """Read the last lines of a task, oldest first."""
    statement = _lines(task_id, level).order_by(*_NEWEST_FIRST).limit(limit)
    return _query(statement, newest_first=True)


def count(task_id: str, *, level: int = 0) -> Query[int]:
    """Count the lines of a task."""

    def plan(_dialect: str) -> Plan[int]:
        lines = _lines(task_id, level).with_only_columns(sa.func.count())
        rows = yield lines
        number: int = rows[0][0]
        return number

    return Query(plan)


def of_tasks(task_ids: list[str]) -> Query[dict[str, list[LogLine]]]:
    """Read all lines of several tasks, by id, oldest first; for an export, a page of tasks at a time."""

    def plan(dialect: str) -> Plan[dict[str, list[LogLine]]]:
        rows = yield (
            sa.select(task_log.c.task, *COLUMNS)
            .where(records.among(task_log.c.task, task_ids, dialect))
            .order_by(task_log.c.task, *_OLDEST_FIRST)
        )
        found: dict[str, list[LogLine]] = {}
        for task_id, *values in rows:
            found.setdefault(task_id, []).append(LogLine(*values))
        return found

    return Query(plan)


def _lines(task_id: str, level: int) -> sa.Select[Any]:
    statement = sa.select(*COLUMNS).where(task_log.c.task == task_id)
    return statement.where(task_log.c.level >= level) if level > 0 else statement


def _place() -> sa.ColumnElement[Any]:
    return sa.tuple_(task_log.c.at, task_log.c.n)


def _at(place: Place) -> sa.ColumnElement[Any]:
    at, n = place
    return sa.tuple_(sa.literal(at, sa.Double), sa.literal(n, sa.BigInteger))


def _query(statement: sa.Select[Any], *, newest_first: bool = False) -> Query[list[LogLine]]:
    def plan(_dialect: str) -> Plan[list[LogLine]]:
        rows = yield statement
        return _read(rows[::-1] if newest_first else rows)

    return Query(plan)


def _read(rows: Rows) -> list[LogLine]:
    return [LogLine(*row) for row in rows]

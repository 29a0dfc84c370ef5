"""Reads a whole filtered history in chunks, without holding up the recorder.

What is matched is settled at the start; each task is read as it is when its chunk's turn comes, and
left out if it was deleted meanwhile. Every chunk has a transaction of its own, so SQLite's log can
be folded back in between.
"""

from __future__ import annotations

import gc
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import sqlalchemy as sa

from umbel_backend.db.failures import translated
from umbel_backend.db.query import run_on
from umbel_backend.db.statements import records
from umbel_backend.db.statements.logs import of_tasks
from umbel_backend.db.tables import attempt, task
from umbel_backend.export import writer
from umbel_backend.export.rows import COLUMNS, Row, Rows, Run

Numbers: TypeAlias = "array[int]"
"""Row numbers (``task.n``) in ascending order."""


def matched(engine: sa.Engine, where: sa.ColumnElement[bool]) -> tuple[Numbers, bool]:
    """Return the row numbers of what meets ``where``, and whether any task at all is a retry."""
    found = array("q")
    with engine.connect() as connection:
        numbers = connection.execution_options(stream_results=True).execute(
            sa.select(task.c.n).where(where)
        )
        for part in numbers.scalars().partitions(50_000):
            found.extend(part)
        has_retries = connection.scalar(sa.select(sa.exists().where(task.c.retry_of.is_not(None))))
    return array("q", sorted(found)), bool(has_retries)


class BlockReader:
    """Reads chunks of tasks and writes each in one format, as `umbel_backend.export.framed` takes them.

    Args:
        engine: Used by one thread at a time.
        format: One of `umbel_backend.export.FORMATS`.
        has_retries: False spares looking for the retries of each task.
        logs: Each task gets its log.
    """

    def __init__(
        self, engine: sa.Engine, format: str, *, has_retries: bool, logs: bool = False
    ) -> None:
        self._engine = engine
        self._has_retries = has_retries
        self._has_logs = logs
        self._write: Callable[[Rows], bytes] = writer(format, logs=logs)

    def read(self, numbers: Numbers) -> bytes:
        """Return those tasks of ``numbers`` that are still there, as they are now.

        Raises:
            DatabaseUnavailable: The database failed.
        """
        with _without_collection():
            return self._write(self._rows(numbers))

    def _rows(self, numbers: Numbers) -> Rows:
        with translated(self._engine.url), self._engine.connect() as connection:

            def fetch(statement: sa.Select[Any]) -> list[Any]:
                # The driver's own tuples: SQLAlchemy's rows would cost as much again.
                cursor = connection.execute(statement).cursor
                return [] if cursor is None else list(cursor.fetchall())

            dialect = connection.dialect.name
            rows: list[Row] = fetch(_plain_rows(numbers, dialect))
            runs: dict[int, list[Run]] = {}
            for n, *run in fetch(_runs(numbers, dialect)):
                runs.setdefault(n, []).append(tuple(run))
            retries: dict[int, list[str]] = {}
            if self._has_retries:
                known = {row[1]: row[0] for row in rows}
                for original, retry in fetch(_retries(list(known), dialect)):
                    retries.setdefault(known[original], []).append(retry)
            if not self._has_logs:
                return Rows(rows, runs, retries)
            logs = run_on(connection, of_tasks([row[1] for row in rows]))
            return Rows(rows, runs, retries, logs)


@contextmanager
def _without_collection() -> Iterator[None]:
    """Keep the garbage collector from walking rows, of which none is ever part of a cycle."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _plain_rows(numbers: Numbers, dialect: str) -> sa.Select[Any]:
    columns = (task.c[name] for name in COLUMNS)
    return sa.select(*columns).where(_one_of(task.c.n, numbers, dialect)).order_by(task.c.n)


def _runs(numbers: Numbers, dialect: str) -> sa.Select[Any]:
    """Select the earlier runs; a task that has none costs a look into the index."""
    statement = sa.select(*attempt.columns).order_by(attempt.c.task_n, attempt.c.number)
    return statement.where(_one_of(attempt.c.task_n, numbers, dialect))


def _retries(ids: list[str], dialect: str) -> sa.Select[Any]:
    statement = sa.select(task.c.retry_of, task.c.id).order_by(task.c.n)
    return statement.where(records.among(task.c.retry_of, ids, dialect))


def _one_of(
    column: sa.ColumnElement[Any], numbers: Numbers, dialect: str
) -> sa.ColumnElement[bool]:
    first, last = numbers[0], numbers[-1]
    if last - first + 1 == len(numbers):
        return column.between(first, last)
    return records.among(column, numbers.tolist(), dialect)

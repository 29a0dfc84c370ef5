"""Reads a whole filtered history in chunks, without holding up the recorder."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from umbel_backend.db.query import Plan, Query, run_on
from umbel_backend.db.statements import records
from umbel_backend.db.tables import task
from umbel_backend.records import TaskRecord


class TaskStream(Iterator[list[TaskRecord]]):
    """The tasks that met a condition at one moment, oldest first, each exactly once.

    What is matched is settled when the stream is made; each task is read as it is when its chunk's
    turn comes, and left out if it was deleted meanwhile. Every chunk has a transaction of its own,
    so SQLite's log can be folded back in between.
    """

    def __init__(self, engine: sa.Engine, where: sa.ColumnElement[bool], chunk: int) -> None:
        self._engine = engine
        self._chunk = chunk
        self._next = 0
        self._numbers = array("q")
        with engine.connect() as connection:
            numbers = connection.execution_options(stream_results=True).execute(
                sa.select(task.c.n).where(where)
            )
            for part in numbers.scalars().partitions(50_000):
                self._numbers.extend(part)
            self._has_retries = connection.scalar(
                sa.select(sa.exists().where(task.c.retry_of.is_not(None)))
            )
        self._numbers = array("q", sorted(self._numbers))

    @property
    def total(self) -> int:
        """How many tasks were matched."""
        return len(self._numbers)

    def __next__(self) -> list[TaskRecord]:
        if self._next >= len(self._numbers):
            raise StopIteration
        numbers = self._numbers[self._next : self._next + self._chunk]
        self._next += self._chunk
        with self._engine.connect() as connection:
            return run_on(connection, _chunk(numbers, bool(self._has_retries)))


def stream_tasks(
    engine: sa.Engine, where: sa.ColumnElement[bool], *, chunk: int = 5000
) -> TaskStream:
    """Start to read all tasks that meet ``where``; best on an engine opened read-only.

    Args:
        engine: Used by one thread for the whole stream.
        where: Any condition on `tables.task`.
        chunk: Most tasks in one list.

    Raises:
        DatabaseUnavailable: The database failed, now or at a later chunk.
    """
    return TaskStream(engine, where, chunk)


def _chunk(numbers: array[int], with_retries: bool) -> Query[list[TaskRecord]]:
    def plan(dialect: str) -> Plan[list[TaskRecord]]:
        rows = yield _rows(numbers, dialect)
        return (yield from records.complete(rows, dialect, with_retries=with_retries))

    return Query(plan)


def _rows(numbers: array[int], dialect: str) -> sa.Select[Any]:
    statement = sa.select(*records.COLUMNS).order_by(task.c.n)
    first, last = numbers[0], numbers[-1]
    if last - first + 1 == len(numbers):
        return statement.where(task.c.n.between(first, last))
    return statement.where(records.among(task.c.n, numbers.tolist(), dialect))

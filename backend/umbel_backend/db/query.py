"""A read as a value: statements to execute and what to make of their rows, for either engine.

A `Query` is made of a generator that yields statements, gets each one's rows back, and returns the
answer. It never sees an engine, so the console (asynchronous) and everything else (synchronous)
share every read.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

T = TypeVar("T")

Rows = Sequence[sa.Row[*tuple[Any, ...]]]
Plan = Generator[sa.Executable, Rows, T]


@dataclass(frozen=True, slots=True)
class Query(Generic[T]):
    """A read that can be run any number of times.

    ``plan`` gets the dialect's name (``sqlite`` or ``postgresql``) for the few expressions that
    differ; all its statements run in one transaction and see one state of the database.
    """

    plan: Callable[[str], Plan[T]]


def run(engine: sa.Engine, query: Query[T]) -> T:
    """Run ``query`` and return its answer.

    Raises:
        DatabaseUnavailable: The database failed.
    """
    with engine.connect() as connection:
        return run_on(connection, query)


async def run_async(engine: AsyncEngine, query: Query[T]) -> T:
    """Run ``query`` without blocking the event loop and return its answer.

    Raises:
        DatabaseUnavailable: The database failed.
    """
    async with engine.connect() as connection:
        return await connection.run_sync(run_on, query)


def run_on(connection: sa.Connection, query: Query[T]) -> T:
    """Run ``query`` in the transaction of ``connection``."""
    plan = query.plan(connection.dialect.name)
    try:
        statement = next(plan)
        while True:
            statement = plan.send(connection.execute(statement).all())
    except StopIteration as end:
        answer: T = end.value
        return answer

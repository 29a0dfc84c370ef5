"""History as the screens ask for it: the backend's queries on one asynchronous engine.

SQLAlchemy comes in with this module, so it is imported in a thread after the first frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from umbel_backend.db import migrations
from umbel_backend.db.engine import database_url, open_async_engine, open_engine
from umbel_backend.db.query import Query, run_async
from umbel_backend.db.statements import gaps, tasks
from umbel_backend.db.statements.tasks import Cursor
from umbel_backend.filters import Filter
from umbel_backend.filters.sql import match_counts, to_sql
from umbel_backend.records import Gap, TaskRecord
from umbel_backend.settings import Settings
from umbel_console.services import Page, Total

COUNTED = 10_000
"""Matches are counted up to here; beyond it there are "10,000+"."""
FAMILY = 500
_FAR_FUTURE = 1e11


@dataclass(frozen=True, slots=True)
class _Turn:
    """Where to go on from a page, and which way."""

    cursor: Cursor
    to_newer: bool


class DatabaseHistory:
    """Reads the database of one context.

    Args:
        settings: Names the database.

    Raises:
        DatabaseUnavailable: There is none yet, it cannot be read, or its schema is another one.
    """

    def __init__(self, settings: Settings) -> None:
        url = database_url(settings.context.db, settings.context.broker)
        checked = open_engine(url, read_only=True)
        try:
            migrations.require_current(migrations.schema_status(checked), url)
        finally:
            checked.dispose()
        self._engine = open_async_engine(url)

    async def page(self, chosen: Filter | None, at: Any, limit: int, now: float) -> Page:
        """Return one page of what ``chosen`` matches, newest first."""
        where = await self._where(chosen, now)
        turn = at if isinstance(at, _Turn) else None
        to_newer = turn is not None and turn.to_newer
        before = None if turn is None else turn.cursor
        found = await run_async(
            self._engine,
            tasks.page(where, newest_first=not to_newer, before=before, limit=limit),
        )
        if to_newer and not found.more:
            # Less than a page is left on the way up: show the newest page whole.
            return await self.page(chosen, None, limit, now)
        records = found.tasks[::-1] if to_newer else found.tasks
        first, last = (found.last, found.first) if to_newer else (found.first, found.last)
        newer = None if turn is None or first is None else _Turn(first, True)
        older = _Turn(last, False) if last is not None and (found.more or to_newer) else None
        end = _FAR_FUTURE if newer is None else await self._next_newer(where, newer.cursor)
        start = 0.0 if older is None else older.cursor.state_at
        return Page(records=records, newer=newer, older=older, start=start, end=end)

    async def total(self, chosen: Filter | None, now: float) -> Total:
        """Count what ``chosen`` matches, up to `COUNTED`."""
        where = await self._where(chosen, now, counting=True)
        counted = await run_async(self._engine, tasks.count_capped(where, COUNTED))
        return Total(counted.count, not counted.capped)

    async def by_id(self, task_id: str) -> TaskRecord | None:
        """Return one task."""
        found = await run_async(self._engine, tasks.by_id(task_id, limit=1))
        return next((record for record in found if record.id == task_id), None)

    async def family(self, record: TaskRecord) -> list[TaskRecord]:
        """Return the tasks of the same workflow."""
        root = record.root_id or record.id
        return await run_async(self._engine, tasks.family(root, limit=FAMILY))

    async def gaps(self, start: float, end: float) -> list[Gap]:
        """Return the recorded gaps that touch the range, oldest first."""
        return await run_async(self._engine, gaps.overlapping(start, end))

    async def seed(self, limit: int) -> list[TaskRecord]:
        """Return what is unfinished and the newest of what ended."""
        unfinished = await run_async(self._engine, tasks.unfinished(limit))
        newest = await run_async(self._engine, tasks.page(tasks.EVERY, limit=limit))
        return [*newest.tasks, *unfinished]

    async def close(self) -> None:
        """Let the connections go."""
        await self._engine.dispose()

    async def _where(
        self, chosen: Filter | None, now: float, *, counting: bool = False
    ) -> sa.ColumnElement[bool]:
        if chosen is None or chosen.is_empty:
            return tasks.EVERY
        dialect: Any = self._engine.dialect.name
        statement = None if counting else match_counts(chosen, dialect=dialect)
        counts = None
        if statement is not None:
            async with self._engine.connect() as connection:
                counts = tuple((await connection.execute(statement)).one())
        return to_sql(chosen, now=now, dialect=dialect, counts=counts)

    async def _next_newer(self, where: sa.ColumnElement[bool], cursor: Cursor) -> float:
        """Return when the task above a page last changed: the page stands for all time below it."""
        query: Query[tasks.Page] = tasks.page(where, newest_first=False, before=cursor, limit=1)
        above = await run_async(self._engine, query)
        return above.tasks[0].state_at if above.tasks else _FAR_FUTURE

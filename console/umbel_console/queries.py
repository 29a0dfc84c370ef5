"""History as the screens ask for it: the backend's queries on one asynchronous engine.

SQLAlchemy comes in with this module, so it is imported in a thread after the first frame.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from umbel_backend.db import migrations
from umbel_backend.db.engine import database_url, open_async_engine, open_engine
from umbel_backend.db.query import Query, run, run_async
from umbel_backend.db.statements import (
    facets,
    families,
    gaps,
    histogram,
    holds,
    log_search,
    logs,
    messages,
    tasks,
    trends,
    worker_use,
    workers,
)
from umbel_backend.db.statements.facets import Counted
from umbel_backend.db.statements.tasks import Cursor
from umbel_backend.db.tables import task
from umbel_backend.filters import Filter
from umbel_backend.filters.edit import asked, without
from umbel_backend.filters.sql import match_counts, to_sql
from umbel_backend.records import (
    Gap,
    KeptMessage,
    LogLine,
    QueuePause,
    TaskRecord,
    WorkerRecord,
)
from umbel_backend.settings import Settings
from umbel_console.exporting import FileExport
from umbel_console.services import Order, Page, Total
from umbel_console.stores.agents import UsePoint
from umbel_console.stores.facets import TIMES, Facets, Span
from umbel_console.stores.logs import LogPage, Place

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine

    from umbel_console.overview_reader import OverviewReader
    from umbel_console.stores.overview import Range, Reading

COUNTED = 10_000
"""Matches are counted up to here; beyond it there are "10,000+"."""
FAMILY = 500
_FAR_FUTURE = 1e11


@dataclass(frozen=True, slots=True)
class _Turn:
    """Where to go on from a page, and which way."""

    cursor: Cursor
    to_newer: bool


_USUAL = Order("state_at", True)


class DatabaseHistory:
    """Reads the database of one context.

    Args:
        settings: Names the database.

    Raises:
        DatabaseUnavailable: There is none yet, it cannot be read, or its schema is another one.
    """

    def __init__(self, settings: Settings) -> None:
        self._url = database_url(settings.context.db, settings.context.broker)
        checked = open_engine(self._url, read_only=True)
        try:
            migrations.require_current(migrations.schema_status(checked), self._url)
        except BaseException:
            checked.dispose()
            raise
        self._seeding = checked
        self._exports: list[FileExport] = []
        self._opened = threading.Lock()
        self._asynchronous: AsyncEngine | None = None
        self._overview: OverviewReader | None = None

    @property
    def _engine(self) -> AsyncEngine:
        # Its import takes a third of the time to the first tasks, which come without it.
        with self._opened:
            if self._asynchronous is None:
                self._asynchronous = open_async_engine(self._url)
            return self._asynchronous

    def prepare(self) -> None:
        """Import and open what pages are read with."""
        _ = self._engine

    async def page(
        self, chosen: Filter | None, at: Any, limit: int, now: float, order: Order | None = None
    ) -> Page:
        """Return one page of what ``chosen`` matches, newest first or in ``order``."""
        if order is not None and order != _USUAL:
            from umbel_console.sorted_pages import sorted_page

            is_every = chosen is None or chosen.is_empty
            narrowed = None if is_every else await self._where(chosen, now)
            return await sorted_page(self._engine, narrowed, at, limit, order)
        turn = at if isinstance(at, _Turn) else None
        to_newer = turn is not None and turn.to_newer
        before = None if turn is None else turn.cursor
        start = None if before is None else before.state_at
        where = await self._where(chosen, now, start=start)
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
        where = await self._where(chosen, now, cap=COUNTED)
        counted = await run_async(self._engine, tasks.count_capped(where, COUNTED))
        return Total(counted.count, not counted.capped)

    async def histogram(
        self, chosen: Filter | None, most_slices: int, now: float
    ) -> histogram.Histogram | None:
        """Count the newest of what ``chosen`` matches in slices of time."""
        where = await self._where(chosen, now)
        return await run_async(self._engine, histogram.newest(where, most_slices))

    def export(
        self,
        chosen: Filter | None,
        path: Path,
        format: str,
        *,
        replace: bool,
        now: float,
        logs: bool = False,
    ) -> FileExport:
        """Begin to write what ``chosen`` matches to ``path``, with the log of each task if wanted."""
        export = FileExport(self._url, chosen, path, format, replace=replace, now=now, logs=logs)
        self._exports = [each for each in self._exports if not each.is_over] + [export]
        export.start()
        return export

    async def facets(
        self, chosen: Filter | None, fields: Sequence[str], spans: Sequence[Span], now: float
    ) -> Facets:
        """Count over the newest matches: once for the whole filter, once for each field it asks of."""
        named = asked(chosen) & {*fields, *TIMES}
        is_timed = bool(named & TIMES)
        others = [name for name in fields if name not in named]
        whole = await self._counted(chosen, others, () if is_timed else spans, now)
        by_field, capped, inside = dict(whole.values), set[str](), whole.spans
        if whole.capped:
            capped |= {"", *others}
        for name in named - TIMES:
            part = await self._counted(chosen, [name], (), now, {name})
            by_field |= part.values
            if part.capped:
                capped.add(name)
        if is_timed:
            inside = (await self._counted(chosen, (), spans, now, TIMES)).spans
        return Facets(
            counted=whole.tasks, by_field=by_field, capped=frozenset(capped), spans=inside
        )

    async def known(self, field: str, begun: str, cap: int) -> list[tuple[str, int]]:
        """Return values of a field that begin so."""
        return await run_async(self._engine, facets.known(field, begun, cap=cap))

    async def by_id(self, task_id: str) -> TaskRecord | None:
        """Return one task."""
        found = await run_async(self._engine, tasks.by_id(task_id, limit=1))
        return next((record for record in found if record.id == task_id), None)

    async def family(self, record: TaskRecord) -> list[TaskRecord]:
        """Return the tasks of the same workflow."""
        return await run_async(self._engine, families.workflow(record, limit=FAMILY))

    async def log(
        self,
        task_id: str,
        *,
        after: Place | None = None,
        before: Place | None = None,
        limit: int = 1_000,
        level: int = 0,
    ) -> LogPage:
        """Return the lines of a task after a place, or the last ones before one, oldest first."""
        if before is not None:
            query = logs.before(task_id, before, limit=limit + 1, level=level)
            lines = await run_async(self._engine, query)
            return LogPage(lines[-limit:], len(lines) > limit)
        query = logs.of_task(task_id, after=after, limit=limit + 1, level=level)
        lines = await run_async(self._engine, query)
        return LogPage(lines[:limit], len(lines) > limit)

    async def count_log(self, task_id: str, *, level: int = 0) -> int:
        """Count the lines kept of a task, of a level and above."""
        return await run_async(self._engine, logs.count(task_id, level=level))

    async def find_in_log(
        self, task_id: str, words: str, place: Place, *, newer: bool, level: int = 0
    ) -> LogLine | None:
        """Return the next line after (or before) a place that holds words; None if none does."""
        search = log_search.following if newer else log_search.preceding
        return await run_async(self._engine, search(task_id, words, place, level=level))

    async def kept_message(self, task_id: str) -> KeptMessage | None:
        """Return the exact message of a task, or why it was not kept; None if nothing is known of it."""
        return await run_async(self._engine, messages.of_task(task_id))

    async def gaps(self, start: float, end: float) -> list[Gap]:
        """Return the recorded gaps that touch the range, oldest first."""
        return await run_async(self._engine, gaps.overlapping(start, end))

    async def overview(self, chosen: Range, now: float) -> Reading:
        """Read the record over a range up to ``now``, for Overview."""
        from umbel_console.overview_reader import OverviewReader

        if self._overview is None:
            self._overview = OverviewReader(self._engine)
        return await self._overview.read(chosen, now)

    async def seed(self, limit: int, since: float | None = None) -> list[TaskRecord]:
        """Return what is unfinished and the newest of what ended; with ``since`` what changed."""
        # In a thread: thousands of records at once would hold up keys on the loop.
        return await asyncio.to_thread(self._seed, limit, since)

    async def workers(self, since: float) -> list[WorkerRecord]:
        """Return the workers heard of since an instant, as they were last recorded."""
        return await run_async(self._engine, workers.every(seen_since=since))

    async def runtimes(self) -> dict[str, list[float]]:
        """Return the runtimes of the last tasks that succeeded, by worker."""
        return await run_async(self._engine, workers.recent_runtimes())

    async def worker_trend(
        self, hostname: str, start: float, end: float, slice_s: float
    ) -> list[trends.WorkerSlice]:
        """Return how one worker fared in each slice of a range."""
        return await run_async(self._engine, trends.of_worker(hostname, start, end, slice_s))

    async def worker_use(
        self, start: float, end: float, slice_s: float
    ) -> dict[str, list[UsePoint]]:
        """Return by worker what it used in each slice of a range for which its agent told."""
        found = await run_async(self._engine, worker_use.of_workers(start, end, slice_s))
        return {
            hostname: [
                UsePoint(
                    each.at,
                    each.cpu_percent,
                    None if each.memory_bytes is None else int(each.memory_bytes),
                )
                for each in slices
            ]
            for hostname, slices in found.items()
        }

    async def queue_trends(
        self, start: float, end: float, slice_s: float
    ) -> dict[str, list[tuple[float, int]]]:
        """Return of every queue the most that was ready in each slice."""
        return await run_async(self._engine, trends.of_queues(start, end, slice_s))

    async def queue_pauses(self) -> dict[str, QueuePause]:
        """Return since when queues are paused, by name."""
        paused = await run_async(self._engine, holds.paused())
        return {
            name: QueuePause(at=pause.at, workers=len(pause.workers))
            for name, pause in paused.items()
        }

    async def close(self) -> None:
        """Let the connections go."""
        for export in self._exports:
            export.cancel()
        self._seeding.dispose()
        if self._asynchronous is not None:
            await self._asynchronous.dispose()

    def _seed(self, limit: int, since: float | None) -> list[TaskRecord]:
        engine = self._seeding
        if since is None:
            newest = run(engine, tasks.page(tasks.EVERY, limit=limit)).tasks
            return [*newest, *run(engine, tasks.unfinished(limit))]
        return run(engine, tasks.page(task.c.state_at >= since, limit=limit)).tasks

    async def _counted(
        self,
        chosen: Filter | None,
        fields: Sequence[str],
        spans: Sequence[Span],
        now: float,
        left_out: Collection[str] = (),
    ) -> Counted:
        where = await self._where(None if chosen is None else without(chosen, left_out), now)
        return await run_async(self._engine, facets.counts(where, fields, spans=spans))

    async def _where(
        self,
        chosen: Filter | None,
        now: float,
        *,
        start: float | None = None,
        cap: int | None = None,
    ) -> sa.ColumnElement[bool]:
        if chosen is None or chosen.is_empty:
            return tasks.EVERY
        dialect: Any = self._engine.dialect.name
        statement = match_counts(chosen, dialect=dialect)
        counts = None
        if statement is not None:
            async with self._engine.connect() as connection:
                counts = tuple((await connection.execute(statement)).one())
        return to_sql(chosen, now=now, dialect=dialect, counts=counts, start=start, cap=cap)

    async def _next_newer(self, where: sa.ColumnElement[bool], cursor: Cursor) -> float:
        """Return when the task above a page last changed: the page stands for all time below it."""
        query: Query[tasks.Page] = tasks.page(where, newest_first=False, before=cursor, limit=1)
        above = await run_async(self._engine, query)
        return above.tasks[0].state_at if above.tasks else _FAR_FUTURE

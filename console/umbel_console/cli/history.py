"""The history database as the commands read it: opened read-only, at first use, or not there yet."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TypeVar, cast

import sqlalchemy as sa

from umbel_backend import states
from umbel_backend.db import migrations
from umbel_backend.db.changes import QueueSample
from umbel_backend.db.engine import database_url, open_engine, shown
from umbel_backend.db.export_blocks import TaskBlocks
from umbel_backend.db.migrations import SchemaStatus
from umbel_backend.db.query import Query, run
from umbel_backend.db.statements import gaps, leases, logs, messages, samples, tasks, workers
from umbel_backend.db.statements.leases import LeaseHolder
from umbel_backend.db.tables import task
from umbel_backend.errors import DatabaseUnavailable, NotFound
from umbel_backend.filters.columns import Dialect
from umbel_backend.filters.sql import match_counts, to_sql
from umbel_backend.filters.tree import Filter
from umbel_backend.records import Gap, KeptMessage, LogLine, TaskRecord, WorkerRecord
from umbel_backend.settings import Context
from umbel_console.cli.output import print_note
from umbel_console.stores.workers import p95_of

T = TypeVar("T")

RECORDER_LEASE = "recorder"

_PAGE = 500
_LINES = 2_000
_MOST_ROWS = 1_000_000_000
_RECENT_S = 120.0
"""How old a queue's sample may be to still say something of now."""


class History:
    """One context's database. Every method that reads raises `DatabaseUnavailable`.

    A database that nobody made yet is no failure: it reads as empty, and `explain` says why. Where
    a method says "if any", a database that cannot be read is a note, not a failure.
    """

    def __init__(self, context: Context) -> None:
        self._url = database_url(context.db, context.broker)

    @property
    def place(self) -> str:
        """Where it is, fit to be shown."""
        return shown(self._url)

    @property
    def _file(self) -> Path | None:
        if self._url.get_backend_name() != "sqlite":
            return None
        return Path(str(self._url.database))

    def exists(self) -> bool:
        """Whether there is a database with Umbel's tables."""
        if self._file is not None and not (self._file.exists() and self._file.stat().st_size):
            return False
        return self.schema().current > 0

    @cached_property
    def _engine(self) -> sa.Engine:
        return open_engine(self._url, read_only=True)

    def schema(self) -> SchemaStatus:
        """Return how its schema stands."""
        return migrations.schema_status(self._engine)

    def upgrade(self) -> list[int]:
        """Bring its schema up to date, making the database if need be; return what was applied."""
        engine = open_engine(self._url)
        try:
            return migrations.upgrade(engine)
        finally:
            engine.dispose()

    def size_bytes(self) -> int | None:
        """Return how large the file is with its companions; None for a server's database."""
        if self._file is None or not self._file.exists():
            return None
        parts = [self._file, *(self._file.with_name(self._file.name + s) for s in ("-wal", "-shm"))]
        return sum(part.stat().st_size for part in parts if part.exists())

    def tasks(self, chosen: Filter, *, limit: int) -> list[TaskRecord]:
        """Return the ``limit`` tasks that match and changed last, newest first."""
        if not self.is_ready():
            return []
        where = self._condition(chosen)
        found: list[TaskRecord] = []
        before = None
        while len(found) < limit:
            size = min(_PAGE, limit - len(found))
            page = self._run(tasks.page(where, before=before, limit=size))
            found += page.tasks
            before = page.last
            if not page.more:
                break
        return found

    def blocks(self, chosen: Filter, format: str, *, logs: bool = False) -> TaskBlocks | None:
        """Start to export all tasks that match, oldest first, each with its log if ``logs`` says so.

        None if there is no history.
        """
        if not self.is_ready():
            return None
        return TaskBlocks(self._engine, self._condition(chosen), format, logs=logs)

    def _condition(self, chosen: Filter) -> sa.ColumnElement[bool]:
        # The engine's own name for it is one of the two that there are.
        dialect = cast(Dialect, self._engine.dialect.name)
        counting = match_counts(chosen, dialect=dialect)
        counts = None
        if counting is not None:
            with self._engine.connect() as connection:
                counts = connection.execute(counting).one()
        return to_sql(chosen, now=time.time(), dialect=dialect, counts=counts)

    def task(self, id_or_prefix: str) -> TaskRecord:
        """Return the task of this id, or the only one whose id begins so.

        Raises:
            NotFound: There is none, or there are several.
        """
        found = self._run(tasks.by_id(id_or_prefix, limit=6)) if self.is_ready() else []
        if len(found) == 1:
            return found[0]
        if found:
            shown_ids = ", ".join(each.id for each in found[:5])
            more = " and more" if len(found) > 5 else ""
            raise NotFound(f"Several ids begin with {id_or_prefix!r}: {shown_ids}{more}.")
        raise NotFound(f"History at {self.place} knows no task {id_or_prefix!r}.")

    def log(self, task_id: str, after: logs.Place | None, *, level: int) -> list[LogLine]:
        """Return the lines of a task that come next after a place, oldest first; none at its end."""
        return self._run(logs.of_task(task_id, after=after, level=level, limit=_LINES))

    def log_end(self, task_id: str, limit: int, *, level: int) -> list[LogLine]:
        """Return the last lines of a task, oldest first."""
        return self._run(logs.last(task_id, limit, level=level))

    def kept_message(self, task_id: str) -> KeptMessage | None:
        """Return the exact message of a task, or why it was not kept; None if nothing is known of it."""
        return self._run(messages.of_task(task_id))

    def count_by(self, column: str, *, since: float) -> dict[str, int]:
        """Count the tasks that changed since an instant by a column; None is left out."""
        if not self.is_ready():
            return {}
        recent = task.c.state_at >= since
        facet = self._run(tasks.facet(recent, column, limit=1000, cap=_MOST_ROWS))
        return {str(each.value): each.count for each in facet.counts if each.value is not None}

    def total(self) -> int:
        """Count all tasks."""
        return self._run(tasks.count_capped(tasks.EVERY, cap=_MOST_ROWS)).count

    def running(self, *, longer_than_s: float) -> list[TaskRecord]:
        """Return tasks that started longer ago than this and were not seen to end."""
        if not self.is_ready():
            return []
        started_before = task.c.started_at < time.time() - longer_than_s
        where = sa.and_(task.c.state == states.STARTED, started_before)
        return self._run(tasks.page(where, limit=_PAGE)).tasks

    def longest_run(self, *, since: float) -> TaskRecord | None:
        """Return the task with the longest run time among those that ended since an instant."""
        if not self.is_ready():
            return None
        ended = sa.and_(task.c.state_at >= since, task.c.runtime_s.is_not(None))
        longest = sa.select(sa.func.max(task.c.runtime_s)).where(ended).scalar_subquery()
        found = self._run(tasks.page(sa.and_(ended, task.c.runtime_s == longest), limit=1)).tasks
        return found[0] if found else None

    def workers(self) -> list[WorkerRecord]:
        """Return all workers as they were last recorded, with the p95 of their latest runtimes."""
        if not self.is_ready():
            return []
        runtimes = self._run(workers.recent_runtimes())
        recorded = self._run(workers.every())
        for record in recorded:
            if record.hostname in runtimes:
                record.p95_runtime_s = p95_of(runtimes[record.hostname])
        return recorded

    def workers_if_any(self) -> list[WorkerRecord]:
        """Return all workers as they were last recorded, if any."""
        try:
            return self.workers()
        except DatabaseUnavailable as error:
            print_note(f"What was recorded of workers is not shown. {error}")
            return []

    def queue_samples_if_any(self) -> Mapping[str, QueueSample]:
        """Return the latest sample of each queue, if there is a recent one, by name."""
        now = time.time()
        try:
            found = self._run(samples.of_queues(now - _RECENT_S, now)) if self.is_ready() else []
        except DatabaseUnavailable:
            return {}
        return {sample.name: sample for sample in found}

    def gaps(self, *, limit: int) -> list[Gap]:
        """Return gaps, the latest to begin first."""
        return self._run(gaps.newest(limit)) if self.is_ready() else []

    def installation(self) -> str | None:
        """Return the identity of this database; None if there is none yet."""
        return self._run(messages.installation_id()) if self.is_ready() else None

    def recorder(self) -> str | None:
        """Return who records now; None if nobody does."""
        holder: LeaseHolder | None = self._run(leases.current(RECORDER_LEASE, time.time()))
        return holder.holder if holder else None

    def is_ready(self) -> bool:
        """Whether there is a database, with today's schema.

        Raises:
            DatabaseUnavailable: There is one with another schema.
        """
        if not self.exists():
            return False
        migrations.require_current(self.schema(), self._url)
        return True

    def explain(self, *, found: int | None = None, limit: int = 0, noun: str = "") -> None:
        """Say on stderr what a listing does not show by itself: no history, no recorder, more.

        Args:
            found: How many were found with ``limit`` + 1; None where that is no question.
            limit: How many were shown at most.
            noun: What they are, plural.
        """
        if not self.is_ready():
            print_note(f"There is no history at {self.place} yet; umbel recorder writes it.")
            return
        if self.recorder() is None:
            print_note(f"No recorder is running: what happens now is not written to {self.place}.")
        if found == 0:
            print_note(f"No {noun} to show.")
        elif found is not None and found > limit:
            print_note(f"These are the newest {limit:,} {noun}; --limit shows more.")

    def _run(self, query: Query[T]) -> T:
        return run(self._engine, query)

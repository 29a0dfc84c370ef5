"""The audit as it is stored: read in threads, on one engine of its own that writes nothing."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import sqlalchemy as sa

from umbel_backend.acts.audit_filter import read_audit_filter
from umbel_backend.acts.audit_log import AuditLog
from umbel_backend.acts.identity import whoami
from umbel_backend.acts.roles import every_operator, role_of
from umbel_backend.db import migrations
from umbel_backend.db.engine import database_url, open_engine
from umbel_backend.db.query import run
from umbel_backend.db.statements import audit
from umbel_backend.export import framed
from umbel_backend.export.audit import AUDIT_HEADER, audit_block
from umbel_backend.records import AuditRecord, TaskRecord
from umbel_backend.settings import Settings
from umbel_console.acting import Standing
from umbel_console.auditing import AuditNews, AuditRows, ChainVerdict
from umbel_console.cli.atomic_file import written_at_once
from umbel_console.exporting import FileExport
from umbel_console.services import Total

if TYPE_CHECKING:
    from umbel_console.services import Export

COUNTED = 10_000
MOST_NEWS = 200
_EXPORTED_AT_ONCE = 1_000

T = TypeVar("T")


class LiveAuditTrail:
    """Reads the audit of one context.

    Args:
        settings: Name the database.
    """

    def __init__(self, settings: Settings) -> None:
        self._url = database_url(settings.context.db, settings.context.broker)
        self._lock = threading.Lock()
        self._engine: sa.Engine | None = None
        self._exports: list[AuditExport] = []

    async def rows(self, text: str, before: int | None, limit: int) -> AuditRows:
        """Return entries that match a filter, older than the row ``before``."""

        def read(engine: sa.Engine) -> AuditRows:
            now = time.time()
            where = read_audit_filter([text], now)
            page = run(engine, audit.page(where, now, before=before, limit=limit))
            return AuditRows(page.rows, page.more)

        return await self._asked(read)

    async def total(self, text: str) -> Total:
        """Count what matches, up to `COUNTED`."""

        def read(engine: sa.Engine) -> Total:
            count = run(engine, audit.count(read_audit_filter([text], time.time()), COUNTED))
            return Total(min(count, COUNTED), count <= COUNTED)

        return await self._asked(read)

    async def news(self, entry: int | None) -> AuditNews:
        """Return what came after ``entry``; who acts here is told whenever something came."""

        def read(engine: sa.Engine) -> AuditNews:
            last = run(engine, audit.last_entry())
            if last == entry:
                return AuditNews(last)
            who = whoami().name
            standing = Standing(who, role_of(who, every_operator(engine)).value)
            if entry is None:
                return AuditNews(last, standing=standing)
            found = run(engine, audit.changed_since(entry, time.time(), limit=MOST_NEWS))
            return AuditNews(found.entry, found.rows, standing)

        return await self._asked(read)

    async def verify(self) -> ChainVerdict:
        """Check the whole chain."""

        def read(engine: sa.Engine) -> ChainVerdict:
            verdict = AuditLog(engine).verify()
            return ChainVerdict(verdict.entries, verdict.hash, verdict.fault)

        return await self._asked(read)

    async def explain(self, record: AuditRecord, task: TaskRecord | None) -> str:
        """Say what is known of an act that was interrupted, and how to finish it."""
        from umbel_backend.acts.interrupted import explain

        return await asyncio.to_thread(explain, record, task)

    def export(self, text: str, path: Path, format: str, *, replace: bool) -> Export:
        """Begin to write every entry that matches to ``path``."""
        export = AuditExport(self._url, text, path, format, replace=replace)
        self._exports = [each for each in self._exports if not each.is_over] + [export]
        export.start()
        return export

    def close(self) -> None:
        """Let the connections go, and stop what is written."""
        for export in self._exports:
            export.cancel()
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
            self._engine = None

    async def _asked(self, read: Callable[[sa.Engine], T]) -> T:
        return await asyncio.to_thread(lambda: read(self._opened()))

    def _opened(self) -> sa.Engine:
        with self._lock:
            if self._engine is None:
                engine = open_engine(self._url, read_only=True)
                try:
                    migrations.require_current(migrations.schema_status(engine), self._url)
                except BaseException:
                    engine.dispose()
                    raise
                self._engine = engine
            return self._engine


class AuditExport(FileExport):
    """Writes what a filter of the audit matches to a file, on a connection of its own.

    Args:
        url: The database.
        text: The filter; empty is everything.
        path: Where the file is to be; it appears there when it is complete.
        format: ``csv``, ``json`` or ``jsonl``.
        replace: Whether a file that is there may be replaced.
    """

    def __init__(self, url: sa.URL, text: str, path: Path, format: str, *, replace: bool) -> None:
        super().__init__(url, None, path, format, replace=replace, now=time.time())
        self._text = text

    def _write(self) -> None:
        engine = open_engine(self._url, read_only=True)
        try:
            where = read_audit_filter([self._text], self._now)
            self.total = run(engine, audit.count(where, 1_000_000_000))
            with written_at_once(self._path, replace=self._replace) as file:
                for part in framed(self._blocks(engine, where), self._format, head=AUDIT_HEADER):
                    file.write(part)
        finally:
            engine.dispose()

    def _blocks(
        self, engine: sa.Engine, where: sa.ColumnElement[bool]
    ) -> Generator[bytes, None, None]:
        before: int | None = None
        while True:
            page = run(engine, audit.page(where, self._now, before=before, limit=_EXPORTED_AT_ONCE))
            self.go_on()
            yield audit_block(page.rows, self._format)
            self.written += len(page.rows)
            if not page.more:
                return
            before = page.last

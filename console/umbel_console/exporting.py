"""An export beside the console: reads and writes in a thread of its own, tells how far it is."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from umbel_backend.db.engine import open_engine
from umbel_backend.db.export_blocks import TaskBlocks
from umbel_backend.db.statements.tasks import EVERY
from umbel_backend.errors import UmbelError
from umbel_backend.export import framed
from umbel_backend.filters import Filter
from umbel_backend.filters.sql import to_sql
from umbel_console.cli.atomic_file import written_at_once

log = logging.getLogger(__name__)


class FileExport:
    """Writes what a filter matches to a file, on a connection of its own.

    Args:
        url: The database.
        chosen: The filter; None is everything.
        path: Where the file is to be; it appears there when it is complete.
        format: ``csv``, ``json`` or ``jsonl``.
        replace: Whether a file that is there may be replaced.
        now: Unix seconds that relative times of the filter count from.
        logs: Each task gets its log.
    """

    def __init__(
        self,
        url: sa.URL,
        chosen: Filter | None,
        path: Path,
        format: str,
        *,
        replace: bool,
        now: float,
        logs: bool = False,
    ) -> None:
        self._url = url
        self._chosen = chosen
        self._path = path
        self._format = format
        self._replace = replace
        self._now = now
        self._logs = logs
        self._stop = threading.Event()
        # Not a daemon: a console that ends waits for the thread to remove what is half written.
        self._thread = threading.Thread(target=self._run, name="umbel-export")
        self.written = 0
        self.total: int | None = None
        self.problem: str | None = None

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def cancel(self) -> None:
        """Stop after the chunk that is being written."""
        self._stop.set()

    @property
    def is_over(self) -> bool:
        """Whether it ended, well or not."""
        return not self._thread.is_alive()

    def go_on(self) -> None:
        """Return if nobody wants it stopped; else end it, in its thread."""
        if self._stop.is_set():
            raise _Cancelled

    def _run(self) -> None:
        try:
            self._write()
        except _Cancelled:
            self.problem = "It was stopped."
        except UmbelError as error:
            self.problem = str(error)
        except Exception as error:
            log.exception("an export failed")
            self.problem = f"The export failed: {type(error).__name__}; the log has the details."

    def _write(self) -> None:
        engine = open_engine(self._url, read_only=True)
        try:
            where = self._where(engine.dialect.name)
            found = TaskBlocks(engine, where, self._format, logs=self._logs)
            self.total = found.total
            with (
                written_at_once(self._path, replace=self._replace) as file,
                closing(self._watched(found)) as blocks,
            ):
                for part in framed(blocks, self._format, logs=self._logs):
                    file.write(part)
        finally:
            engine.dispose()

    def _where(self, dialect: Any) -> sa.ColumnElement[bool]:
        if self._chosen is None or self._chosen.is_empty:
            return EVERY
        return to_sql(self._chosen, now=self._now, dialect=dialect)

    def _watched(self, found: TaskBlocks) -> Generator[bytes, None, None]:
        with closing(found.blocks()) as blocks:
            for block, tasks in blocks:
                self.go_on()
                yield block
                self.written += tasks


class _Cancelled(Exception):
    """The operator wants no file any more."""

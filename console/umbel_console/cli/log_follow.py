"""Follows the log of one task: what is stored first, then what comes, until the task has ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from umbel_backend.db.statements.logs import Place
from umbel_backend.errors import NotFound
from umbel_backend.records import LogLine, TaskRecord
from umbel_console.cli.session import Session
from umbel_console.stores.logs import LineId, line_id

if TYPE_CHECKING:
    from umbel_backend.events.agent_stream import AgentStream

LOOK_EVERY_S = 0.5
"""How often the database is read; lines come live meanwhile where there is a stream."""
AFTER_END_S = 2.0
"""How long after the end its last lines are waited for: agents and recorder send them shortly after."""
LONG_OVER_S = 30.0
"""Of a task that ended longer ago nothing more is waited for."""
_MOST_KNOWN = 50_000
"""Lines remembered that came live and were not read in the database yet."""


class LogFollow:
    """An iterator over the lines of one task, each once, in a ``with`` block.

    Args:
        session: Database and broker.
        record: The task as it is recorded.
        level: Only lines of this level and above.
        limit: Most lines to begin with, the last ones; None begins with the first.
    """

    def __init__(self, session: Session, record: TaskRecord, level: int, limit: int | None) -> None:
        self._session = session
        self._record = record
        self._level = level
        self._limit = limit
        self._news = threading.Event()
        self._stream: AgentStream | None = None
        self._live: dict[LineId, None] = {}
        self._after: Place | None = None
        self._ended_at: float | None = None
        self._read_at = 0.0

    def __enter__(self) -> Self:
        from umbel_backend.events.agent_stream import AgentStream

        # Before the database is read, so that no line falls in between.
        self._stream = AgentStream(self._session.settings, self._news.set)
        self._stream.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._stream is not None:
            self._stream.stop(timeout_s=0.5)

    def __iter__(self) -> Iterator[LogLine]:
        yield from self._first()
        ended_at = self._record.finished_at
        if ended_at is not None and time.time() - ended_at > LONG_OVER_S:
            return
        while True:
            came = list(self._came())
            yield from came
            if time.monotonic() - self._read_at >= LOOK_EVERY_S:
                stored = list(self._stored())
                yield from stored
                self._look_at_end()
                came += stored
            if came:
                self._postpone_end()
            if self._ended_at is not None and time.monotonic() - self._ended_at > AFTER_END_S:
                yield from self._stored()
                return
            self._news.wait(LOOK_EVERY_S / 2)
            self._news.clear()

    def _first(self) -> Iterator[LogLine]:
        """Read what is stored already; what came live while it was read comes after it."""
        if self._limit is not None:
            history = self._session.history
            lines = history.log_end(self._record.id, self._limit, level=self._level)
            yield from self._not_yet_told(lines)
        yield from self._stored()

    def _stored(self) -> Iterator[LogLine]:
        """Read on in the database; what was told live is passed over."""
        self._read_at = time.monotonic()
        history = self._session.history
        while lines := history.log(self._record.id, self._after, level=self._level):
            yield from self._not_yet_told(lines)

    def _not_yet_told(self, lines: Iterable[LogLine]) -> Iterator[LogLine]:
        for line in lines:
            self._after = (line.at, line.n)
            # Kept until all of its task are over: it may be read live after it was stored.
            known = line_id(line) in self._live
            self._remember(line)
            if not known:
                yield line

    def _came(self) -> Iterator[LogLine]:
        """Take what came live."""
        assert self._stream is not None
        for batch in self._stream.take():
            for log in batch.told.logs:
                if log.id != self._record.id:
                    continue
                for line in log.lines:
                    if line.level >= self._level and line_id(line) not in self._live:
                        self._remember(line)
                        yield line

    def _remember(self, line: LogLine) -> None:
        self._live[line_id(line)] = None
        if len(self._live) > _MOST_KNOWN:
            del self._live[next(iter(self._live))]

    def _look_at_end(self) -> None:
        try:
            record = self._session.history.task(self._record.id)
        except NotFound:
            return
        if not record.is_ready:
            self._ended_at = None
        elif self._ended_at is None:
            self._ended_at = time.monotonic()

    def _postpone_end(self) -> None:
        """Wait on: something came."""
        if self._ended_at is not None:
            self._ended_at = time.monotonic()

"""Deletes log lines and exact messages that became too old, and the first lines of logs grown too long.

A step at a time, each a short transaction, so that nothing that is recorded waits for it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from umbel_backend.db.statements import retention
from umbel_backend.db.statements.retention import Taken
from umbel_backend.db.transaction import writing
from umbel_backend.errors import DatabaseUnavailable
from umbel_backend.events.agent_stream_door import AGENT_LOGGER
from umbel_backend.records import LogLine
from umbel_backend.settings import Settings

_DAY_S = 86_400.0
_EVERY_S = 600.0
_REST_S = 60.0
"""After the database failed."""
_NOTES_KEPT_S = 400 * _DAY_S
_SHARE = 0.9
"""Of its bound, to which a log is shortened: not for every line that comes anew."""
_CHECK_AFTER = 0.25
"""Of its bound, after which the log of a task is measured: what was there before is not in memory."""
_TASKS = 10_000
"""Tasks of which it is remembered how much they logged lately."""


class Retention:
    """What is to be deleted, and how far that is.

    Args:
        engine: The database.
        settings: For how long and up to which size to keep what.
        log: Where to say what was deleted.
    """

    def __init__(self, engine: sa.Engine, settings: Settings, log: logging.Logger) -> None:
        self._engine = engine
        self._log = log
        self._log_s = settings.log_days * _DAY_S
        self._message_s = settings.message_days * _DAY_S
        self._log_bytes = settings.log_bytes
        self._grown: dict[str, int] = {}
        self._long: dict[str, None] = {}
        self._due_at = self._rests_until = 0.0
        self._steps: Iterator[None] = iter(())

    def note(self, lines: Sequence[tuple[str, LogLine]]) -> None:
        """Note lines that were stored, with the ids of their tasks."""
        if not lines or not self._log_bytes:
            return
        grown = self._grown
        for task_id, line in lines:
            grown[task_id] = grown.get(task_id, 0) + len(line.text) + retention.LINE_BYTES
        limit = self._log_bytes * _CHECK_AFTER
        for task_id in [task_id for task_id, size in grown.items() if size > limit]:
            del grown[task_id]
            self._long[task_id] = None
        for task_id in list(grown)[: max(0, len(grown) - _TASKS)]:
            del grown[task_id]

    def step(self, now: float) -> bool:
        """Delete a little of what is due; returns whether anything was.

        Raises:
            DatabaseUnavailable: The database failed; it is tried again later.
        """
        if now < self._rests_until:
            return False
        try:
            next(self._steps)
        except StopIteration:
            return self._begin(now)
        except DatabaseUnavailable:
            self._steps = iter(())
            self._due_at = self._rests_until = now + _REST_S
            raise
        return True

    def _begin(self, now: float) -> bool:
        """Begin another round if one is due."""
        if self._long:
            self._steps = self._shorten(now)
        elif now >= self._due_at:
            self._due_at = now + _EVERY_S
            self._steps = self._forget_old(now)
        else:
            return False
        return True

    def _forget_old(self, now: float) -> Iterator[None]:
        lines = messages = 0
        if self._log_s:
            taken = Taken(until=0)
            while taken.until is not None:
                with writing(self._engine) as connection:
                    taken = retention.old_lines(connection, now - self._log_s, taken.until)
                    retention.note(connection, now, "log", "age", taken)
                lines += taken.rows
                yield
        if self._message_s:
            taken = Taken(until=0)
            while taken.until is not None:
                with writing(self._engine) as connection:
                    taken = retention.old_messages(connection, now - self._message_s)
                    retention.note(connection, now, "message", "age", taken)
                messages += taken.rows
                yield
        with writing(self._engine) as connection:
            retention.forget_notes(connection, now - _NOTES_KEPT_S)
        if lines or messages:
            self._log.info("deleted for their age: %d log lines, %d messages", lines, messages)

    def _shorten(self, now: float) -> Iterator[None]:
        while self._long:
            task_id = next(iter(self._long))
            with self._engine.connect() as connection:
                size = retention.size_of_log(connection, task_id)
            yield
            excess = 0 if size <= self._log_bytes else size - int(self._log_bytes * _SHARE)
            lines = 0
            while excess > 0:
                with writing(self._engine) as connection:
                    taken = retention.first_lines(connection, task_id, excess, AGENT_LOGGER)
                    retention.note(connection, now, "log", "size", taken)
                excess = excess - taken.bytes if taken.rows else 0
                lines += taken.rows
                yield
            del self._long[task_id]
            if lines:
                self._log.info("deleted the first %d lines that %s logged", lines, task_id)

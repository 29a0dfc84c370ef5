"""What a task writes by logging or print, kept with the run that wrote it."""

from __future__ import annotations

import itertools
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from umbel_agent import protocol
from umbel_agent.options import Options
from umbel_agent.records import CUT, TEXT_LIMIT, Redact, as_json
from umbel_agent.runs import Run, current_run
from umbel_agent.safety import note_fault
from umbel_agent.shipper import Shipper

Line = tuple[float, int, str, str]
"""When, level by Python's numbers, name of the logger, text."""

_NOT_KEPT = ("umbel_agent", "redis", "celery.app.trace")
"""Ours; the client we write with; and Celery's own word on how the task ended, which events tell."""
_LINES_PER_RECORD = 500
_BYTES_PER_RECORD = 100_000
_LINE_BYTES = 90
"""What a line takes beside its text, while it waits and in the stream."""

_formatter = logging.Formatter()


class Lines:
    """The record of some lines of one run."""

    __slots__ = ("_fields", "dropped", "is_full", "key", "lines", "size")

    def __init__(self, run: Run, fields: Mapping[str, Any]) -> None:
        self._fields = fields
        self.key = run.key
        self.size = 300
        self.lines: list[Line] = []
        self.dropped = 0
        self.is_full = False

    def add(self, more: Line | None) -> int:
        """Add a line; None counts one that is left out."""
        if more is None:
            self.dropped += 1
            return 0
        self.lines.append(more)
        self.is_full = len(self.lines) >= _LINES_PER_RECORD or self.size > _BYTES_PER_RECORD
        return len(more[3]) + _LINE_BYTES

    def entry(self, redact: Redact) -> bytes:
        """Return the lines as JSON, with secrets hidden."""
        lines = [(at, level, name, redact(text)) for at, level, name, text in self.lines]
        written = {"type": protocol.LOG, "timestamp": time.time(), **self._fields, "lines": lines}
        if self.dropped:
            written["dropped"] = self.dropped
        return as_json(written)


class TaskLogHandler(logging.Handler):
    """Keeps the lines of the task that is running in the thread that logs; leaves all others alone.

    Args:
        shipper: Takes the lines.
        options: Level and limits.
        describe: Returns the ``pid`` and ``boot`` of this process.
    """

    def __init__(
        self, shipper: Shipper, options: Options, describe: Callable[[], Mapping[str, Any]]
    ) -> None:
        super().__init__(options.log_level)
        self._shipper = shipper
        self._most_lines = options.log_lines
        self._most_bytes = options.log_bytes
        self._describe = describe
        # A name for this process: a pid comes again, and is another's elsewhere.
        self._series = f"u{os.urandom(8).hex()}"
        self._numbers = itertools.count(1)

    def createLock(self) -> None:
        """Need no lock: lines are put one by one into a queue that has its own."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Keep ``record`` if it is a task's; never raises."""
        try:
            if not record.name.startswith(_NOT_KEPT):
                run = current_run()
                if run is not None:
                    self._keep(run, record)
        except Exception:
            note_fault("keeping a log line")
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Do what `handle` does, for those who call this instead."""
        self.handle(record)

    def _keep(self, run: Run, record: logging.LogRecord) -> None:
        line: Line | None = None
        if run.lines < self._most_lines and run.bytes < self._most_bytes:
            text = _text_of(record)
            run.lines += 1
            run.bytes += len(text)
            line = (record.created, record.levelno, record.name, text)
        self._shipper.put_together(run.key, self._record, run, line)

    def _record(self, run: Run) -> Lines:
        fields = {"uuid": run.id, "hostname": run.hostname, **self._describe()}
        fields["id"] = f"{self._series}-{next(self._numbers)}"
        return Lines(run, {**fields, "retries": run.retries})


def _text_of(record: logging.LogRecord) -> str:
    try:
        # A handler before this one may have put the text together already.
        text = record.__dict__.get("message")
        if type(text) is not str:
            text = record.getMessage()
    except Exception:
        text = f"{record.msg!s:.500} (its arguments do not fit)"
    if record.exc_info or record.exc_text or record.stack_info:
        text += _attached(record)
    return text if len(text) <= TEXT_LIMIT else text[:TEXT_LIMIT] + CUT


def _attached(record: logging.LogRecord) -> str:
    try:
        trace = record.exc_text or (
            _formatter.formatException(record.exc_info) if record.exc_info else ""
        )
        stack = record.stack_info or ""
    except Exception:
        return ""
    return "".join(f"\n{part}" for part in (trace, stack) if part)


def attach(handler: logging.Handler, loggers: Iterable[logging.Logger]) -> None:
    """Add ``handler`` to ``loggers``, in the place of one of the same kind."""
    for logger in loggers:
        for other in list(logger.handlers):
            if isinstance(other, TaskLogHandler) and other is not handler:
                logger.removeHandler(other)
        if handler not in logger.handlers:
            logger.addHandler(handler)


def ends_of_propagation() -> list[logging.Logger]:
    """Return the loggers from which records go no further: the root, and those that do not propagate."""
    loggers = [logging.getLogger()]
    for logger in list(logging.root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger) and not logger.propagate and logger.handlers:
            loggers.append(logger)
    return loggers

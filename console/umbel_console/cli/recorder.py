"""``umbel recorder``: the daemon's process — its log, its signals, its end."""

from __future__ import annotations

import _thread
import json
import logging
import signal
import sys
import threading
from datetime import UTC, datetime
from types import FrameType

import click

from umbel_backend.broker.cluster import Cluster
from umbel_backend.recorder.service import run_recorder
from umbel_console.cli.session import Session

LOG_FORMATS = ("text", "json")


class _TextLines(logging.Formatter):
    """``2026-11-01T12:00:00.120Z INFO sentence``: one line a record, task data escaped."""

    def format(self, record: logging.LogRecord) -> str:
        from umbel_console.render.text import clean_cell

        return f"{_instant(record)} {record.levelname:<7} {clean_cell(_message(self, record))}"


class _JsonLines(logging.Formatter):
    """One JSON object a line: ``at``, ``level``, ``logger``, ``message``."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(
            {
                "at": _instant(record),
                "level": record.levelname.lower(),
                "logger": record.name,
                "message": _message(self, record),
            }
        )


def _instant(record: logging.LogRecord) -> str:
    text = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def _message(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    message = record.getMessage()
    if record.exc_info:
        message = f"{message} {formatter.formatException(record.exc_info)}"
    return message


def formatter(log_format: str) -> logging.Formatter:
    """Return what writes log lines in ``log_format``, one of `LOG_FORMATS`."""
    return _JsonLines() if log_format == "json" else _TextLines()


def log_to_stderr(log_format: str) -> logging.Logger:
    """Send what daemons log to stderr in ``log_format`` and return the logger to write to."""
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(formatter(log_format))
    root = logging.getLogger()
    root.addHandler(stream)
    # Libraries speak up only when something is wrong.
    root.setLevel(logging.WARNING)
    log = logging.getLogger("umbel")
    log.setLevel(logging.INFO)
    return log


def stop_on_signals(stop: threading.Event) -> None:
    """Set ``stop`` at SIGTERM or SIGINT; a second signal ends the process at once."""

    def asked(number: int, _frame: FrameType | None) -> None:
        # Not here: the main thread may hold the event's lock, being about to wait for it.
        _thread.start_new_thread(stop.set, ())
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, asked)


@click.command()
@click.option(
    "--log-format",
    type=click.Choice(LOG_FORMATS),
    default="text",
    show_default=True,
    envvar="UMBEL_LOG_FORMAT",
    help="How to write the log on stderr.",
)
@click.pass_obj
def recorder(session: Session, /, log_format: str) -> None:
    """Write what happens in the cluster into the database until stopped.

    One recorder is active for a database; a second one stands by and takes over when the first
    ends. SIGTERM and SIGINT end it cleanly: what was read is written first. A broker or database
    that cannot be reached at the start ends it with exit code 3; later it waits for them.
    """
    settings = session.settings
    # Only at the start: a broker that goes away later is waited for.
    cluster = Cluster(settings.context)
    cluster.check()
    cluster.close()
    stop = threading.Event()
    stop_on_signals(stop)
    run_recorder(settings, log=log_to_stderr(log_format), stop=stop)

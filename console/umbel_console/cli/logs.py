"""``umbel logs ID``: what a task logged and printed, from the database and, with ``--follow``, live."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

import click

from umbel_backend import wire
from umbel_backend.db.statements.logs import Place
from umbel_backend.levels import LEVELS, level_number, level_word
from umbel_backend.records import LogLine, TaskRecord
from umbel_console.cli.agents import missing_agent
from umbel_console.cli.history import History
from umbel_console.cli.log_follow import LogFollow
from umbel_console.cli.options import json_option
from umbel_console.cli.output import (
    json_text,
    plain,
    plain_lines,
    print_json_array,
    print_line,
    print_note,
    styled,
)
from umbel_console.cli.session import Session
from umbel_console.render.log_runs import Runs
from umbel_console.render.time import clock
from umbel_console.retention_words import log_too_old

_STYLES: dict[int, dict[str, Any]] = {
    50: {"fg": "red", "bold": True},
    40: {"fg": "red"},
    30: {"fg": "yellow"},
}


def _level(context: click.Context, parameter: click.Parameter, value: str | None) -> int:
    """Read ``--level``, as click's callback."""
    if value is None:
        return 0
    number = level_number(value)
    if number is None:
        words = ", ".join(word for _, word in reversed(LEVELS))
        raise click.BadParameter(
            f"{value!r} is no level; write {words} or a number.", context, parameter
        )
    return number


@click.command()
@click.argument("task_id", metavar="ID")
@click.option("--follow", is_flag=True, help="Go on with what comes, until the task has ended.")
@click.option("--level", metavar="L", callback=_level, help="Only lines of this level and above.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Print at most so many, the last ones; by default all.",
)
@json_option
@click.pass_obj
def logs(
    session: Session, /, task_id: str, follow: bool, level: int, limit: int | None, as_json: bool
) -> None:
    """Print what a task logged and printed; the beginning of an ID will do.

    With --json one array, or one object a line together with --follow.
    """
    history = session.history
    record = history.task(task_id)
    if follow:
        count, runs = 0, Runs()
        with LogFollow(session, record, level, limit) as lines:
            for line in lines:
                _print_line(line, runs, as_json=as_json)
                # Whoever reads a pipe wants each line when it comes.
                sys.stdout.flush()
                count += 1
    else:
        count = _print_all(_stored(history, record.id, level, limit), as_json=as_json)
    if not count:
        print_note(_why_none(session, record, level))


def _stored(history: History, task_id: str, level: int, limit: int | None) -> Iterator[LogLine]:
    if limit is not None:
        yield from history.log_end(task_id, limit, level=level)
        return
    after: Place | None = None
    while lines := history.log(task_id, after, level=level):
        yield from lines
        after = (lines[-1].at, lines[-1].n)


def _print_all(lines: Iterable[LogLine], *, as_json: bool) -> int:
    count = 0

    def counted() -> Iterator[LogLine]:
        nonlocal count
        for line in lines:
            count += 1
            yield line

    if as_json:
        print_json_array(wire.log_line(line) for line in counted())
    else:
        runs = Runs()
        for line in counted():
            _print_line(line, runs, as_json=False)
    return count


def _print_line(line: LogLine, runs: Runs, *, as_json: bool) -> None:
    if as_json:
        print_line(json_text(wire.log_line(line)))
        return
    words = runs.words_above(line)
    if words:
        print_line(styled(f"-- {words} --", dim=True))
    level = styled(f"{level_word(line.level):<8}", **_style(line.level))
    at = styled(clock(line.at, None, millis=True), dim=True)
    name = styled(plain(line.logger), dim=True)
    print_line(f"{at} {level} {name} {plain_lines(line.text.rstrip())}")


def _style(level: int) -> dict[str, Any]:
    return next((style for number, style in _STYLES.items() if level >= number), {})


def _why_none(session: Session, record: TaskRecord, level: int) -> str:
    missing = missing_agent(session, record)
    if missing is not None:
        return f"No line of this task is kept. {missing}"
    if level:
        return f"No line of {level_word(level)} or above is kept of this task."
    too_old = log_too_old(record, session.settings.log_days, time.time())
    if too_old is not None:
        return too_old
    if record.started_at is None and not record.is_ready:
        return "It has not started, so that it has logged nothing yet."
    return "No line of this task is kept: it logged none, or its agent ships none."

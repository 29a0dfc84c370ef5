"""What the commands that change something share: options, the door, the question, rows and exit codes."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click
import sqlalchemy as sa

from umbel_backend.acts import opening
from umbel_backend.acts.operator import Door, Job
from umbel_backend.acts.outcome import NOT_BEGUN, Outcome
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.urls import describe_url
from umbel_backend.db.engine import database_url, open_engine
from umbel_backend.errors import UmbelError
from umbel_console.cli.output import plain, print_json_array, print_note
from umbel_console.cli.session import Session
from umbel_console.cli.table import Column, print_table

if TYPE_CHECKING:
    from umbel_backend.settings import Context

F = TypeVar("F", bound=Callable[..., Any])

INTERRUPTED = 130
_BAR_FROM = 20
"""With fewer targets there is nothing to see of a progress bar."""

OUTCOME_STYLE: dict[str, dict[str, Any]] = {
    "done": {"fg": "green"},
    "partly": {"fg": "yellow"},
    "refused": {"fg": "red"},
    "unknown": {"fg": "red"},
    "interrupted": {"fg": "red"},
}


@dataclass(frozen=True, kw_only=True)
class ActOptions:
    """The options that all acts take; see `act_options`."""

    reason: str = ""
    yes: bool = False
    dry_run: bool = False
    rate: int | None = None
    """Targets a minute; None takes what is usual for the act."""
    as_json: bool = False


Row = Mapping[str, Any]
"""``target``, ``outcome``, ``detail``, and ``new_id`` where there is one."""


def act_options(command: F) -> F:
    """Give ``command`` the options that all acts take."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option(
            "--rate",
            type=click.IntRange(min=0),
            metavar="N",
            help="Targets a minute; 0 is unlimited.",
        ),
        click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing."),
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--reason", default="", metavar="TEXT", help="Why; kept in the audit."),
    ):
        command = option(command)
    return command


def filter_option(command: F) -> F:
    """Give ``command`` the option ``filter_text``."""
    return click.option(
        "--filter", "filter_text", metavar="FILTER", help="All tasks that match, instead of ids."
    )(command)


def at_work(session: Session) -> AbstractContextManager[tuple[Door, Cluster]]:
    """Open the cluster and the door to acts in it; see `umbel_backend.acts.opening`."""
    return opening.at_work(session.settings)


def open_door(session: Session) -> AbstractContextManager[Door]:
    """Open the door to acts, over a database that is made if there is none."""
    return opening.open_door(session.settings)


@contextmanager
def reading(session: Session) -> Iterator[sa.Engine | None]:
    """Open the database of this context to read from; None if there is none yet.

    Raises:
        DatabaseUnavailable: It cannot be read, or has another schema.
    """
    history = session.history
    if not history.is_ready():
        print_note(f"There is no database at {history.place} yet; the first act makes it.")
        yield None
        return
    engine = open_engine(database_url(session.context.db, session.context.broker), read_only=True)
    try:
        yield engine
    finally:
        engine.dispose()


def named_once(ids: Sequence[str], filter_text: str | None) -> list[str]:
    """Return the ids given, each once.

    Raises:
        click.UsageError: Neither ids nor a filter were given, or both.
    """
    if bool(ids) == (filter_text is not None):
        raise click.UsageError("Name tasks by their ids, or give --filter FILTER.")
    for task_id in ids:
        if not 0 < len(task_id) <= 255:
            raise click.UsageError("The id of a task has 1 to 255 characters.")
    return list(dict.fromkeys(ids))


def confirmed(
    context: Context,
    verb: str,
    targets: Sequence[str],
    options: ActOptions,
    by_filter: bool,
    doubt: str | None = None,
) -> bool:
    """Ask whether to go on; return True without asking where that was said, or nobody can be asked.

    Args:
        context: Where it is done.
        verb: What is done, for the question.
        targets: To what.
        options: Whether to ask at all.
        by_filter: Whether a filter chose the targets.
        doubt: What speaks against it, one sentence; then it is not done unasked.

    Raises:
        click.UsageError: Nobody can be asked, and it is too much to do unasked.
    """
    if options.yes:
        if doubt is not None:
            print_note(doubt)
        return True
    count = "1 task" if len(targets) == 1 else f"{len(targets):,} tasks"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        if by_filter or context.protected:
            why = "a filter" if by_filter else "a protected context"
            raise click.UsageError(f"With {why} and nobody to ask, --yes is needed ({count}).")
        if doubt is not None:
            raise click.UsageError(f"{doubt} --yes does it all the same.")
        return True
    first = ", ".join(targets[:3]) + (" …" if len(targets) > 3 else "")
    if doubt is not None:
        print_note(doubt)
    print_note(f"{verb} {count} in {context.name} ({describe_url(context.broker)}): {first}")
    if context.protected:
        typed: str = click.prompt(
            "Type the number of tasks to go on", err=True, default="", show_default=False
        )
        return typed.strip() == str(len(targets))
    return click.confirm("Go on?", default=False, err=True)


def carried_out(
    outcomes: Generator[tuple[str, Outcome], None, None],
    targets: Sequence[str],
    job: Callable[[], Job | None],
    verb: str,
) -> tuple[list[Row], int]:
    """Take the outcomes of an act as they come; return the rows and the exit code.

    Ctrl-C ends it after the target that is under way; the rest is told as not begun. So it is when the
    broker or the database goes away, and what was under way is then told as unknown.
    """
    rows: dict[str, Row] = {}
    code, why = None, "Stopped"
    try:
        with closing(outcomes), _bar(verb, len(targets)) as step:
            for target, outcome in outcomes:
                rows[target] = row(target, outcome)
                step()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except UmbelError as error:
        if job() is None:
            raise
        code, why = error.exit_code, plain(str(error)).rstrip(".")
    begun = job()
    if code is not None:
        known = begun.outcomes if begun is not None else {}
        rows |= {t: row(t, known.get(t, NOT_BEGUN)) for t in targets if t not in rows}
        done = sum(each["outcome"] == "done" for each in rows.values())
        left = sum(each["detail"] == NOT_BEGUN.detail for each in rows.values())
        print_note(f"{why}: {done:,} done, {left:,} of {len(targets):,} not begun.")
    listed = [rows[target] for target in targets if target in rows]
    return listed, exit_code(listed) if code is None else code


def row(target: str, outcome: Outcome) -> Row:
    """Return the public form of what came of ``target``."""
    new = {"new_id": outcome.new_id} if outcome.new_id is not None else {}
    return {"target": target, "outcome": outcome.outcome, "detail": outcome.detail, **new}


def exit_code(rows: Iterable[Row]) -> int:
    """Return 0 if all was done, else 1."""
    return 0 if all(each["outcome"] == "done" for each in rows) else 1


def show(rows: Sequence[Row], options: ActOptions) -> None:
    """Print ``rows``, and of several a summary on stderr."""
    if options.as_json:
        print_json_array(rows)
    else:
        print_table(_columns(any("new_id" in each for each in rows)), rows)
    if len(rows) > 1:
        counts = Counter(each["outcome"] for each in rows)
        print_note(", ".join(f"{count:,} {word}" for word, count in counts.most_common()) + ".")


def _columns(with_new: bool) -> list[Column[Row]]:
    columns: list[Column[Row]] = [
        Column("TASK", lambda r: r["target"], least=8),
        Column(
            "OUTCOME", lambda r: r["outcome"], style=lambda r: OUTCOME_STYLE.get(r["outcome"], {})
        ),
        Column("DETAIL", lambda r: r["detail"]),
    ]
    if with_new:
        columns.insert(2, Column("NEW TASK", lambda r: r.get("new_id"), least=8))
    return columns


@contextmanager
def _bar(verb: str, total: int) -> Iterator[Callable[[], None]]:
    """Show progress on a terminal's stderr."""
    if total < _BAR_FROM or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(verb, total=total)
        yield lambda: progress.advance(bar)

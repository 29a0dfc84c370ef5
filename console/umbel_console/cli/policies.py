"""``umbel policies`` and ``umbel policy``: what happens by itself when tasks fail."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from umbel_backend import wire
from umbel_backend.acts.outcome import Outcome
from umbel_backend.acts.policies import delete_retry_policy, set_retry_policy, target_of
from umbel_backend.db.query import run
from umbel_backend.errors import NotFound
from umbel_backend.policies.preview import NameCount, Preview, would_retry
from umbel_backend.policies.retry import RetryPolicy, checked, in_words
from umbel_backend.policies.stored import retry_policies
from umbel_console.cli.acts import ActOptions, Row, exit_code, open_door, reading, row
from umbel_console.cli.options import json_option, limit_option
from umbel_console.cli.output import plain, print_json_array, print_line, print_note
from umbel_console.cli.session import Session
from umbel_console.cli.table import Column, print_table
from umbel_console.cli.words import count, duration_option, since

if TYPE_CHECKING:
    import sqlalchemy as sa

F = TypeVar("F", bound=Callable[..., Any])

_SHOWN_FAILURES_S = 7 * 86_400.0


@click.command()
@limit_option(default=1000)
@json_option
@click.pass_obj
def policies(session: Session, /, limit: int, as_json: bool) -> None:
    """List the policies in the order in which workers ask them.

    A task that fails is retried as the first policy says whose pattern fits its name and whose exceptions
    fit what it raised. Workers need umbel_agent for that.
    """
    with reading(session) as engine:
        found = run(engine, retry_policies())[:limit] if engine is not None else []
    if as_json:
        print_json_array(map(_told, found))
        return
    print_table(_columns(time.time()), found)
    if not found:
        print_note("There is no policy: failed tasks are retried only by themselves.")


@click.group()
def policy() -> None:
    """Set and delete policies."""


def _kind(command: F) -> F:
    return click.argument("kind", type=click.Choice(["retry"]))(command)


def _options(command: F) -> F:
    for option in (
        json_option,
        click.option("--dry-run", is_flag=True, help="Show what it would match, and do nothing."),
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--reason", default="", metavar="TEXT", help="Why; kept in the audit."),
    ):
        command = option(command)
    return command


@policy.command(name="set")
@_kind
@click.argument("pattern")
@click.option("--exceptions", metavar="A,B", help="Classes to retry, their bases too; none is any.")
@click.option("--never", metavar="C,D", help="Classes not to retry.")
@click.option("--max-retries", type=int, metavar="N", help="Of one task.  [default: 3]")
@click.option(
    "--base-delay",
    "base_delay_s",
    callback=duration_option,
    metavar="S",
    help="Before the first retry.  [default: 2s]",
)
@click.option("--multiplier", type=float, metavar="X", help="For each further.  [default: 2]")
@click.option(
    "--max-delay",
    "max_delay_s",
    callback=duration_option,
    metavar="S",
    help="Before any.  [default: 10m]",
)
@click.option("--jitter", type=float, metavar="F", help="0 to 1, part of it.  [default: 0.1]")
@_options
@click.pass_obj
def set_policy(
    session: Session,
    /,
    kind: str,
    pattern: str,
    exceptions: str | None,
    never: str | None,
    as_json: bool,
    dry_run: bool,
    yes: bool,
    reason: str,
    **numbers: Any,
) -> int:
    """Set the policy of KIND for tasks whose name fits PATTERN, in which * stands for anything.

    Of a policy that is there already, what is not given stays. Workers with umbel_agent follow it within 5
    seconds; what tasks retry themselves (autoretry_for, self.retry) keeps its own limits.
    """
    options = ActOptions(reason=reason, yes=yes, dry_run=dry_run, as_json=as_json)
    given = {name: value for name, value in numbers.items() if value is not None}
    for name, text in (("exceptions", exceptions), ("never", never)):
        if text is not None:
            given[name] = tuple(part.strip() for part in text.split(",") if part.strip())
    if dry_run:
        with reading(session) as engine:
            wanted = checked(replace(_standing(engine, pattern), **given))
            _show_preview(wanted, _preview(engine, wanted), options)
        return 0
    with open_door(session) as door:
        wanted = checked(replace(_standing(door.engine, pattern), **given))
        # Whoever may not is told before they are asked.
        door.job("policy set", [target_of(pattern)], target_kind="policy", reason=reason)
        if not _confirmed(session, pattern, f"{pattern}: {in_words(wanted)}", options):
            return 1
        return _show(pattern, set_retry_policy(door, wanted, reason), options)


@policy.command(name="delete")
@_kind
@click.argument("pattern")
@_options
@click.pass_obj
def delete_policy(
    session: Session,
    /,
    kind: str,
    pattern: str,
    as_json: bool,
    dry_run: bool,
    yes: bool,
    reason: str,
) -> int:
    """Delete the policy of KIND for PATTERN; workers with umbel_agent follow within 5 seconds."""
    options = ActOptions(reason=reason, yes=yes, dry_run=dry_run, as_json=as_json)
    if dry_run:
        with reading(session) as engine:
            standing = run(engine, retry_policies()) if engine is not None else []
        found = next((each for each in standing if each.pattern == pattern), None)
        if found is None:
            raise NotFound(f"There is no retry policy for {pattern!r}.")
        said = f"would be deleted: {in_words(found)}"
        _print([{"target": target_of(pattern), "outcome": "dry run", "detail": said}], options)
        return 0
    with open_door(session) as door:
        door.job("policy delete", [target_of(pattern)], target_kind="policy", reason=reason)
        if not _confirmed(session, pattern, f"Delete the retry policy of {pattern}", options):
            return 1
        return _show(pattern, delete_retry_policy(door, pattern, reason), options)


def _standing(engine: sa.Engine | None, pattern: str) -> RetryPolicy:
    """Return the policy of ``pattern``, or one with the usual values."""
    standing = run(engine, retry_policies()) if engine is not None else []
    found = next((each for each in standing if each.pattern == pattern), None)
    return found or RetryPolicy(pattern=pattern)


def _confirmed(session: Session, pattern: str, what: str, options: ActOptions) -> bool:
    """On a protected context, let the pattern be typed."""
    context = session.context
    if options.yes or not context.protected:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError("With a protected context and nobody to ask, --yes is needed.")
    print_note(plain(f"{what}, in {context.name}"))
    typed: str = click.prompt("Type the pattern to go on", err=True, default="", show_default=False)
    if typed.strip() == pattern:
        return True
    print_note("Nothing was done.")
    return False


def _preview(engine: sa.Engine | None, wanted: RetryPolicy) -> Preview:
    if engine is None:
        return Preview([], 0, 0, 0, capped=False)
    return run(engine, would_retry(wanted, time.time() - _SHOWN_FAILURES_S))


def _show_preview(wanted: RetryPolicy, preview: Preview, options: ActOptions) -> None:
    words = in_words(wanted)
    if options.as_json:
        detail = (
            f"{words}; it fits {len(preview.names)} task names, of whose {preview.failed} failures in"
            f" 7 days it would have retried {preview.matching}"
        )
        names = [asdict(each) for each in preview.names]
        told = {"target": target_of(wanted.pattern), "outcome": "dry run", "detail": detail}
        print_json_array([{**told, "names": names}])
        return
    print_line(plain(f"{wanted.pattern}: {words}"))
    if preview.names:
        print_table(_PREVIEW, preview.names)
    else:
        print_note("History knows no task whose name fits; it would count for those to come.")
        return
    over = "at least " if preview.capped else ""
    print_note(
        f"Of {over}{preview.failed:,} failures in 7 days it would have retried"
        f" {preview.matching:,}."
    )
    if preview.unsure:
        print_note(
            f"Of {preview.unsure:,} more history knows the class of the exception, not its bases."
        )


def _show(pattern: str, outcome: Outcome, options: ActOptions) -> int:
    rows = [row(target_of(pattern), outcome)]
    _print(rows, options)
    return exit_code(rows)


def _print(rows: list[Row], options: ActOptions) -> None:
    if options.as_json:
        print_json_array(rows)
    else:
        print_line(plain(rows[0]["detail"]))


def _told(found: RetryPolicy) -> dict[str, Any]:
    fields = asdict(found)
    return {"kind": "retry", **fields, "changed_at": wire.iso(found.changed_at)}


def _columns(now: float) -> list[Column[RetryPolicy]]:
    return [
        Column("KIND", lambda _policy: "retry", rank=4),
        Column("PATTERN", lambda p: p.pattern, least=10),
        Column("WHAT IT DOES", in_words, least=20),
        Column("CHANGED", lambda p: since(p.changed_at, now), right=True, rank=1),
        Column("BY", lambda p: p.changed_by, rank=2),
    ]


_PREVIEW: list[Column[NameCount]] = [
    Column("TASK", lambda each: each.name, least=10),
    Column("FAILED IN 7 DAYS", lambda each: count(each.failed), right=True),
    Column("WOULD BE RETRIED", lambda each: count(each.matching), right=True),
]

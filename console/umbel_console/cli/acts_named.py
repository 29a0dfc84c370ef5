"""Acts on one thing that has a name: a queue, a type of tasks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from umbel_backend.acts.operator import Door
from umbel_backend.acts.outcome import Outcome
from umbel_backend.broker.urls import describe_url
from umbel_console.cli.acts import ActOptions, Row, exit_code, row
from umbel_console.cli.output import plain, print_json_array, print_line, print_note
from umbel_console.cli.session import Session

F = TypeVar("F", bound=Callable[..., Any])


def named_options(command: F) -> F:
    """Give ``command`` the argument ``name``, and the options of acts on one thing."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option("--dry-run", is_flag=True, help="Show how it stands, and do nothing."),
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--reason", default="", metavar="TEXT", help="Why; kept in the audit."),
    ):
        command = option(command)
    return click.argument("name")(command)


def act_on(
    session: Session,
    door: Door,
    action: str,
    name: str,
    options: ActOptions,
    *,
    kind: str,
    look: Callable[[str], str],
    act: Callable[[str, str], Outcome],
    is_final: bool = False,
) -> int:
    """Do it to ``name``, or show how that stands, and print what came of it; return the exit code.

    Args:
        session: The command's.
        door: Whoever may not is told before they are asked.
        action: The audit's word.
        name: What it is about.
        options: The command's.
        kind: What ``name`` is, as the audit calls it.
        look: Tells how it stands, for ``--dry-run``.
        act: Does it, given the name and the reason.
        is_final: It cannot be undone, so that the name is typed in any context.
    """
    if options.dry_run:
        _show({"target": name, "outcome": "dry run", "detail": look(name)}, options)
        return 0
    door.job(action, [name], target_kind=kind, reason=options.reason)
    if not options.yes and not _confirmed(session, action, name, kind, is_final=is_final):
        print_note("Nothing was done.")
        return 1
    told = row(name, act(name, options.reason))
    _show(told, options)
    return exit_code([told])


def _show(told: Row, options: ActOptions) -> None:
    if options.as_json:
        print_json_array([told])
    else:
        print_line(plain(f"{told['target']}: {told['outcome']}. {told['detail']}"))


def _confirmed(session: Session, action: str, name: str, kind: str, *, is_final: bool) -> bool:
    """Have the name typed for what cannot be undone, and wherever the context is protected."""
    context = session.context
    if not is_final and not context.protected:
        return True
    verb = action.rpartition(" ")[2]
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        why = verb if is_final else "a protected context"
        raise click.UsageError(f"With {why} and nobody to ask, --yes is needed.")
    print_note(f"{verb.capitalize()} {name} in {context.name} ({describe_url(context.broker)}).")
    typed: str = click.prompt(
        f"Type the name of the {kind} to go on", err=True, default="", show_default=False
    )
    return typed.strip() == name

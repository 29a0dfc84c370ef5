"""``umbel queue pause``, ``resume`` and ``purge``: acts on a whole queue."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from umbel_backend.acts.outcome import Outcome
from umbel_backend.acts.queue_acts import QueueActs
from umbel_backend.broker.urls import describe_url
from umbel_console.cli.acts import Row, at_work, exit_code, row
from umbel_console.cli.output import print_json_array, print_line, print_note
from umbel_console.cli.session import Session

F = TypeVar("F", bound=Callable[..., Any])


def _options(command: F) -> F:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option("--dry-run", is_flag=True, help="Show how it stands, and do nothing."),
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--reason", default="", metavar="TEXT", help="Why; kept in the audit."),
    ):
        command = option(command)
    return click.argument("name")(command)


@click.command()
@_options
@click.pass_obj
def pause(session: Session, /, name: str, reason: str, **flags: bool) -> int:
    """Have all workers stop consuming the queue NAME, until it is resumed.

    Workers that come online later are told too, by the recorder, and those with umbel_agent before they
    take a message. What workers have taken already goes on.
    """
    return _act(session, "pause", name, reason, **flags)


@click.command()
@_options
@click.pass_obj
def resume(session: Session, /, name: str, reason: str, **flags: bool) -> int:
    """Have workers consume the queue NAME again."""
    return _act(session, "resume", name, reason, **flags)


@click.command()
@_options
@click.pass_obj
def purge(session: Session, /, name: str, reason: str, **flags: bool) -> int:
    """Delete all messages that wait in the queue NAME; this cannot be undone.

    Asks for the name of the queue, or needs --yes.
    """
    return _act(session, "purge", name, reason, **flags)


def _act(
    session: Session,
    verb: str,
    name: str,
    reason: str,
    *,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    with at_work(session) as (door, cluster):
        acts = QueueActs(door, cluster)
        try:
            if dry_run:
                _show({"target": name, "outcome": "dry run", "detail": acts.look(name)}, as_json)
                return 0
            # Whoever may not is told before they are asked.
            door.job(f"queue {verb}", [name], target_kind="queue", reason=reason)
            if not yes and not _confirmed(session, verb, name):
                print_note("Nothing was done.")
                return 1
            act: Callable[[str, str], Outcome] = {
                "pause": acts.pause,
                "resume": acts.resume,
                "purge": acts.purge,
            }[verb]
            told = row(name, act(name, reason))
        finally:
            acts.close()
    _show(told, as_json)
    return exit_code([told])


def _show(told: Row, as_json: bool) -> None:
    if as_json:
        print_json_array([told])
    else:
        print_line(f"{told['target']}: {told['outcome']}. {told['detail']}")


def _confirmed(session: Session, verb: str, name: str) -> bool:
    """Have the name typed for what cannot be undone, and wherever the context is protected."""
    context = session.context
    if verb != "purge" and not context.protected:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        why = "purge" if verb == "purge" else "a protected context"
        raise click.UsageError(f"With {why} and nobody to ask, --yes is needed.")
    print_note(f"{verb.capitalize()} {name} in {context.name} ({describe_url(context.broker)}).")
    typed: str = click.prompt(
        "Type the name of the queue to go on", err=True, default="", show_default=False
    )
    return typed.strip() == name

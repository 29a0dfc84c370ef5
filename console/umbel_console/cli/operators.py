"""``umbel operators`` and ``umbel operator``: who may do what."""

from __future__ import annotations

from typing import Any

import click

from umbel_backend import wire
from umbel_backend.acts.identity import whoami
from umbel_backend.acts.operators import change_operator, drop_operator
from umbel_backend.acts.outcome import Outcome
from umbel_backend.acts.roles import OperatorRow, Role, every_operator, role_of
from umbel_console.cli.acts import ActOptions, open_door, reading, row
from umbel_console.cli.options import json_option, limit_option
from umbel_console.cli.output import plain, print_json_array, print_line, print_note
from umbel_console.cli.session import Session
from umbel_console.cli.table import Column, print_table
from umbel_console.cli.words import moment


@click.command()
@limit_option(default=1000)
@json_option
@click.pass_obj
def operators(session: Session, /, limit: int, as_json: bool) -> None:
    """List operators and their roles.

    While there is none everybody is admin; then whoever is not listed is a viewer. The broker's own
    credentials outrank all of this: whoever has them can do without Umbel.
    """
    with reading(session) as engine:
        found = every_operator(engine) if engine is not None else []
    if as_json:
        print_json_array(
            {
                "name": each.name,
                "role": each.role,
                "added_at": wire.iso(each.added_at),
                "added_by": each.added_by,
            }
            for each in found[:limit]
        )
    else:
        print_table(_COLUMNS, found[:limit])
    if not found:
        print_note("No operator is defined: everybody is admin.")
    you = whoami().name
    print_note(f"You are {you}, and your role is {role_of(you, found)}.")


@click.group()
def operator() -> None:
    """Give and take roles."""


def _options(command: Any) -> Any:
    for option in (
        json_option,
        click.option("--yes", is_flag=True, help="Do not ask; this command never does."),
        click.option("--reason", default="", metavar="TEXT", help="Why; kept in the audit."),
    ):
        command = option(command)
    return command


@operator.command()
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.OPERATOR.value,
    show_default=True,
    help="What they may do: look, act, or also give roles.",
)
@_options
@click.pass_obj
def add(session: Session, /, name: str, role: str, as_json: bool, **given: Any) -> None:
    """Give the operating system's user NAME a role, or another one."""
    options = ActOptions(as_json=as_json, **given)
    with open_door(session) as door:
        _show(name, change_operator(door, name, Role(role), options.reason), options)


@operator.command()
@click.argument("name")
@_options
@click.pass_obj
def remove(session: Session, /, name: str, as_json: bool, **given: Any) -> None:
    """Take NAME off the list, which makes them a viewer; the last admin stays."""
    options = ActOptions(as_json=as_json, **given)
    with open_door(session) as door:
        _show(name, drop_operator(door, name, options.reason), options)


def _show(name: str, outcome: Outcome, options: ActOptions) -> None:
    if options.as_json:
        print_json_array([row(name, outcome)])
    else:
        print_line(plain(outcome.detail))


_COLUMNS: list[Column[OperatorRow]] = [
    Column("OPERATOR", lambda o: o.name),
    Column("ROLE", lambda o: o.role),
    Column("SINCE", lambda o: moment(o.added_at), rank=1),
    Column("GIVEN BY", lambda o: o.added_by, rank=2),
]

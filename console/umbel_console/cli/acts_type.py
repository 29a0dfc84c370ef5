"""``--type`` of ``umbel pause`` and ``umbel resume``, and the list of all that is paused as a whole."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import click

from umbel_backend.acts.type_acts import KIND, TypeActs
from umbel_backend.db.query import run
from umbel_backend.db.statements import holds, worker_pauses
from umbel_backend.wire import iso
from umbel_console.cli.acts import ActOptions, at_work
from umbel_console.cli.acts_named import act_on
from umbel_console.cli.output import print_json_array, print_note
from umbel_console.cli.session import Session
from umbel_console.cli.table import Column, print_table
from umbel_console.render.time import ago

F = TypeVar("F", bound=Callable[..., Any])


def type_option(command: F) -> F:
    """Give ``command`` the option ``task_type``."""
    return click.option(
        "--type",
        "task_type",
        metavar="NAME",
        help="All tasks of that name, now and later; * stands for anything.",
    )(command)


def refuse_beside_others(*others: object) -> None:
    """Refuse what cannot stand beside ``--type``.

    Raises:
        click.UsageError: Something does.
    """
    if any(others):
        raise click.UsageError("--type stands alone, without ids, --filter or --workflow.")


def act_on_type(
    session: Session, verb: Literal["pause", "resume"], name: str, options: ActOptions
) -> int:
    """Pause or resume a type; print what came of it and return the exit code."""
    with at_work(session) as (door, cluster):
        acts = TypeActs(door, cluster)
        try:
            act = {"pause": acts.pause, "resume": acts.resume}[verb]
            return act_on(session, door, verb, name, options, kind=KIND, look=acts.look, act=act)
        finally:
            acts.close()


def show_paused(session: Session, options: ActOptions) -> int:
    """Print the types, queues and workers that are paused."""
    with at_work(session) as (door, cluster):
        acts = TypeActs(door, cluster)
        try:
            types = acts.paused()
        finally:
            acts.close()
        queues = run(door.engine, holds.paused())
        workers = run(door.engine, worker_pauses.paused())
    rows: list[dict[str, Any]] = [
        {"kind": kind, "name": name, "at": row.at, "operator": row.operator, "reason": row.reason}
        for kind, paused in (("type", types), ("queue", queues), ("worker", workers))
        for name, row in paused.items()
    ]
    if options.as_json:
        print_json_array({**row, "at": iso(row["at"])} for row in rows)
    elif rows:
        print_table(_columns(time.time()), rows)
    else:
        print_note("No type of tasks, no queue and no worker is paused.")
    if not options.as_json:
        print_note("Single tasks: umbel tasks state:PAUSED")
    return 0


def _columns(now: float) -> list[Column[dict[str, Any]]]:
    return [
        Column("KIND", lambda row: row["kind"]),
        Column("NAME", lambda row: row["name"], least=8),
        Column("SINCE", lambda row: ago(row["at"], now)),
        Column("BY", lambda row: row["operator"]),
        Column("REASON", lambda row: row["reason"] or None),
    ]

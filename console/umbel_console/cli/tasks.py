"""``umbel tasks`` and ``umbel task ID``: what history knows."""

from __future__ import annotations

import time

import click

from umbel_backend import states, wire
from umbel_backend.records import TaskRecord
from umbel_console.cli.filter_words import filter_argument, read_filter
from umbel_console.cli.kept_message import print_message
from umbel_console.cli.options import json_option, limit_option
from umbel_console.cli.output import print_json, print_json_array
from umbel_console.cli.session import Session
from umbel_console.cli.state_style import state_style
from umbel_console.cli.table import Column, print_table
from umbel_console.cli.task_detail import print_task
from umbel_console.cli.words import length, since


@click.command()
@filter_argument
@limit_option(default=50)
@json_option
@click.pass_obj
def tasks(session: Session, /, filter_words: tuple[str, ...], limit: int, as_json: bool) -> None:
    """List tasks from history, those that changed last first.

    FILTER is as in the console: state:FAILURE since:2h name:mail.* and so on. Write -- before a
    filter that begins with -.
    """
    query = read_filter(filter_words, session.context)
    found = session.history.tasks(query, limit=limit + 1)
    if as_json:
        print_json_array(wire.task(record) for record in found[:limit])
    else:
        print_table(_columns(time.time()), found[:limit])
    session.history.explain(found=len(found), limit=limit, noun="tasks")


@click.command()
@click.argument("task_id", metavar="ID")
@click.option("--message", is_flag=True, help="Show the exact message instead, the body as base64.")
@json_option
@click.pass_obj
def task(session: Session, /, task_id: str, message: bool, as_json: bool) -> None:
    """Show one task in full; the beginning of an ID will do while only one task has it.

    With --message exit code 1 when its exact message was not kept.
    """
    record = session.history.task(task_id)
    if message:
        print_message(session, record, as_json=as_json)
    elif as_json:
        print_json(wire.task(record))
    else:
        print_task(record)


def _columns(now: float) -> list[Column[TaskRecord]]:
    return [
        Column("STATE", lambda t: t.state, style=lambda t: state_style(t.state)),
        Column("TASK", lambda t: t.name, least=12),
        Column("ID", lambda t: t.id, least=8, rank=1),
        Column("QUEUE", lambda t: t.queue, least=6, rank=3),
        Column("WORKER", lambda t: t.worker, least=8, rank=4),
        Column("CHANGED", lambda t: since(t.state_at, now), right=True, rank=2),
        Column("RUNTIME", lambda t: length(_runtime(t, now)), right=True, rank=1),
        Column("TRY", lambda t: str(t.retries) if t.retries else "0", right=True, rank=6),
        Column("ARGUMENTS OR ERROR", _last_words, least=10, rank=5),
    ]


def _runtime(record: TaskRecord, now: float) -> float | None:
    if record.state == states.STARTED and record.started_at is not None:
        return max(0.0, now - record.started_at)
    return record.runtime_s


def _last_words(record: TaskRecord) -> str | None:
    if record.exception and record.state != states.SUCCESS:
        return record.exception
    return " ".join(text for text in (record.args, record.kwargs) if text not in (None, "", "{}"))

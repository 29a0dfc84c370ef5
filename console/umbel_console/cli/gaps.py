"""``umbel gaps``: what history knows that it does not know."""

from __future__ import annotations

import click

from umbel_backend import wire
from umbel_backend.records import Gap
from umbel_console.cli.options import json_option, limit_option
from umbel_console.cli.output import print_json_array
from umbel_console.cli.session import Session
from umbel_console.cli.table import Column, print_table
from umbel_console.cli.words import count, length, moment


@click.command()
@limit_option(default=100)
@json_option
@click.pass_obj
def gaps(session: Session, /, limit: int, as_json: bool) -> None:
    """List stretches of time in which events may have been missed, newest first."""
    found = session.history.gaps(limit=limit + 1)
    if as_json:
        print_json_array(wire.gap(gap) for gap in found[:limit])
    else:
        print_table(_COLUMNS, found[:limit])
    session.history.explain(found=len(found), limit=limit, noun="gaps")


def _lasted(gap: Gap) -> str | None:
    return "lasts" if gap.ended_at is None else length(gap.ended_at - gap.started_at)


_COLUMNS: list[Column[Gap]] = [
    Column("STARTED", lambda gap: moment(gap.started_at)),
    Column("LASTED", _lasted, right=True),
    Column("EVENTS LOST", lambda gap: count(gap.events_lost), right=True, rank=2),
    Column("SOURCE", lambda gap: gap.source, least=8, rank=1),
    Column("REASON", lambda gap: gap.reason, least=20),
]

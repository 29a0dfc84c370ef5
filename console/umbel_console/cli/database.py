"""``umbel db``: the schema of the history database."""

from __future__ import annotations

import click

from umbel_console.cli.options import json_option, yes_option
from umbel_console.cli.output import plain, print_json, print_line
from umbel_console.cli.session import Session
from umbel_console.cli.table import print_facts
from umbel_console.cli.words import count, size


@click.group()
def db() -> None:
    """Look after the history database."""


@db.command()
@yes_option
@click.pass_obj
def upgrade(session: Session, /) -> None:
    """Bring the database to this version's schema; makes it if there is none.

    It may be run at any time and any number of times; nothing in the database is lost.
    """
    history = session.history
    applied = history.upgrade()
    if applied:
        steps = ", ".join(str(version) for version in applied)
        print_line(f"{plain(history.place)}: applied schema version {steps}.")
    else:
        print_line(f"{plain(history.place)}: nothing to do.")


@db.command()
@json_option
@click.pass_obj
def status(session: Session, /, as_json: bool) -> int:
    """Tell where the database is and whether its schema is current; exit code 1 if it is not."""
    history = session.history
    exists = history.exists()
    schema = history.schema() if exists else None
    is_current = schema is not None and not schema.pending
    facts = {
        "database": history.place,
        "exists": exists,
        "schema": schema.current if schema else None,
        "newest": schema.newest if schema else None,
        "search_indexed": schema.search_indexed if schema else None,
        "size_bytes": history.size_bytes(),
        "tasks": history.total() if is_current else None,
        "recorder": history.recorder() if is_current else None,
    }
    if as_json:
        print_json(facts)
    else:
        print_facts(_lines(facts))
    return 0 if is_current else 1


def _lines(facts: dict[str, object]) -> list[tuple[str, str | None]]:
    if not facts["exists"]:
        return [("database", str(facts["database"])), ("schema", "there is no database yet")]
    indexed = {True: "indexed", False: "not indexed", None: None}
    size_bytes, tasks = facts["size_bytes"], facts["tasks"]
    search_indexed = facts["search_indexed"]
    return [
        ("database", str(facts["database"])),
        ("schema", f"{facts['schema']} of {facts['newest']}"),
        ("text search", indexed[search_indexed if isinstance(search_indexed, bool) else None]),
        ("size", size(size_bytes) if isinstance(size_bytes, int) else None),
        ("tasks", count(tasks) if isinstance(tasks, int) else None),
        ("recorder", str(facts["recorder"] or "none is running")),
    ]

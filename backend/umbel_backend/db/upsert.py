"""The SQL that puts tasks into the database: staged in bulk, then merged in one statement.

Staging matters most for SQLite's full-text index, which flushes at the end of every statement: one
statement for a whole batch costs a quarter more than no index at all, one per row three times as
much.

When a task is there already:

* the newer record wins (``state_at``); between equals, one with an end wins over one without;
* an end wins over no end of the same or an earlier try whatever the clocks say, for hosts' clocks
  step, and an end that is refused would never come again;
* LOST is a guess: it never replaces an outcome that was seen, and any outcome replaces it;
* a record that loses changes nothing.

The winner replaces everything that depends on the state. Of what a task *is* (name, arguments,
queue, family, when it was sent) it replaces only what it knows, for a recorder that came late has
seen no more than the end; and a repr never replaces exact arguments.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import msgspec
import sqlalchemy as sa

from umbel_backend.db.tables import task
from umbel_backend.records import TaskRecord

_COMPUTED = ("progress", "tags", "attempts")
PLAIN_COLUMNS = tuple(
    column.name for column in task.columns if column.name not in ("n", *_COMPUTED)
)
"""Columns that hold a record's field as it is."""
COLUMNS = (*PLAIN_COLUMNS, *_COMPUTED)

_KEPT_IF_UNKNOWN = frozenset(
    {
        "queue",
        "priority",
        "worker",
        "sent_at",
        "received_at",
        "root_id",
        "parent_id",
        "group_id",
        "retry_of",
        "eta",
        "expires",
        "tags",
        "acks_late",
    }
)
_ARGUMENTS = frozenset({"args", "kwargs", "args_exact", "args_complete"})

_Row = Callable[[TaskRecord], tuple[Any, ...]]
_plain: _Row = attrgetter(*PLAIN_COLUMNS)
_encode = msgspec.json.Encoder().encode


def row(record: TaskRecord) -> tuple[Any, ...]:
    """Return the values of `COLUMNS` for ``record``."""
    progress, tags = record.progress, record.tags
    return (
        *_plain(record),
        None if progress is None else _as_json(progress),
        _as_json(tags) if tags else None,
        len(record.attempts),
    )


def _as_json(value: Any) -> str:
    return _encode(value).decode()


def _compiled_sqlite_row() -> _Row:
    """Make `sqlite_row`: one expression over all columns takes half the time of a loop over them."""
    values = []
    for column in task.columns:
        if isinstance(column.type, sa.Boolean):
            truth = f"null if (value := record.{column.name}) is None else +value"
            values.append(truth if column.nullable else f"+record.{column.name}")
        elif column.nullable:
            values.append(f"null if (value := record.{column.name}) is None else value")
        else:
            values.append(f"record.{column.name}")
    plain = dict(zip(task.columns.keys(), values, strict=True))
    fields = [plain[name] for name in PLAIN_COLUMNS]
    fields.append("null if (value := record.progress) is None else as_json(value)")
    fields.append("as_json(value) if (value := record.tags) else null")
    fields.append("len(record.attempts)")
    names = {"null": math.nan, "as_json": _as_json}
    made: _Row = eval(f"lambda record: ({', '.join(f'({field})' for field in fields)})", names)
    return made


sqlite_row = _compiled_sqlite_row()
"""`row` for Python's SQLite driver, which passes text and numbers straight on, but asks its registry of
adapters about each None and each truth: two thirds of the time of binding a row. So a truth is a
number here, and None is NaN, which SQLite stores as NULL."""


def merge_staged(staged: str, greatest: str) -> str:
    """Return the statement that merges the table ``staged`` into ``task``.

    Args:
        staged: A table with `COLUMNS`.
        greatest: The database's name for the larger of two values.
    """
    names = ", ".join(COLUMNS)
    settings = ", ".join(f"{name} = {_value(name, greatest)}" for name in COLUMNS if name != "id")
    return (
        f"INSERT INTO task ({names}) SELECT {names} FROM {staged} WHERE true"
        f" ON CONFLICT (id) DO UPDATE SET {settings} WHERE {_WINS}"
    )


_WINS = """(
    excluded.state_at > task.state_at
    OR (excluded.state_at = task.state_at
        AND (task.finished_at IS NULL OR excluded.finished_at IS NOT NULL))
    OR (excluded.finished_at IS NOT NULL
        AND (task.state = 'LOST'
            OR (task.finished_at IS NULL AND excluded.retries >= task.retries)))
) AND NOT (
    excluded.state = 'LOST' AND task.finished_at IS NOT NULL AND task.state <> 'LOST'
)"""


def _value(name: str, greatest: str) -> str:
    new, old = f"excluded.{name}", f"task.{name}"
    if name in _KEPT_IF_UNKNOWN:
        return f"coalesce({new}, {old})"
    if name == "name":
        return f"CASE WHEN {new} = '' THEN {old} ELSE {new} END"
    if name in _ARGUMENTS:
        return (
            "CASE WHEN (excluded.args IS NULL AND excluded.kwargs IS NULL)"
            f" OR (task.args_exact AND NOT excluded.args_exact) THEN {old} ELSE {new} END"
        )
    if name == "started_at":
        # The end of a run whose start was only seen by an earlier recorder.
        return (
            f"CASE WHEN {new} IS NULL AND excluded.finished_at IS NOT NULL"
            f" AND excluded.attempts <= task.attempts THEN {old} ELSE {new} END"
        )
    if name == "attempts":
        return f"{greatest}({new}, {old})"
    return new

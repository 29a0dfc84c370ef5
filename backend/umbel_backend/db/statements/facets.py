"""How often each value occurs among what a filter matches, and which values there are at all.

Both stay quick at any size of the history: values are counted over the newest matches only, and
listed by walking an index from one value to the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from umbel_backend.db.query import Plan, Query
from umbel_backend.db.statements.texts import exception_class, folded
from umbel_backend.db.tables import task, task_tag

Where = sa.ColumnElement[bool]
Span = tuple[float, float]
"""From, included, and to, not included, in Unix seconds."""

COLUMNS: Final[Mapping[str, str]] = {
    "state": "state",
    "name": "name",
    "queue": "queue",
    "worker": "worker",
    "exc": "exception",
}
"""The column behind each field that is counted; of an exception its class."""

NEWEST: Final = 10_000
"""Matches that are looked at: about 50 ms on SQLite."""
MOST_VALUES: Final = 500
"""Values of one field that are told, the most frequent ones."""
_OF_ALL: Final = "all"
_OLDEST: Final = "oldest"
_SPAN: Final = "span"


@dataclass(slots=True)
class Counted:
    """What was counted."""

    tasks: int = 0
    """Matches that were looked at, the newest ones."""
    capped: bool = False
    """There may be older matches that were not looked at."""
    values: dict[str, list[tuple[str | None, int]]] = field(default_factory=dict)
    """By field, the most frequent first; None stands for "not known", and is left out of ``exc``."""
    spans: list[tuple[int, bool]] = field(default_factory=list)
    """For each span how many matches lie in it, and whether there may be more."""


def counts(
    where: Where,
    fields: Sequence[str],
    *,
    spans: Sequence[Span] = (),
    newest: int = NEWEST,
) -> Query[Counted]:
    """Count the values of ``fields`` among the newest tasks that meet ``where``, in one statement.

    Args:
        where: A condition on `task`.
        fields: Keys of `COLUMNS`, or ``tag.KEY``.
        spans: Stretches of time whose last changes of state are counted.
        newest: Most tasks to look at.
    """

    def plan(dialect: str) -> Plan[Counted]:
        rows = yield counts_rows(where, fields, dialect, spans, newest)
        found = Counted(values={name: [] for name in fields})
        oldest, inside = 0.0, [0] * len(spans)
        for name, value, number in rows:
            if name == _OF_ALL:
                found.tasks, found.capped = number, number >= newest
            elif name == _OLDEST:
                oldest = float(value or 0.0)
            elif name == _SPAN:
                inside[int(value)] = number or 0
            else:
                found.values[name].append((value, number))
        found.spans = [
            (number, found.capped and low <= oldest)
            for number, (low, _) in zip(inside, spans, strict=True)
        ]
        return found

    return Query(plan)


def counts_rows(
    where: Where, fields: Sequence[str], dialect: str, spans: Sequence[Span], newest: int
) -> sa.CompoundSelect[Any]:
    """Return the statement behind `counts`, for those who look at its plan."""
    plain = [name for name in fields if name in COLUMNS]
    keys = [name.removeprefix("tag.") for name in fields if name not in COLUMNS]
    sample = (
        sa.select(task.c.n, task.c.state_at, *(_value(name, dialect) for name in plain))
        .where(where)
        .order_by(task.c.state_at.desc(), task.c.n.desc())
        .limit(newest)
        .cte("newest")
    )
    number = sa.func.count()
    parts = [
        _row(_OF_ALL, sa.null(), number).select_from(sample),
        _row(_OLDEST, sa.cast(sa.func.min(sample.c.state_at), sa.Text), sa.literal(0)),
        *(_most_frequent(name, sample, sample.c[name]) for name in plain),
        *(_most_frequent(f"tag.{key}", *_tagged(sample, key)) for key in keys),
    ]
    for place, (low, high) in enumerate(spans):
        is_in = sa.case((sa.and_(sample.c.state_at >= low, sample.c.state_at < high), 1), else_=0)
        parts.append(_row(_SPAN, sa.literal(str(place)), sa.func.sum(is_in)))
    return sa.union_all(*parts)


def _value(name: str, dialect: str) -> sa.ColumnElement[Any]:
    column: sa.ColumnElement[Any] = task.c[COLUMNS[name]]
    if name == "exc":
        column = exception_class(dialect)
    return sa.func.nullif(column, "").label(name)


def _row(name: str, value: Any, number: Any) -> sa.Select[Any]:
    told: Sequence[sa.ColumnElement[Any]] = (
        sa.literal(name, sa.Text).label("field"),
        sa.cast(value, sa.Text).label("value"),
        sa.cast(number, sa.BigInteger).label("number"),
    )
    return sa.select(*told)


def _most_frequent(
    name: str, source: sa.FromClause, value: sa.ColumnElement[Any]
) -> sa.Select[Any]:
    grouped = (
        sa.select(value.label("value"), sa.func.count().label("number"))
        .select_from(source)
        .group_by(value)
        .order_by(sa.func.count().desc(), value)
        .limit(MOST_VALUES)
    )
    if name == "exc":
        grouped = grouped.where(value.is_not(None))
    most = grouped.subquery()
    return _row(name, most.c.value, most.c.number)


def _tagged(sample: sa.CTE, key: str) -> tuple[sa.FromClause, sa.ColumnElement[Any]]:
    tags = task_tag.alias()
    joined = sample.outerjoin(tags, sa.and_(tags.c.task_n == sample.c.n, tags.c.key == key))
    return joined, sa.func.nullif(tags.c.value, "")


def known(
    field: str, begun: str, *, limit: int = 20, cap: int = NEWEST
) -> Query[list[tuple[str, int]]]:
    """Read values of ``field`` in all of history that begin with ``begun``, whatever their case.

    In alphabetical order, each with the number of its tasks, counted to ``cap`` + 1. Values that
    differ in case alone are one.

    Args:
        field: ``name``, ``queue``, ``worker``, ``exc`` or ``tag.KEY``: each has an index.
        begun: What is typed of the value.
        limit: Most values.
        cap: Where counting ends.
    """

    def plan(dialect: str) -> Plan[list[tuple[str, int]]]:
        shown, ordered, among = _indexed(field, dialect)
        found: list[tuple[str, int]] = []
        after: sa.ColumnElement[bool] = ordered >= _lower(begun)
        while len(found) < limit:
            rows = yield sa.select(shown).where(*among, after).order_by(ordered).limit(1)
            value = rows[0][0] if rows else None
            if value is None or not _lower(value).startswith(_lower(begun)):
                break
            if value:
                some = sa.select(sa.literal(1)).where(*among, ordered == _lower(value))
                capped = some.limit(cap + 1).subquery()
                number = yield sa.select(sa.func.count()).select_from(capped)
                found.append((value, number[0][0]))
            after = ordered > _lower(value)
        return found

    return Query(plan)


def _indexed(
    field: str, dialect: str
) -> tuple[sa.ColumnElement[Any], sa.ColumnElement[Any], list[sa.ColumnElement[bool]]]:
    """Return the value, the same as its index orders it, and what else the index needs to be told."""
    if field == "exc":
        shown: sa.ColumnElement[Any] = exception_class(dialect)
        return shown, folded(shown, dialect), [task.c.exception.is_not(None)]
    if field in COLUMNS:
        return task.c[field], folded(task.c[field], dialect), []
    key = field.removeprefix("tag.")
    return task_tag.c.value, folded(task_tag.c.value, dialect), [task_tag.c.key == key]


def _lower(text: str) -> str:
    """Return ``text`` with its ASCII letters alone in lower case, as both databases fold it."""
    return text.encode(errors="replace").lower().decode()

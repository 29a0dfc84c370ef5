"""Pages of the task history in the order of a column, with keyset paging both ways.

A column that an index orders is read through it, over all tasks. Any other column, and any column
under a filter, orders the newest `SORTED` matches: they are fetched one by one for every page, so
that a page costs the same at any depth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

import sqlalchemy as sa

from umbel_backend.db.query import Plan, Query, Rows
from umbel_backend.db.statements import records
from umbel_backend.db.statements.tasks import Where
from umbel_backend.db.statements.texts import exception_class, folded
from umbel_backend.db.tables import task
from umbel_backend.records import TaskRecord

SORTED: Final = 10_000
"""Most matches that are put in order where no index does it."""

Element = sa.ColumnElement[Any]


@dataclass(frozen=True, slots=True)
class Key:
    """What tasks are ordered by; ties by the last change of state, then as they were first seen."""

    value: Callable[[str], Element]
    """From the dialect's name to the expression."""
    of: Callable[[Any], Any]
    """From a row of the table to the same value, before its case is folded."""
    source: Element
    """The column whose NULL stands behind every value, whichever way the order runs."""
    is_text: bool = False
    """Compared without regard to the case of ASCII letters, as filters do."""
    is_indexed: bool = True


def _column(column: sa.Column[Any], *, is_text: bool = False, is_indexed: bool = True) -> Key:
    def value(dialect: str) -> Element:
        return folded(column, dialect) if is_text else column

    return Key(value, attrgetter(column.name), column, is_text, is_indexed)


_ARGUMENTS = sa.func.coalesce(task.c.args, "") + " " + sa.func.coalesce(task.c.kwargs, "")

KEYS: Final[Mapping[str, Key]] = {
    "state": _column(task.c.state),
    "name": _column(task.c.name, is_text=True),
    "id": _column(task.c.id),
    "state_at": _column(task.c.state_at),
    "runtime_s": _column(task.c.runtime_s, is_indexed=False),
    "worker": _column(task.c.worker, is_text=True),
    "queue": _column(task.c.queue, is_text=True),
    "exception": Key(
        lambda dialect: folded(exception_class(dialect), dialect),
        lambda row: None if row.exception is None else row.exception.partition(":")[0],
        task.c.exception,
        is_text=True,
    ),
    "retries": _column(task.c.retries, is_indexed=False),
    "args": Key(
        lambda dialect: folded(_ARGUMENTS, dialect),
        lambda row: None if row.args is None else f"{row.args} {row.kwargs or ''}",
        task.c.args,
        is_text=True,
        is_indexed=False,
    ),
}
"""What pages can be ordered by: columns of `task`, ``exception`` by its class.

An index of ``runtime_s`` would take a seventh of the rate at which tasks are written.
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a task stands in an order."""

    value: Any
    """Of the key; None for a task without."""
    state_at: float
    n: int


@dataclass(frozen=True, slots=True)
class SortedPage:
    """Some tasks in the order asked for."""

    tasks: list[TaskRecord]
    first: Place | None
    last: Place | None
    more: bool
    """Whether there are tasks beyond, on the side that was read towards."""
    among: int | None
    """How many of the newest matches were put in order; None if all were."""


def page(
    key: str,
    where: Where | None,
    *,
    descending: bool = False,
    after: Place | None = None,
    before: Place | None = None,
    limit: int = 20,
) -> Query[SortedPage]:
    """Read the tasks that stand next to a place in the order of ``key``; those without it come last.

    Args:
        key: One of `KEYS`.
        where: What is asked for; None for every task.
        descending: The largest first, and of equal ones the latest.
        after: The place above the page; with neither place the page is the first one.
        before: The place below the page.
        limit: Most tasks.
    """

    def plan(dialect: str) -> Plan[SortedPage]:
        order = _Order(KEYS[key], dialect, where, descending if before is None else not descending)
        rows: list[Any] = []
        for statement in order.statements(after or before, limit + 1, backwards=before is not None):
            found: Rows = yield statement
            rows += found
            if len(rows) > limit:
                break
        shown = rows[:limit] if before is None else rows[:limit][::-1]
        tasks = yield from records.complete(shown, dialect)
        value_of = KEYS[key].of
        places = [Place(value_of(row), row.state_at, row.n) for row in (*shown[:1], *shown[-1:])]
        first, last = (places[0], places[-1]) if places else (None, None)
        return SortedPage(tasks, first, last, len(rows) > limit, order.among)

    return Query(plan)


def page_statements(
    key: str, where: Where | None, dialect: str, *, after: Place | None = None, limit: int = 20
) -> list[sa.Select[Any]]:
    """Return the statements behind `page`, for those who look at their plans."""
    order = _Order(KEYS[key], dialect, where, False)
    return list(order.statements(after, limit, backwards=False))


class _Order:
    """One order of tasks, as statements."""

    def __init__(self, key: Key, dialect: str, where: Where | None, descending: bool) -> None:
        self._key = key
        self._dialect = dialect
        self._value = key.value(dialect)
        self._descending = descending
        self._chosen: Element | None = None
        if where is not None or not key.is_indexed:
            newest = sa.select(task.c.n).order_by(task.c.state_at.desc(), task.c.n.desc())
            some = (newest if where is None else newest.where(where)).limit(SORTED)
            self._chosen = task.c.n.in_(sa.select(some.subquery().c.n))
        self.among = None if self._chosen is None else SORTED

    def statements(
        self, place: Place | None, limit: int, *, backwards: bool
    ) -> Iterator[sa.Select[Any]]:
        """Yield what reads on from ``place``, one after the other until there is enough.

        First the rest of the tasks with the value of the place, then those with other values, last
        those without any; the other way round ``backwards``. In one statement no database seeks by
        both value and place.
        """
        source = self._key.source
        without, having = source.is_(None), source.is_not(None)
        if place is not None and place.value is None:
            yield self._stretch(sa.and_(without, self._beyond(place)), limit)
            if backwards:
                yield self._stretch(having, limit, is_mixed=True)
            return
        if place is not None:
            own = self._literal(place.value)
            further = self._value < own if self._descending else self._value > own
            yield self._stretch(sa.and_(having, self._value == own, self._beyond(place)), limit)
            yield self._stretch(sa.and_(having, further), limit, is_mixed=True)
        else:
            yield self._stretch(having, limit, is_mixed=True)
        if not backwards:
            yield self._stretch(without, limit)

    def _stretch(self, stretch: Element, limit: int, *, is_mixed: bool = False) -> sa.Select[Any]:
        """Read some of a stretch in which the values are the same, or ``is_mixed``."""
        if self._chosen is None:
            whole = sa.select(*records.COLUMNS).where(stretch)
            return self._in_order(whole, is_mixed).limit(limit)
        # The database sorts numbers here, and fetches whole rows for the page alone.
        few = self._in_order(sa.select(task.c.n).where(self._chosen, stretch), is_mixed)
        page = task.c.n.in_(sa.select(few.limit(limit).subquery().c.n))
        return self._in_order(sa.select(*records.COLUMNS).where(page), is_mixed)

    def _in_order(self, statement: sa.Select[Any], is_mixed: bool) -> sa.Select[Any]:
        # Of an expression SQLite does not see that it is the same in every row.
        columns: list[Any] = [task.c.state_at, task.c.n]
        if is_mixed and self._value is not task.c.state_at:
            columns.insert(0, self._value)
        return statement.order_by(*(c.desc() if self._descending else c for c in columns))

    def _beyond(self, place: Place) -> Element:
        here = sa.tuple_(task.c.state_at, task.c.n)
        there = sa.tuple_(sa.literal(place.state_at), sa.literal(place.n))
        return here < there if self._descending else here > there

    def _literal(self, value: Any) -> Element:
        literal = sa.literal(value, sa.Text) if self._key.is_text else sa.literal(value)
        # SQLite compares without case because the column's side does; PostgreSQL compares as it is.
        is_folded = self._key.is_text and self._dialect == "postgresql"
        return folded(literal, self._dialect) if is_folded else literal

"""Reads of the task history. ``where`` is any condition on `tables.task`, usually a filter's."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from umbel_backend.db.query import Plan, Query
from umbel_backend.db.statements import records
from umbel_backend.db.tables import task
from umbel_backend.records import TaskRecord

Where = sa.ColumnElement[bool]

EVERY: Where = sa.true()
"""The condition that every task meets."""

_MOST_IDS = 10_000
_LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the history, between tasks; stays where it is when tasks are added."""

    state_at: float
    n: int


@dataclass(frozen=True, slots=True)
class Page:
    """Some tasks in the order asked for."""

    tasks: list[TaskRecord]
    first: Cursor | None
    """The place of the first task, to turn back from with ``newest_first`` reversed; None if empty."""
    last: Cursor | None
    """The place of the last task, to go on from; None if empty."""
    more: bool
    """Whether there are tasks after the last."""


@dataclass(frozen=True, slots=True)
class CappedCount:
    """How many there are, counted no further than a cap."""

    count: int
    capped: bool
    """There are more than ``count``."""


@dataclass(frozen=True, slots=True)
class FacetCount:
    """How often one value occurs."""

    value: str | int | None
    count: int


@dataclass(frozen=True, slots=True)
class Facet:
    """The most frequent values of a column."""

    counts: list[FacetCount]
    tasks: int
    """How many tasks were counted, the newest ones."""
    capped: bool
    """There are older tasks that were not counted."""


def page(
    where: Where, *, newest_first: bool = True, before: Cursor | None = None, limit: int = 20
) -> Query[Page]:
    """Read the tasks that come next after ``before`` by their last change of state.

    Equally fast at any depth. With ``newest_first`` false the order and the sense of ``before``
    are turned round, which is how to page back.
    """

    def plan(dialect: str) -> Plan[Page]:
        rows = yield page_rows(where, newest_first=newest_first, before=before, limit=limit + 1)
        shown = rows[:limit]
        tasks = yield from records.complete(shown, dialect)
        places = [Cursor(row.state_at, row.n) for row in (*shown[:1], *shown[-1:])]
        first, last = (places[0], places[-1]) if places else (None, None)
        return Page(tasks, first, last, len(rows) > limit)

    return Query(plan)


def page_rows(
    where: Where, *, newest_first: bool = True, before: Cursor | None = None, limit: int
) -> sa.Select[Any]:
    """Return the statement behind `page`, for those who look at its plan."""
    place = sa.tuple_(task.c.state_at, task.c.n)
    statement = sa.select(*records.COLUMNS).where(where).limit(limit)
    if before is not None:
        other = sa.tuple_(sa.literal(before.state_at), sa.literal(before.n))
        statement = statement.where(place < other if newest_first else place > other)
    if newest_first:
        return statement.order_by(task.c.state_at.desc(), task.c.n.desc())
    return statement.order_by(task.c.state_at, task.c.n)


def by_id(id_or_prefix: str, *, limit: int = 10) -> Query[list[TaskRecord]]:
    """Read the task of this id, or else those whose id begins so, at most ``limit``."""

    def plan(dialect: str) -> Plan[list[TaskRecord]]:
        rows = yield sa.select(*records.COLUMNS).where(task.c.id == id_or_prefix)
        if not rows and id_or_prefix:
            begins = task.c.id.between(id_or_prefix, id_or_prefix + _LAST_CHARACTER)
            rows = yield (
                sa.select(*records.COLUMNS).where(begins).order_by(task.c.id).limit(limit)
            )
        return (yield from records.complete(rows, dialect))

    return Query(plan)


def by_ids(ids: Collection[str]) -> Query[dict[str, TaskRecord]]:
    """Read those of ``ids`` that are known, by id; what the recorder folds late events onto."""

    def plan(dialect: str) -> Plan[dict[str, TaskRecord]]:
        found: dict[str, TaskRecord] = {}
        wanted = list(ids)
        for start in range(0, len(wanted), _MOST_IDS):
            some = wanted[start : start + _MOST_IDS]
            rows = yield sa.select(*records.COLUMNS).where(records.among(task.c.id, some, dialect))
            tasks = yield from records.complete(rows, dialect)
            found |= {one.id: one for one in tasks}
        return found

    return Query(plan)


def family(root_id: str, *, limit: int = 1000) -> Query[list[TaskRecord]]:
    """Read the task ``root_id`` and all that came of it, in the order they were first seen."""

    def plan(dialect: str) -> Plan[list[TaskRecord]]:
        rows = yield (
            sa.select(*records.COLUMNS)
            # The index on root_id leaves out tasks that are their own root, as most are.
            .where(
                sa.or_(
                    task.c.id == root_id,
                    sa.and_(task.c.root_id == root_id, task.c.root_id != task.c.id),
                )
            )
            .order_by(task.c.n)
            .limit(limit)
        )
        return (yield from records.complete(rows, dialect))

    return Query(plan)


def retried_as(id_: str) -> Query[list[TaskRecord]]:
    """Read the tasks by which an operator repeated the task ``id_``, oldest first."""

    def plan(dialect: str) -> Plan[list[TaskRecord]]:
        rows = yield sa.select(*records.COLUMNS).where(task.c.retry_of == id_).order_by(task.c.n)
        return (yield from records.complete(rows, dialect))

    return Query(plan)


def unfinished(limit: int) -> Query[list[TaskRecord]]:
    """Read the tasks of which more is expected, latest change first; to reconcile after a gap."""

    def plan(dialect: str) -> Plan[list[TaskRecord]]:
        rows = yield (
            sa.select(*records.COLUMNS)
            .where(task.c.finished_at.is_(None))
            .order_by(task.c.state_at.desc())
            .limit(limit)
        )
        return (yield from records.complete(rows, dialect))

    return Query(plan)


def in_state(state: str, limit: int) -> Query[list[TaskRecord]]:
    """Read the tasks in one state, latest change first."""

    def plan(dialect: str) -> Plan[list[TaskRecord]]:
        rows = yield (
            sa.select(*records.COLUMNS)
            .where(task.c.state == state)
            .order_by(task.c.state_at.desc())
            .limit(limit)
        )
        return (yield from records.complete(rows, dialect))

    return Query(plan)


def count_capped(where: Where, cap: int = 10_000) -> Query[CappedCount]:
    """Count the tasks that meet ``where``, but no further than ``cap``."""

    def plan(_dialect: str) -> Plan[CappedCount]:
        some = sa.select(sa.literal(1)).select_from(task).where(where).limit(cap + 1).subquery()
        rows = yield sa.select(sa.func.count()).select_from(some)
        count = rows[0][0]
        return CappedCount(min(count, cap), count > cap)

    return Query(plan)


def facet(where: Where, column: str, limit: int = 20, *, cap: int = 100_000) -> Query[Facet]:
    """Count the values of ``column`` among the newest ``cap`` tasks that meet ``where``."""

    def plan(dialect: str) -> Plan[Facet]:
        newest = (
            sa.select(task.c[column].label("value"))
            .where(where)
            .order_by(task.c.state_at.desc(), task.c.n.desc())
            .limit(cap)
            .subquery()
        )
        count = sa.func.count()
        rows = yield (
            sa.select(newest.c.value, count).group_by(newest.c.value).order_by(count.desc())
        )
        total = sum(row[1] for row in rows)
        counts = [FacetCount(value, number) for value, number in rows[:limit]]
        everything = yield from count_capped(where, cap).plan(dialect)
        return Facet(counts, total, everything.capped)

    return Query(plan)

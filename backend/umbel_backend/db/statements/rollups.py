"""Reads of the counts per minute and hour, and of failures by their exception."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from umbel_backend import states
from umbel_backend.db.query import Plan, Query
from umbel_backend.db.rollup import HOUR_S, MINUTE_S, quantile
from umbel_backend.db.tables import RUNTIME_BUCKETS, task, task_rollup

_RUNTIMES = [task_rollup.c[f"r{number}"] for number in range(RUNTIME_BUCKETS)]
_MOST_MINUTES = 6 * 60


@dataclass(frozen=True, slots=True)
class StateCount:
    """How many tasks entered a state in a range, and how long they ran."""

    name: str
    """The task name; empty in totals over all names."""
    state: str
    """PENDING counts tasks sent."""
    count: int
    avg_runtime_s: float | None
    p95_runtime_s: float | None
    """Estimated from buckets whose bounds are a factor of two apart."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """How many tasks entered each state in one bucket of time."""

    start: float
    end: float
    by_state: dict[str, int]


@dataclass(frozen=True, slots=True)
class FailureCount:
    """How often one exception class ended or interrupted tasks."""

    exception: str
    """The class, as the task's ``exception`` begins."""
    count: int
    latest_at: float


def resolution_for(start: float, end: float) -> int:
    """Return the seconds per bucket with which ``[start, end)`` is read: minutes up to six hours."""
    return MINUTE_S if end - start <= _MOST_MINUTES * MINUTE_S else HOUR_S


def totals(start: float, end: float) -> Query[list[StateCount]]:
    """Count by state over all names; the ends of the range are rounded out to whole buckets."""
    return _counts(start, end, by_name=False)


def by_name(start: float, end: float) -> Query[list[StateCount]]:
    """Count by name and state; the ends of the range are rounded out to whole buckets."""
    return _counts(start, end, by_name=True)


def throughput(start: float, end: float, *, name: str | None = None) -> Query[list[Throughput]]:
    """Read the counts of every bucket of the range, the empty ones too; of one task name if given."""

    def plan(_dialect: str) -> Plan[list[Throughput]]:
        table, width = task_rollup, resolution_for(start, end)
        statement = (
            sa.select(table.c.bucket_at, table.c.state, sa.func.sum(table.c.count))
            .where(*_range(start, end))
            .group_by(table.c.bucket_at, table.c.state)
        )
        rows = yield statement if name is None else statement.where(table.c.name == name)
        counted: dict[int, dict[str, int]] = {
            at: {} for at in range(_floor(start, width), _ceiling(end, width), width)
        }
        for at, state, count in rows:
            counted[at][state] = int(count)
        return [Throughput(at, at + width, by_state) for at, by_state in counted.items()]

    return Query(plan)


def failures_by_exception(
    start: float, end: float, *, limit: int = 20, cap: int = 10_000
) -> Query[list[FailureCount]]:
    """Group the newest ``cap`` failures of ``[start, end)`` by exception class, most frequent first."""

    def plan(dialect: str) -> Plan[list[FailureCount]]:
        newest = (
            sa.select(_exception_class(dialect).label("class"), task.c.state_at)
            .where(task.c.state == states.FAILURE)
            .where(task.c.state_at >= start, task.c.state_at < end)
            .order_by(task.c.state_at.desc())
            .limit(cap)
            .subquery()
        )
        count = sa.func.count()
        rows = yield (
            sa.select(newest.c["class"], count, sa.func.max(newest.c.state_at))
            .group_by(newest.c["class"])
            .order_by(count.desc(), newest.c["class"])
            .limit(limit)
        )
        return [FailureCount(*row) for row in rows]

    return Query(plan)


def _exception_class(dialect: str) -> sa.ColumnElement[str]:
    text = sa.func.coalesce(task.c.exception, "")
    if dialect == "sqlite":
        return sa.func.substr(text, 1, sa.func.instr(text.concat(":"), ":") - 1)
    return sa.func.split_part(text, ":", 1)


def _counts(start: float, end: float, *, by_name: bool) -> Query[list[StateCount]]:
    def plan(_dialect: str) -> Plan[list[StateCount]]:
        table = task_rollup
        keys = [table.c.name, table.c.state] if by_name else [table.c.state]
        rows = yield (
            sa.select(
                *keys,
                sa.func.sum(table.c.count),
                sa.func.sum(table.c.runtime_sum_s),
                sa.func.max(table.c.runtime_max_s),
                *(sa.func.sum(column) for column in _RUNTIMES),
            )
            .where(*_range(start, end))
            .group_by(*keys)
            .order_by(*keys)
        )
        return [_state_count(row if by_name else ("", *row)) for row in rows]

    return Query(plan)


def _state_count(row: Sequence[Any]) -> StateCount:
    name, state, count, runtime_sum_s, longest_s, *sums = row
    # PostgreSQL sums big integers as decimals.
    runtimes = [int(number) for number in sums]
    measured = sum(runtimes)
    average = runtime_sum_s / measured if measured else None
    return StateCount(name, state, int(count), average, quantile(runtimes, 0.95, longest_s))


def _range(start: float, end: float) -> tuple[sa.ColumnElement[bool], ...]:
    width = resolution_for(start, end)
    bucket_at = task_rollup.c.bucket_at
    return (
        task_rollup.c.resolution == width,
        bucket_at >= _floor(start, width),
        bucket_at < _ceiling(end, width),
    )


def _floor(instant: float, width: int) -> int:
    return int(instant // width) * width


def _ceiling(instant: float, width: int) -> int:
    return -int(-instant // width) * width

"""Reads of the counts per minute and hour, and of failures by their exception.

PENDING counts tasks when they were first seen, any other state those that ended in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from umbel_backend import states
from umbel_backend.db.query import Plan, Query
from umbel_backend.db.rollup import HOUR_S, MINUTE_S, quantile
from umbel_backend.db.tables import RUNTIME_BUCKETS, task, task_rollup
from umbel_backend.db.whole import whole

_RUNTIMES = [task_rollup.c[f"r{number}"] for number in range(RUNTIME_BUCKETS)]


@dataclass(slots=True)
class Tally:
    """Tasks that entered a state, with the histogram of their runtimes; tallies add up."""

    count: int = 0
    measured: int = 0
    """How many of them have a runtime."""
    runtime_sum_s: float = 0.0
    runtime_max_s: float | None = None
    runtimes: list[int] = field(default_factory=lambda: [0] * RUNTIME_BUCKETS)
    """How many runtimes fell into each bucket of `rollup.RUNTIME_BOUNDS_S`."""

    @property
    def avg_runtime_s(self) -> float | None:
        """Mean runtime of those measured; None without any."""
        return self.runtime_sum_s / self.measured if self.measured else None

    def quantile(self, fraction: float) -> float | None:
        """Estimate the runtime ``fraction`` of them stayed under; None without any."""
        return quantile(self.runtimes, fraction, self.runtime_max_s)

    def add(self, other: Tally) -> None:
        """Count those of ``other`` too."""
        self.count += other.count
        self.measured += other.measured
        self.runtime_sum_s += other.runtime_sum_s
        if other.runtime_max_s is not None:
            self.runtime_max_s = max(self.runtime_max_s or 0.0, other.runtime_max_s)
        self.runtimes = [
            mine + more for mine, more in zip(self.runtimes, other.runtimes, strict=True)
        ]


def summed(tallies: Iterable[Tally]) -> Tally:
    """Return one tally of all."""
    total = Tally()
    for tally in tallies:
        total.add(tally)
    return total


@dataclass(frozen=True, slots=True)
class Slice:
    """What entered which state in one slice of time."""

    start: float
    end: float
    by_state: dict[str, Tally]


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failures of one exception class in a range."""

    exception: str
    """The class, as the task's ``exception`` begins; empty where none is known."""
    is_lost: bool
    """They are LOST: given up with their workers, so that the class is ours and no program's."""
    count: int
    first_at: float
    last_at: float
    counts: tuple[int, ...]
    """How many in each of the equal slices of the range."""


@dataclass(frozen=True, slots=True)
class FailureGroups:
    """The failures of a range by exception class, most frequent first."""

    groups: list[FailureGroup]
    is_capped: bool
    """Only the newest were looked at: there are more, and ``first_at`` may be earlier."""


def tallies(start: float, end: float) -> Query[dict[tuple[str, str], Tally]]:
    """Add up by name and state; the ends of the range are rounded out to whole minutes.

    Whole hours are read from the counts per hour, so that a day of many task names stays cheap.
    """

    def plan(_dialect: str) -> Plan[dict[tuple[str, str], Tally]]:
        table = task_rollup
        found: dict[tuple[str, str], Tally] = {}
        for resolution, since, until in _stretches(start, end):
            rows = yield (
                sa.select(table.c.name, table.c.state, *_sums())
                .where(*_within(resolution, since, until))
                .group_by(table.c.name, table.c.state)
                # What was taken back leaves rows that count nothing.
                .having(sa.func.sum(table.c.count) != 0)
            )
            for name, state, *sums in rows:
                found.setdefault((name, state), Tally()).add(_tally(sums))
        return found

    return Query(plan)


def slices(start: float, end: float, width_s: int) -> Query[list[Slice]]:
    """Add up by state in every slice of ``width_s`` seconds, the empty ones too.

    The first slice begins at a multiple of the width, at ``start`` or before it; a width of whole
    hours is read from the counts per hour, any other must be whole minutes.
    """

    def plan(_dialect: str) -> Plan[list[Slice]]:
        table = task_rollup
        resolution = HOUR_S if width_s % HOUR_S == 0 else MINUTE_S
        first, last = _floor(start, width_s), _ceiling(end, width_s)
        at = table.c.bucket_at - table.c.bucket_at % width_s
        rows = yield (
            sa.select(at, table.c.state, *_sums())
            .where(*_within(resolution, first, last))
            .group_by(at, table.c.state)
        )
        found: dict[int, dict[str, Tally]] = {at: {} for at in range(first, last, width_s)}
        for begins, state, *sums in rows:
            found[int(begins)][state] = _tally(sums)
        return [Slice(at, at + width_s, by_state) for at, by_state in found.items()]

    return Query(plan)


def failure_groups(
    start: float, end: float, *, parts: int = 30, cap: int = 10_000
) -> Query[FailureGroups]:
    """Group the newest ``cap`` FAILURE and LOST tasks of ``[start, end)`` by exception, with their course.

    Args:
        start, end: Bounds on when the task ended; rounded out to whole minutes as those of `tallies`
            are, so that both count the same tasks.
        parts: Into how many equal slices the range is cut for ``counts``.
        cap: Most tasks looked at.
    """
    start, end = _floor(start, MINUTE_S), _ceiling(end, MINUTE_S)

    def plan(dialect: str) -> Plan[FailureGroups]:
        # One walk along the index for each state; of both together every row would be sorted.
        each = [
            sa.select(
                sa.select(_exception_class(dialect).label("class"), task.c.state, task.c.state_at)
                .where(task.c.state == state)
                .where(task.c.state_at >= start, task.c.state_at < end)
                .order_by(task.c.state_at.desc())
                .limit(cap)
                .subquery()
            )
            for state in (states.FAILURE, states.LOST)
        ]
        both = sa.union_all(*each).subquery()
        newest = sa.select(both).order_by(both.c.state_at.desc()).limit(cap).subquery()
        at, is_lost = newest.c.state_at, newest.c.state == states.LOST
        part = whole((at - start) * (parts / (end - start)))
        rows = yield (
            sa.select(
                newest.c["class"], is_lost, part, sa.func.count(), sa.func.min(at), sa.func.max(at)
            )
            .group_by(newest.c["class"], is_lost, part)
            .order_by(newest.c["class"], is_lost, part)
        )
        return _grouped(rows, parts, cap)

    return Query(plan)


def _grouped(rows: Sequence[Any], parts: int, cap: int) -> FailureGroups:
    courses: dict[tuple[str, bool], list[int]] = {}
    ends: dict[tuple[str, bool], tuple[float, float]] = {}
    for name, is_lost, part, count, first_at, last_at in rows:
        key = name, bool(is_lost)
        courses.setdefault(key, [0] * parts)[min(part, parts - 1)] += count
        known = ends.get(key, (first_at, last_at))
        ends[key] = min(known[0], first_at), max(known[1], last_at)
    groups = [
        FailureGroup(*key, sum(course), *ends[key], tuple(course))
        for key, course in courses.items()
    ]
    groups.sort(key=lambda group: (-group.count, group.exception))
    return FailureGroups(groups, sum(group.count for group in groups) >= cap)


def _exception_class(dialect: str) -> sa.ColumnElement[str]:
    text = sa.func.coalesce(task.c.exception, "")
    if dialect == "sqlite":
        return sa.func.substr(text, 1, sa.func.instr(text.concat(":"), ":") - 1)
    return sa.func.split_part(text, ":", 1)


def _sums() -> tuple[sa.ColumnElement[Any], ...]:
    table = task_rollup
    return (
        sa.func.sum(table.c.count),
        sa.func.sum(table.c.runtime_sum_s),
        sa.func.max(table.c.runtime_max_s),
        *(sa.func.sum(column) for column in _RUNTIMES),
    )


def _tally(sums: Sequence[Any]) -> Tally:
    """Read the row of `_sums`; PostgreSQL sums big integers as decimals."""
    count, runtime_sum_s, longest_s, *numbers = sums
    runtimes = [int(number) for number in numbers]
    return Tally(int(count), sum(runtimes), float(runtime_sum_s), longest_s, runtimes)


def _stretches(start: float, end: float) -> Iterator[tuple[int, int, int]]:
    """Cut a range into whole hours and the minutes before and after: resolution, start, end."""
    first, last = _floor(start, MINUTE_S), _ceiling(end, MINUTE_S)
    hours_from, hours_to = _ceiling(first, HOUR_S), _floor(last, HOUR_S)
    if hours_from >= hours_to:
        yield MINUTE_S, first, last
        return
    for stretch in (
        (MINUTE_S, first, hours_from),
        (HOUR_S, hours_from, hours_to),
        (MINUTE_S, hours_to, last),
    ):
        if stretch[1] < stretch[2]:
            yield stretch


def _within(resolution: int, start: int, end: int) -> tuple[sa.ColumnElement[bool], ...]:
    bucket_at = task_rollup.c.bucket_at
    return task_rollup.c.resolution == resolution, bucket_at >= start, bucket_at < end


def _floor(instant: float, width: int) -> int:
    return int(instant // width) * width


def _ceiling(instant: float, width: int) -> int:
    return -int(-instant // width) * width

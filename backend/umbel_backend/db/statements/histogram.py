"""When the tasks of a filter last changed, counted in slices of time of a round length."""

from __future__ import annotations

import math
from dataclasses import dataclass

import sqlalchemy as sa

from umbel_backend.db.query import Plan, Query
from umbel_backend.db.tables import task
from umbel_backend.db.whole import whole

CAP = 100_000
"""Most tasks counted, the newest ones: about 100 ms."""

WIDTHS_S = (
    *(1, 2, 5, 10, 15, 30),
    *(60 * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(3_600 * hours for hours in (1, 2, 3, 6, 12)),
    *(86_400 * days for days in (1, 2, 7, 14, 30, 90, 365)),
)
"""Lengths of a slice that people count in."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many tasks were in which state when they last changed, slice by slice."""

    start: float
    """Where the first slice begins; a multiple of ``width_s``."""
    width_s: float
    """Length of each slice."""
    slices: list[dict[str, int]]
    """Count by state; the first is the oldest."""
    counted: int
    is_capped: bool
    """There are older tasks that were not counted; they lie before ``start``."""

    @property
    def end(self) -> float:
        """Where the last slice ends."""
        return self.start + self.width_s * len(self.slices)


def newest(
    where: sa.ColumnElement[bool], most_slices: int, *, cap: int = CAP
) -> Query[Histogram | None]:
    """Count the newest ``cap`` tasks that meet ``where`` in at most ``most_slices`` slices.

    Returns:
        None if there are no tasks to count.
    """

    def plan(_dialect: str) -> Plan[Histogram | None]:
        found = (
            sa.select(task.c.state_at, task.c.state)
            .where(where)
            .order_by(task.c.state_at.desc(), task.c.n.desc())
        )
        some = found.limit(cap).subquery()
        at = some.c.state_at
        ((first, last, counted),) = yield sa.select(
            sa.func.min(at), sa.func.max(at), sa.func.count()
        )
        if not counted:
            return None
        width_s = width_for(last - first, most_slices)
        begin = math.floor(first / width_s)
        slice_ = whole(at / width_s).label("slice")
        rows = yield (
            sa.select(slice_, some.c.state, sa.func.count()).group_by(slice_, some.c.state)
        )
        slices: list[dict[str, int]] = [{} for _ in range(math.floor(last / width_s) - begin + 1)]
        for number, state, count in rows:
            slices[int(number) - begin][state] = count
        is_capped = counted == cap and bool((yield found.offset(cap).limit(1)))
        return Histogram(begin * width_s, width_s, slices, counted, is_capped)

    return Query(plan)


def width_for(span_s: float, most_slices: int) -> float:
    """Return the shortest round length of which ``most_slices`` cover ``span_s``, wherever it begins."""
    for width_s in WIDTHS_S:
        if math.floor(span_s / width_s) + 2 <= most_slices:
            return float(width_s)
    years = math.ceil(span_s / WIDTHS_S[-1] / max(1, most_slices - 2))
    return float(WIDTHS_S[-1] * years)

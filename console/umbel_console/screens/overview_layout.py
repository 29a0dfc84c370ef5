"""Where the panels of Overview stand in a terminal of some size. Pure numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MEDIUM, WIDE = 110, 180
"""Cells from which on two, and three, panels stand beside each other."""
TALL = 24
"""Lines of the body from which on figures have their names above them."""
GUTTER = 2
MARGIN = 1


@dataclass(frozen=True, slots=True)
class Place:
    """Where a panel stands, from the body's upper left corner."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class _Row:
    panels: Sequence[str]
    least: int
    most: int
    weight: int = 1
    shares: Sequence[int] = ()
    """Of the width, one a panel; equal ones if empty."""


_NARROW = (
    _Row(("throughput",), 8, 12, 2),
    _Row(("problems",), 5, 8),
    _Row(("failures",), 7, 10),
    _Row(("exceptions",), 8, 12),
    _Row(("latency",), 8, 12),
    _Row(("busiest",), 9, 14),
    _Row(("depths",), 8, 12),
    _Row(("gaps",), 6, 10),
)
_MEDIUM = (
    _Row(("throughput", "failures"), 8, 18, 2),
    _Row(("latency", "depths"), 8, 18, 2),
    _Row(("exceptions", "busiest"), 6, 18, 2),
    _Row(("problems", "gaps"), 5, 14),
)
_WIDE = (
    _Row(("throughput", "failures", "latency"), 9, 26, 2),
    _Row(("depths", "exceptions", "busiest"), 9, 26, 2),
    _Row(("problems", "gaps"), 5, 16, 1, (1, 1)),
)


def figure_rows(height: int) -> int:
    """Return how many lines the figures take in a body of ``height`` lines."""
    return 4 if height >= TALL else 2


def overview_layout(width: int, height: int, advice: int) -> tuple[Mapping[str, Place], int]:
    """Place every panel in a body of ``width`` cells; what does not fit its height is scrolled to.

    Args:
        width: Cells of the body.
        height: Lines of the body.
        advice: Lines of the advice.

    Returns:
        The places by panel, and how many lines they take together.
    """
    rows = _WIDE if width >= WIDE else _MEDIUM if width >= MEDIUM else _NARROW
    places = {"figures": Place(0, 0, width, figure_rows(height))}
    y = figure_rows(height)
    places["advice"] = Place(0, y, width, advice)
    y += advice
    gap = 1 if height - y - sum(row.least for row in rows) >= len(rows) else 0
    heights = _heights(rows, height - y - gap * len(rows))
    for row, lines in zip(rows, heights, strict=True):
        y += gap
        x = MARGIN
        room = width - 2 * MARGIN - GUTTER * (len(row.panels) - 1)
        shares = row.shares or (1,) * len(row.panels)
        left = room
        for number, panel in enumerate(row.panels):
            is_last = number == len(row.panels) - 1
            cells = left if is_last else room * shares[number] // sum(shares)
            places[panel] = Place(x, y, cells, lines)
            x, left = x + cells + GUTTER, left - cells
        y += lines
    return places, y


def _heights(rows: Sequence[_Row], room: int) -> list[int]:
    """Give each row its least height, and share out by weight what is left, up to its most."""
    heights = [row.least for row in rows]
    spare = room - sum(heights)
    while spare > 0:
        before = spare
        for number, row in enumerate(rows):
            more = min(spare, row.weight, row.most - heights[number])
            if more > 0:
                heights[number] += more
                spare -= more
        if spare == before:
            break
    return heights

"""Where the panels of Overview stand in a terminal of some size. Pure numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from umbel_console.stores.overview import Reading

MEDIUM, WIDE = 110, 180
"""Cells from which on two, and three, panels stand beside each other."""
TALL = 24
"""Lines of the body from which on figures have their names above them."""
GUTTER = 2
MARGIN = 1
TITLES, SENTENCE = 2, 3
"""Lines above the rows of a list, and those of the words in the place of rows."""
EASY = 20
"""Lines up to which a chart grows before lists get lines that they have no rows for."""


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
    _Row(("throughput", "failures", "latency"), 9, 36, 2),
    _Row(("depths", "exceptions", "busiest"), 9, 36, 2),
    _Row(("problems", "gaps"), 5, 20, 1, (1, 1)),
)


def figure_rows(height: int) -> int:
    """Return how many lines the figures take in a body of ``height`` lines."""
    return 4 if height >= TALL else 2


def overview_layout(
    width: int, height: int, advice: int, wanted: Mapping[str, int] = MappingProxyType({})
) -> tuple[Mapping[str, Place], int]:
    """Place every panel in a body of ``width`` cells; what does not fit its height is scrolled to.

    Args:
        width: Cells of the body.
        height: Lines of the body.
        advice: Lines of the advice.
        wanted: Lines that a panel can fill, where that is known; others fill all they get.

    Returns:
        The places by panel, and how many lines they take together.
    """
    rows = _WIDE if width >= WIDE else _MEDIUM if width >= MEDIUM else _NARROW
    places = {"figures": Place(0, 0, width, figure_rows(height))}
    y = figure_rows(height)
    places["advice"] = Place(0, y, width, advice)
    y += advice
    gap = 1 if height - y - sum(row.least for row in rows) >= len(rows) else 0
    heights = _heights(rows, height - y - gap * len(rows), wanted)
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


def _heights(rows: Sequence[_Row], room: int, wanted: Mapping[str, int]) -> list[int]:
    """Give each row its least height, then what it can fill, then what is left, up to its most."""
    heights = [row.least for row in rows]
    filled = [min(row.most, max(wanted.get(panel, EASY) for panel in row.panels)) for row in rows]
    for bounds in (filled, [row.most for row in rows]):
        _share(heights, bounds, rows, room - sum(heights))
    return heights


def _share(heights: list[int], bounds: Sequence[int], rows: Sequence[_Row], spare: int) -> None:
    """Share ``spare`` lines out among ``rows`` by weight, up to ``bounds``."""
    while spare > 0:
        before = spare
        for number, row in enumerate(rows):
            more = min(spare, row.weight, bounds[number] - heights[number])
            if more > 0:
                heights[number] += more
                spare -= more
        if spare == before:
            break


def panel_lines(past: Reading | None, problems: int) -> Mapping[str, int]:
    """Return how many lines each panel can fill whose rows are counted, its titles included."""
    rows = {"problems": problems}
    if past is not None:
        levels = sum(max(1, sum(map(any, each.by_priority.values()))) for each in past.queues)
        rows |= {
            "depths": levels,
            "exceptions": len(past.failures),
            "busiest": len(past.busy),
            "gaps": len(past.gaps),
        }
    return {name: TITLES + max(count, SENTENCE) for name, count in rows.items()}

"""Columns of a record table: what they draw, what they sort by, and how they share the width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, Literal, TypeVar

from msgspec import Struct
from rich.text import Text

from umbel_console.render.context import DrawContext

R = TypeVar("R")

GAP = 2
"""Cells between two columns."""
NARROWEST = 4
"""Least cells of a flexible column."""


class Column(Struct, Generic[R], frozen=True, kw_only=True):
    """One column of records of type ``R``."""

    key: str
    label: str
    render: Callable[[R, DrawContext, int], Text]
    """Builds the cell as `Text`, with what it holds of a task cleaned; the last argument is the width
    there is. What is longer is cut, with a sign."""
    width: int
    """Cells it takes; with ``flex`` the least it takes."""
    flex: int = 0
    """Share of the cells that are left over; 0 keeps ``width``."""
    most: int | None = None
    """Widest it grows by ``flex``; None is no bound."""
    rank: int = 0
    """0 is never dropped; on a narrow terminal the highest goes first."""
    align: Literal["left", "right"] = "left"
    keep: Literal["head", "tail"] = "head"
    """Which end of a text too long is kept; of a dotted name the tail tells more."""
    sort_key: Callable[[R, float], Any] | None = None
    """From a record and now to something that orders; None cannot be sorted by."""
    newest_first: bool = False
    """Sorting by it begins with the largest."""
    ticks: bool = False
    """Its order changes with the clock."""


def plain(draw_cell: Callable[[R, DrawContext], Text]) -> Callable[[R, DrawContext, int], Text]:
    """Return ``draw_cell`` as a column's ``render``, for cells that do not depend on the width."""

    def render(record: R, draw: DrawContext, width: int) -> Text:
        return draw_cell(record, draw)

    return render


class Place(Struct, Generic[R], frozen=True):
    """A column and where it stands in a line."""

    column: Column[R]
    x: int
    width: int


def lay_out(columns: Sequence[Column[R]], width: int) -> list[Place[R]]:
    """Choose the columns that fit in ``width`` cells and give each its place."""
    kept = that_fit(columns, width)
    spare = width - least(kept)
    widths = _shared(kept, spare) if spare >= 0 else _squeezed(kept, -spare)
    places: list[Place[R]] = []
    x = 0
    for column, cells in zip(kept, widths, strict=True):
        cells = min(cells, width - x)
        if cells <= 0:
            break
        places.append(Place(column, x, cells))
        x += cells + GAP
    return places


def that_fit(columns: Sequence[Column[R]], width: int) -> list[Column[R]]:
    """Return ``columns`` without those that have to go, by rank, to fit in ``width`` cells."""
    kept = list(columns)
    while len(kept) > 1 and least(kept) > width:
        worst = max(kept, key=lambda column: column.rank)
        if worst.rank == 0:
            break
        kept.remove(worst)
    return kept


def least(columns: Sequence[Column[R]]) -> int:
    """Return how many cells ``columns`` take when none grows."""
    return sum(column.width for column in columns) + GAP * (len(columns) - 1)


def _squeezed(columns: Sequence[Column[R]], lacking: int) -> list[int]:
    """Take ``lacking`` cells from columns that all stay: from the flexible ones, then the widest."""
    widths = [column.width for column in columns]
    for n, column in enumerate(columns):
        if column.flex:
            taken = min(lacking, max(0, widths[n] - NARROWEST))
            widths[n] -= taken
            lacking -= taken
    while lacking > 0 and max(widths) > NARROWEST:
        widths[widths.index(max(widths))] -= 1
        lacking -= 1
    return widths


def _shared(columns: Sequence[Column[R]], spare: int) -> list[int]:
    """Give ``spare`` cells to the flexible columns by their share, none beyond its bound."""
    widths = [column.width for column in columns]
    growing = [n for n, column in enumerate(columns) if column.flex]
    while spare > 0 and growing:
        shares = sum(columns[n].flex for n in growing)
        given = 0
        for n in list(growing):
            column = columns[n]
            more = max(1, spare * column.flex // shares)
            if column.most is not None:
                more = min(more, column.most - widths[n])
            more = min(more, spare - given)
            widths[n] += more
            given += more
            if column.most is not None and widths[n] >= column.most:
                growing.remove(n)
        if not given:
            break
        spare -= given
    return widths

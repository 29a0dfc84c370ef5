"""How an operator arranged the columns of one table: their order, which are hidden, their widths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from umbel_console.widgets.columns import Column, R, lay_out

LEAST_WIDTH = 3
MOST_WIDTH = 120
"""Bounds of a width one can choose, in cells."""


class Fate(Struct, frozen=True):
    """What became of a column in a terminal of some width."""

    width: int | None
    """Cells it got; None if it is not shown."""
    why: str
    """Why it is not shown, or cannot be hidden; empty if there is nothing to say."""


class Arrangement(Struct, frozen=True):
    """Choices over the columns as they are declared; columns not named stay as they are."""

    order: tuple[str, ...] = ()
    """Keys from left to right; columns not in it follow those they are declared after."""
    hidden: frozenset[str] = frozenset()
    widths: Mapping[str, int] = {}
    """Cells of the columns that have a width of their own."""

    @classmethod
    def read(cls, value: object) -> Arrangement:
        """Return what `kept` gave; whatever is not understood is left out."""
        if not isinstance(value, dict):
            return cls()
        order, hidden, widths = (value.get(name) for name in ("order", "hidden", "widths"))
        return cls(
            tuple(dict.fromkeys(_keys(order))),
            frozenset(_keys(hidden)),
            {
                key: min(MOST_WIDTH, max(LEAST_WIDTH, cells))
                for key, cells in (widths.items() if isinstance(widths, dict) else ())
                if isinstance(cells, int) and not isinstance(cells, bool)
            },
        )

    def kept(self) -> dict[str, Any] | None:
        """Return the choices as a JSON value; None if there are none."""
        if self == Arrangement():
            return None
        return {
            "order": list(self.order),
            "hidden": sorted(self.hidden),
            "widths": dict(self.widths),
        }

    def ordered(self, columns: Sequence[Column[R]]) -> list[Column[R]]:
        """Return all ``columns`` from left to right, with their chosen widths."""
        by_key = {column.key: column for column in columns}
        keys = [key for key in self.order if key in by_key]
        for place, column in enumerate(columns):
            if column.key not in keys:
                before = [each.key for each in columns[:place] if each.key in keys]
                keys.insert(keys.index(before[-1]) + 1 if before else 0, column.key)
        return [self._sized(by_key[key]) for key in keys]

    def applied(self, columns: Sequence[Column[R]]) -> list[Column[R]]:
        """Return the columns to show, from left to right; those of rank 0 are always among them."""
        return [
            column
            for column in self.ordered(columns)
            if column.rank == 0 or column.key not in self.hidden
        ]

    def fates(self, columns: Sequence[Column[R]], width: int) -> dict[str, Fate]:
        """Return what becomes of each of ``columns`` in ``width`` cells, by key."""
        shown = {place.column.key: place.width for place in lay_out(self.applied(columns), width)}
        fates = {}
        for column in columns:
            cells, why = shown.get(column.key), ""
            if column.rank == 0:
                why = "always shown"
            elif column.key in self.hidden:
                why = "hidden"
            elif cells is None:
                why = "no room here"
            fates[column.key] = Fate(cells, why)
        return fates

    def toggled(self, key: str) -> Arrangement:
        """Return the arrangement with the column hidden, or shown again."""
        return replace(self, hidden=self.hidden ^ {key})

    def moved(self, columns: Sequence[Column[R]], key: str, by: int) -> Arrangement:
        """Return the arrangement with the column ``by`` places further right."""
        keys = [column.key for column in self.ordered(columns)]
        place = keys.index(key)
        keys.insert(max(0, min(len(keys) - 1, place + by)), keys.pop(place))
        declared = tuple(keys) == tuple(column.key for column in columns)
        return replace(self, order=() if declared else tuple(keys))

    def resized(self, key: str, width: int | None) -> Arrangement:
        """Return the arrangement with the column ``width`` cells wide; None is its own width."""
        widths = {name: cells for name, cells in self.widths.items() if name != key}
        if width is not None:
            widths[key] = min(MOST_WIDTH, max(LEAST_WIDTH, width))
        return replace(self, widths=widths)

    def _sized(self, column: Column[R]) -> Column[R]:
        cells = self.widths.get(column.key)
        return column if cells is None else replace(column, width=cells, flex=0, most=None)


def _keys(value: object) -> list[str]:
    return [key for key in value if isinstance(key, str)] if isinstance(value, list) else []

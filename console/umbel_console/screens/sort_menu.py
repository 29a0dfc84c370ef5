"""The menu behind ``s``: every column one can sort by, the present order, and the way it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from umbel_console.render.context import DrawContext
from umbel_console.screens.menu import Choice, letters_for
from umbel_console.widgets.columns import Column
from umbel_console.widgets.painter import Sort

USUAL = "usual"
"""Id of the choice that goes back to the screen's own order."""


def sort_choices(
    columns: Sequence[Column[Any]], sort: Sort | None, draw: DrawContext
) -> list[Choice]:
    """Return the columns as choices; the present one says that choosing it turns the order round."""
    sortable = [column for column in columns if column.sort_key is not None]
    letters = letters_for([column.label for column in sortable])
    choices = [Choice(USUAL, "0", "as usual", "" if sort else "now")]
    for column, letter in zip(sortable, letters, strict=True):
        note = ""
        if sort is not None and sort.column == column.key:
            way = "largest first" if sort.descending else "smallest first"
            note = f"{sort.arrow(draw)} now {way}; again turns it round"
        choices.append(Choice(column.key, letter, column.label, note))
    return choices


def turned(sort: Sort | None, column: Column[Any]) -> Sort:
    """Return the order by ``column``, or the other way round if it is ordered by it already."""
    if sort is not None and sort.column == column.key:
        return Sort(column.key, not sort.descending)
    return Sort(column.key, column.newest_first)


def cycled(sort: Sort | None, column: Column[Any]) -> Sort | None:
    """Return what a click on the header of ``column`` makes of ``sort``: order, turn round, drop."""
    if sort is None or sort.column != column.key:
        return Sort(column.key, column.newest_first)
    if sort.descending is column.newest_first:
        return Sort(column.key, not sort.descending)
    return None

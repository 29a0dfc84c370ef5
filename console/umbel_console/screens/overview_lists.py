"""The lists of Overview: a title over a table, and which tasks are behind a row."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from datetime import UTC, datetime
from typing import Any

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical

from umbel_backend.filters.tree import Pattern, quote
from umbel_backend.records import Gap
from umbel_console.render.context import DrawContext
from umbel_console.render.overview import title_line
from umbel_console.screens import overview_columns as columns
from umbel_console.stores.overview import BusyTask, FailureGroup, Range
from umbel_console.stores.problems import Problem
from umbel_console.widgets.chart import Block
from umbel_console.widgets.columns import Column
from umbel_console.widgets.painter import Sort
from umbel_console.widgets.record_table import RecordTable

AROUND_GAP_S = 60.0
"""How much is shown before and after a gap."""

Row = FailureGroup | BusyTask | Problem | Gap


class ListPanel(Vertical):
    """A titled table; the title is bright while the table has the keys.

    Args:
        name_: Of the panel, for layout and preferences.
        title: What stands over it.
        columns_: Of the table.
        draw: Makes the context to draw with.
        empty: Says why there is nothing to see.
        usual: What the rows are ordered by unless the operator chose; None keeps their order.
    """

    DEFAULT_CSS = "ListPanel { height: 1fr; } ListPanel > Block { height: 1; }"

    def __init__(
        self,
        name_: str,
        title: str,
        columns_: Sequence[Column[Any]],
        *,
        draw: Callable[[], DrawContext],
        empty: Callable[[], str],
        usual: Sort | None = None,
    ) -> None:
        super().__init__(id=name_)
        self.title = title
        self.note = ""
        """What stands behind the title."""
        self._draw = draw
        self._usual = usual
        self._rows: Sequence[Any] = ()
        self.table: RecordTable[Any] = RecordTable(
            columns_, key=key_of, draw=draw, moment=_moment, empty=empty, id=f"{name_}-list"
        )
        self.table.sort = usual

    def compose(self) -> ComposeResult:
        """Lay out title and table."""
        yield Block()
        yield self.table

    def show(self, rows: Sequence[Any], now: float) -> None:
        """Show ``rows`` in the chosen order."""
        self._rows = rows
        self.table.show(self._ordered(rows, now))
        self.draw_title()

    def sort_by(self, column: str | None, descending: bool | None, now: float) -> None:
        """Order by ``column``; None is the usual order."""
        self.table.sort = self._usual
        if column is not None:
            found = next(each for each in self.table.columns if each.key == column)
            way = found.newest_first if descending is None else descending
            self.table.sort = Sort(column, way)
        self.table.choose_anew()
        self.show(self._rows, now)

    def draw_title(self) -> None:
        """Draw the title anew."""
        draw = self._draw()
        role = "accent" if self.table.has_focus else "foreground"
        self.query_one(Block).show(
            lambda width, height: [title_line(self.title, self.note, None, width, draw, role)]
        )

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Show that the table has the keys."""
        self.draw_title()

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        """Show that the table has the keys no more."""
        self.draw_title()

    def _ordered(self, rows: Sequence[Any], now: float) -> Sequence[Any]:
        sort = self.table.sort
        column = None
        if sort is not None:
            column = next((each for each in self.table.columns if each.key == sort.column), None)
        if sort is None or column is None or column.sort_key is None:
            return rows
        sort_key = column.sort_key
        return sorted(rows, key=lambda row: sort_key(row, now), reverse=sort.descending)


def list_panels(
    draw: Callable[[], DrawContext], empty: Callable[[str], Callable[[], str]]
) -> list[ListPanel]:
    """Make the four lists; ``empty`` gives what tells why one of them has no rows."""
    made: tuple[tuple[str, str, Sequence[Column[Any]], Sort | None], ...] = (
        ("problems", "Open problems", columns.PROBLEMS, None),
        ("exceptions", "Failures by exception", columns.EXCEPTIONS, Sort("count", True)),
        ("busiest", "Busiest tasks", columns.BUSIEST, Sort("total", True)),
        ("gaps", "Gaps in the record", columns.GAPS, None),
    )
    return [
        ListPanel(name, title, declared, draw=draw, empty=empty(name), usual=usual)
        for name, title, declared, usual in made
    ]


def key_of(row: Row) -> str:
    """Return what identifies a row from one reading to the next."""
    match row:
        case FailureGroup():
            return f"{row.exception} {row.is_lost}"
        case BusyTask():
            return row.name
        case Problem():
            return row.key
        case Gap():
            return f"{row.source} {row.started_at}"


def filter_behind(row: Row, chosen: Range) -> str | None:
    """Return the filter over History for the tasks behind ``row``; None if it stands for none."""
    match row:
        case FailureGroup(is_lost=True):
            return f"state:LOST since:{chosen.text}"
        case FailureGroup(exception=""):
            return f"state:FAILURE since:{chosen.text}"
        case FailureGroup():
            return f"state:FAILURE exc:{_quoted(row.exception)} since:{chosen.text}"
        case BusyTask():
            return f"name:{_quoted(row.name)} since:{chosen.text}" if row.name else None
        case Gap():
            until = "" if row.ended_at is None else f" until:{_iso(row.ended_at + AROUND_GAP_S)}"
            return f"since:{_iso(row.started_at - AROUND_GAP_S)}{until}"
        case Problem():
            return None


def _moment(row: Row, now: float) -> Hashable:
    """A line tells ages; they are drawn in whole seconds at most."""
    if isinstance(row, FailureGroup):
        return row, int(now)
    return int(now) if isinstance(row, Gap) and row.ended_at is None else None


def _quoted(text: str) -> str:
    return quote(Pattern((text,)))


def _iso(instant: float) -> str:
    return datetime.fromtimestamp(int(instant), UTC).isoformat().replace("+00:00", "Z")

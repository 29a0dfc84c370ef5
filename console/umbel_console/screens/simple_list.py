"""A tab that is one table over a small store: workers, queues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from umbel_console.actions import Situation
from umbel_console.render.line import Part
from umbel_console.screens.sort_menu import cycled
from umbel_console.screens.tab import TabScreen
from umbel_console.session import Session
from umbel_console.widgets.painter import Sort
from umbel_console.widgets.record_table import RecordTable


class SimpleListScreen(TabScreen):
    """Shows every record of a store, in the order chosen.

    Args:
        session: The live state.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._sort: Sort | None = None

    def records(self) -> Sequence[Any]:
        """Return what is to be shown."""
        raise NotImplementedError

    def told(self) -> str:
        """Return what the status line tells."""
        raise NotImplementedError

    def refresh_body(self) -> None:
        """Show the records as they are now."""
        records = list(self.records())
        column = self._column()
        if column is not None and self._sort is not None:
            now = self.session.clock()
            records.sort(
                key=lambda record: column.sort_key(record, now), reverse=self._sort.descending
            )
        self.table.show(records)

    def situation(self) -> Situation:
        """Return what decides which actions can be done; there is nothing to open yet."""
        return Situation(has_record=self.table.record is not None, can_open=False)

    def on_record_table_sort_asked(self, event: RecordTable.SortAsked) -> None:
        """Order by the clicked column; a second click turns the order round, a third drops it."""
        column = next(each for each in self.table.columns if each.key == event.column)
        sort = cycled(self._sort, column)
        self.sort_by(*((None,) if sort is None else (sort.column, sort.descending)))

    def sort_by(self, column: str | None, descending: bool | None = None) -> None:
        """Order by ``column``; None goes back to the order by name."""
        self._sort = None
        if column is not None:
            found = next(each for each in self.table.columns if each.key == column)
            self._sort = Sort(column, found.newest_first if descending is None else descending)
        self.table.sort = self._sort
        self.table.choose_anew()
        self.refresh_body()

    def status_parts(self) -> list[Part]:
        """Tell how many there are."""
        draw = self.session.draw()
        parts = [Part(draw.cell(f" {self.told()}", "muted"))]
        table = self.table
        if len(table.marks):
            hidden = table.hidden_marks()
            words = f"{len(table.marks):,} marked" + (f", {hidden:,} gone" if hidden else "")
            parts.append(Part(draw.cell(words, "accent"), 1))
        if self._sort is not None:
            words = f"sort {self._sort.column} {self._sort.arrow(draw)}"
            parts.append(Part(draw.cell(words, "muted"), 3))
        if table.is_frozen:
            parts.append(Part(draw.cell("frozen, . goes on", "warn", bold=True)))
        new = table.new_count()
        if new:
            parts.append(Part(draw.cell(f"{new:,} new", "accent"), 2))
        return parts

    def _column(self) -> Any:
        if self._sort is None:
            return None
        return next(each for each in self.table.columns if each.key == self._sort.column)

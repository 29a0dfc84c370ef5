"""What every tab can do with its table besides moving: sort, arrange columns, copy, find again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from umbel_backend.records import TaskRecord
from umbel_console.session import Session
from umbel_console.widgets.filter_bar import FilterBar
from umbel_console.widgets.kept_screens import kept
from umbel_console.widgets.record_table import RecordTable
from umbel_console.widgets.thrifty_screen import ThriftyScreen

if TYPE_CHECKING:
    # Loaded with the first filter: the first frame has none.
    from umbel_backend.filters import Filter


class TableActs(ThriftyScreen[None]):
    """The part of a tab that acts on its table; the menus are loaded when they are first opened."""

    MODE: ClassVar[str] = ""
    SORTS: ClassVar[bool] = True
    """The rows can be ordered by their columns; `sort_by` says why if not."""

    session: Session
    _last_filter: Filter | None = None

    @property
    def table(self) -> RecordTable[Any]:
        """The screen's table."""
        return self.query_one(RecordTable)

    def say(self, sentence: str, role: str = "foreground") -> None:
        """Tell the operator one sentence in the status line, for some seconds."""
        raise NotImplementedError

    def sort_by(self, column: str | None, descending: bool | None = None) -> None:
        """Order by ``column``; None is the screen's own order."""
        self.say("This table has one order only.", "warn")

    def restore_columns(self) -> None:
        """Arrange the columns as the operator left them."""
        if self.session.preferences.get("columns", self.MODE) is not None:
            from umbel_console.screens.column_chooser import saved_arrangement

            self.table.arrange_columns(saved_arrangement(self.session, self.MODE))

    def do_sort(self) -> None:
        """Open the menu of columns to sort by."""
        from umbel_console.screens.menu import Menu
        from umbel_console.screens.sort_menu import USUAL, sort_choices

        table = self.table
        if not self.SORTS:
            self.sort_by(None)
            return
        choices = sort_choices(table.columns, table.sort, self.session.draw())
        present = USUAL if table.sort is None else table.sort.column
        menu = kept(self.app, Menu, self.session).about("Sort by", choices, present=present)
        self.app.push_screen(menu, self._sort_chosen)

    def _sort_chosen(self, chosen: str | None) -> None:
        from umbel_console.screens.sort_menu import USUAL, turned

        if chosen is None:
            return
        if chosen == USUAL:
            self.sort_by(None)
            return
        table = self.table
        column = next(each for each in table.columns if each.key == chosen)
        self.sort_by(chosen, turned(table.sort, column).descending)

    def do_columns(self) -> None:
        """Open the column chooser."""
        from umbel_console.screens.column_chooser import ColumnChooser

        chooser = kept(self.app, ColumnChooser, self.session)
        self.app.push_screen(chooser.about(self.table, self.MODE, self.MODE.capitalize()))

    # Copying

    def do_copy(self) -> None:
        """Open the menu of what can be copied."""
        from umbel_console.screens.copying import copy_choices
        from umbel_console.screens.menu import Menu

        record = self.table.record
        if record is not None:
            choices = copy_choices(record, len(self.table.marks), self._filter_text())
            menu = kept(self.app, Menu, self.session).about("Copy", choices, again="y")
            self.app.push_screen(menu, self._copy_chosen)

    def _copy_chosen(self, what: str | None) -> None:
        if what is not None:
            # Keys typed before this one may still be on their way to the table.
            self.table.call_later(self._copy, what)

    def _copy(self, what: str) -> None:
        from umbel_console.screens.copying import MOST_BYTES, copied

        table = self.table
        record = table.record
        if record is None:
            return
        marks = table.marks.keys()
        text = copied(what, record, table.key_of(record), marks, self._filter_text())
        size = len(text.encode())
        if not text:
            self.say("It has none that is known.", "warn")
        elif size > MOST_BYTES:
            self.say(f"{size:,} bytes are more than a terminal copies ({MOST_BYTES:,}).", "warn")
        else:
            self.app.copy_to_clipboard(text)
            words = text if len(text) <= 40 and what != "marks" else f"{size:,} bytes"
            self.say(f"Copied {words} (if your terminal allows it).")

    def _filter_text(self) -> str:
        return next((bar.text for bar in self.query(FilterBar)), "")

    # Finding again

    def on_filter_bar_chosen(self, event: FilterBar.Chosen) -> None:
        """Remember the filter for when it is dropped."""
        chosen = next((bar.chosen for bar in self.query(FilterBar)), None)
        if chosen is not None:
            self._last_filter = chosen

    def do_next_match(self) -> None:
        """Go to the next row that the last filter matches."""
        self._go_to_match(1)

    def do_previous_match(self) -> None:
        """Go to the row before that the last filter matches."""
        self._go_to_match(-1)

    def _go_to_match(self, by: int) -> None:
        table, chosen = self.table, self._last_filter
        way = "below" if by > 0 else "above"
        if chosen is None:
            self.say("No filter was used here yet; / begins one.", "warn")
        elif any(bar.chosen is not None for bar in self.query(FilterBar)):
            # Every row matches; in History the next page goes on with them.
            before = table.record
            (table.action_down if by > 0 else table.action_up)()
            if table.record is before and not self.turns_page(by):
                self.say(f"No further match {way}.")
        else:
            from umbel_backend.filters import compile_predicate

            matches, now = compile_predicate(chosen), self.session.clock()

            def is_match(record: object) -> bool:
                return isinstance(record, TaskRecord) and matches(record, now)

            if not table.seek(is_match, by):
                self.say(f"No further match {way} for {chosen.text}")

    def turns_page(self, by: int) -> bool:
        """Return whether moving past the edge, down (1) or up (-1), shows another page."""
        return False

"""The table every screen uses: what its keys do, and what it tells the screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.binding import BindingType
from textual.message import Message

from umbel_console import actions
from umbel_console.widgets.columns import R
from umbel_console.widgets.table_mouse import MouseTable


class RecordTable(MouseTable[R], can_focus=True):
    """A table with the keys of the registry's scope ``table``; see `TableView` for how it is made."""

    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("table")]
    DEFAULT_CSS = "RecordTable { height: 1fr; width: 1fr; }"

    class Opened(Message):
        """The record under the cursor is to be opened."""

        def __init__(self, key: str) -> None:
            self.key = key
            super().__init__()

    class Moved(Message):
        """The cursor is on another record."""

    class Changed(Message):
        """Marks, freeze or the follow state changed; a status line may want to tell."""

    class SortAsked(Message):
        """The order by another column, or the other way round, is wanted."""

        def __init__(self, column: str) -> None:
            self.column = column
            super().__init__()

    class PastEnd(Message):
        """The cursor was moved beyond the last row (1) or the first (-1)."""

        def __init__(self, direction: int) -> None:
            self.direction = direction
            super().__init__()

    # Moving

    def home(self) -> None:
        """Go to the top, follow what comes, and count anew what is new."""
        self.view.home()
        self._unread.end()
        self._after_move()

    def seek(self, matches: Callable[[R], bool], by: int) -> bool:
        """Go to the next row that ``matches``, down (1) or up (-1); returns whether there is one."""
        rows, cursor = self.view.rows, self.view.cursor
        if cursor is None:
            return False
        ahead = range(cursor + 1, len(rows)) if by > 0 else range(cursor - 1, -1, -1)
        found = next((index for index in ahead if matches(rows[index])), None)
        if found is None:
            return False
        self.view.move_to(found)
        self._after_move()
        return True

    def action_down(self) -> None:
        """Move one row down."""
        self._step(1)

    def action_up(self) -> None:
        """Move one row up."""
        self._step(-1)

    def action_page_down(self) -> None:
        """Move one window down."""
        self._step(max(1, self.view.height - 1))

    def action_page_up(self) -> None:
        """Move one window up."""
        self._step(-max(1, self.view.height - 1))

    def action_home(self) -> None:
        """Go to the top and follow."""
        self.home()

    def action_end(self) -> None:
        """Go to the last row."""
        self.view.move_to(len(self.view.rows) - 1)
        self._after_move()

    def action_open(self) -> None:
        """Open the record under the cursor."""
        record = self.view.record
        if record is None:
            return
        self.view.hold()
        self._after_move(moved=False)
        self.post_message(self.Opened(self.key_of(record)))

    def _step(self, by: int) -> None:
        if not self.view.move(by):
            self.post_message(self.PastEnd(1 if by > 0 else -1))
        self._after_move()

    def _after_move(self, *, moved: bool = True) -> None:
        if not self.view.follows:
            self._unread.begin(self.view.rows)
        self.tick()
        if moved:
            self.post_message(self.Moved())
        self.post_message(self.Changed())

    # Marks and freeze

    def action_mark(self) -> None:
        """Mark the row under the cursor, or the open range, and go on to the next row."""
        record = self.view.record
        if record is None:
            return
        span = self.open_range()
        if span is not None:
            self._mark_span(*span)
            self.marks.anchor = None
            self._after_move(moved=False)
            return
        self._toggle(record)
        self.view.move(1)
        self._after_move()

    def action_range(self) -> None:
        """Open a range at the cursor; a second time mark it."""
        record = self.view.record
        if self.marks.anchor is not None:
            self.action_mark()
        elif record is not None:
            self.view.hold()
            self.marks.anchor = self.key_of(record)
            self._after_move(moved=False)

    def action_mark_all(self) -> None:
        """Mark every row the filter matches."""
        self._mark_span(0, len(self.view.rows) - 1)
        self._after_move(moved=False)

    def action_unmark(self) -> None:
        """Unmark everything, what the filter hides included."""
        self.marks.clear()
        self._after_move(moved=False)

    def action_freeze(self) -> None:
        """Hold the view still, times included, or let it go on."""
        if self.is_frozen:
            self.thaw()
        else:
            self.freeze()
        self._after_move(moved=False)

    def _mark_span(self, first: int, last: int) -> None:
        rows, banner, draw = self.view.rows[first : last + 1], self._painter.banner, self._draw()
        self.marks.add(self.key_of(record) for record in rows if banner(record, draw) is None)

    def _toggle(self, record: R) -> None:
        if self._painter.banner(record, self._draw()) is None:
            self.marks.toggle(self.key_of(record))

    # The mouse

    def choose(self, index: int, *, toggle: bool = False, extend: bool = False) -> None:
        """Put the cursor on a row; mark it too, or all from the cursor to it."""
        before = self.view.cursor
        self.view.move_to(index)
        if extend and before is not None:
            self._mark_span(min(before, index), max(before, index))
        elif toggle:
            self._toggle(self.view.rows[index])
        self._after_move()

    def open_chosen(self) -> None:
        """Open the record under the cursor."""
        self.action_open()

    def ask_sort(self, column: str) -> None:
        """Ask for the order by ``column``."""
        self.post_message(self.SortAsked(column))

    def moved_window(self) -> None:
        """Draw after the window was moved, with the cursor where it was."""
        self._after_move(moved=False)

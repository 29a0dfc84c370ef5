"""What the mouse does in a table: choose, open, mark, sort, scroll and drag the thumb."""

from __future__ import annotations

from textual import events

from umbel_console.widgets.columns import R
from umbel_console.widgets.painter import LEAD, thumb
from umbel_console.widgets.table_view import TableView

WHEEL_ROWS = 3


class MouseTable(TableView[R]):
    """A table that can be used with the mouse; nothing needs it."""

    _grip: int | None = None
    """Line of the thumb by which it is held; None while it is not."""

    def choose(self, index: int, *, toggle: bool = False, extend: bool = False) -> None:
        """Put the cursor on a row; mark it too, or all from the cursor to it."""
        raise NotImplementedError

    def open_chosen(self) -> None:
        """Open the record under the cursor."""
        raise NotImplementedError

    def ask_sort(self, column: str) -> None:
        """Ask for the order by ``column``."""
        raise NotImplementedError

    def moved_window(self) -> None:
        """Draw after the window was moved, with the cursor where it was."""
        raise NotImplementedError

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold of the thumb, or bring it to where the scroll bar was pressed."""
        if not self._is_scroll_bar(event.x) or event.y == 0:
            return
        event.stop()
        bar = self._bar()
        line = event.y - 1
        if line not in bar:
            self._drag_to(line - len(bar) // 2)
            bar = self._bar()
        self._grip = line - bar.start
        self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Scroll with the thumb that is held."""
        if self._grip is not None:
            event.stop()
            self._drag_to(event.y - 1 - self._grip)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """Let the thumb go."""
        if self._grip is not None:
            event.stop()
            self.release_mouse()

    def on_mouse_release(self, event: events.MouseRelease) -> None:
        """Forget the thumb, whoever took the mouse away."""
        self._grip = None

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on a row, open it on the second click, sort by a header.

        With shift all rows from the cursor to it are marked; with ctrl, or left of the first column,
        it alone.
        """
        event.stop()
        if event.y == 0:
            self._click_header(event.x - LEAD)
            return
        index = self.view.top + event.y - 1
        if index >= len(self.view.rows) or self._is_scroll_bar(event.x):
            return
        on_mark = event.x < LEAD - 1
        self.choose(index, toggle=event.ctrl or on_mark, extend=event.shift)
        if event.chain == 2 and not (event.ctrl or event.shift or on_mark):
            self.open_chosen()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll on, the cursor stays."""
        event.stop()
        self.view.scroll(WHEEL_ROWS)
        self.moved_window()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll back, the cursor stays."""
        event.stop()
        self.view.scroll(-WHEEL_ROWS)
        self.moved_window()

    def _click_header(self, x: int) -> None:
        for place in self._painter.places:
            if place.x <= x < place.x + place.width and place.column.sort_key is not None:
                self.ask_sort(place.column.key)

    def _is_scroll_bar(self, x: int) -> bool:
        return x >= self.size.width - 1 and len(self.view.rows) > self.view.height

    def _bar(self) -> range:
        return thumb(self.view.top, len(self.view.rows), self.view.height)

    def _drag_to(self, start: int) -> None:
        """Scroll so that the thumb begins at line ``start``, as near as it can."""
        free = self.view.height - len(self._bar())
        hidden = len(self.view.rows) - self.view.height
        start = max(0, min(free, start))
        self.view.scroll_to(round(start * hidden / free) if free > 0 else 0)
        self.moved_window()

"""The lines of the filter pane on screen: a cursor that stays on its line, groups, mouse."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from umbel_console.render.context import DrawContext
from umbel_console.widgets.filter_pane_rows import Row, row_text
from umbel_console.widgets.row_strip import changed_span, text_strip

WHEEL_ROWS = 3
NOWHERE = -1
"""Place of a cursor that is on no row yet."""


class PaneList(Widget, can_focus=True):
    """Rows of the pane, of which some can be reached.

    Args:
        draw: Makes the context to draw with.
        moved: Called when the cursor went to another row, before the next key.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = "PaneList { height: 1fr; width: 1fr; }"

    class Clicked(Message):
        """The row under the cursor was clicked; with shift or the other button to exclude it."""

        def __init__(self, exclude: bool) -> None:
            self.exclude = exclude
            super().__init__()

    def __init__(self, draw: Callable[[], DrawContext], moved: Callable[[], None]) -> None:
        super().__init__()
        self._draw_context = draw
        self._tell = moved
        self._rows: Sequence[Row] = ()
        self._at = NOWHERE
        self._top = 0
        self._lines: list[Strip] = []

    @property
    def row(self) -> Row | None:
        """The row under the cursor; None if it is on none."""
        if 0 <= self._at < len(self._rows) and self._rows[self._at].can_be_reached:
            return self._rows[self._at]
        return None

    def home(self) -> None:
        """Take the cursor off its row: the next rows to choose from have it on the first."""
        self._at, self._top = NOWHERE, 0

    def show(self, rows: Sequence[Row], *, is_whole: bool = True) -> None:
        """Show ``rows`` instead; the cursor stays on its row, on the same line of the screen.

        Args:
            rows: From the top.
            is_whole: False while others are to come before these: a cursor that is nowhere stays so.
        """
        before, line = self.row, self._at - self._top
        self._rows = rows
        if before is not None:
            same = (n for n, row in enumerate(rows) if row.key == before.key)
            near = (n for n, row in enumerate(rows) if n >= self._at and row.group == before.group)
            self._at = self._reached(next(same, next(near, min(self._at, len(rows) - 1))), 1)
            self._top = self._at - line
        elif is_whole:
            self._at, self._top = self._reached(0, 1), 0
        else:
            self._at, self._top = NOWHERE, 0
        self._scroll()
        self.redraw()

    def move(self, by: int) -> None:
        """Move the cursor by rows that can be reached."""
        step = 1 if by > 0 else -1
        for _ in range(abs(by)):
            after = self._reached(self._at + step, step)
            if after == self._at:
                break
            self._at = after
        self._moved()

    def page(self, direction: int) -> None:
        """Move the cursor by one window."""
        self.move(direction * max(1, self.size.height - 2))

    def edge(self, direction: int) -> None:
        """Move the cursor to the first or the last row."""
        self.move(direction * len(self._rows))

    def next_group(self, direction: int) -> None:
        """Move the cursor to the first row of the next group, round and round."""
        starts = [n + 1 for n, row in enumerate(self._rows) if row.kind == "head"]
        starts = [n for n in starts if n < len(self._rows) and self._rows[n].can_be_reached]
        if not starts:
            return
        if direction > 0:
            self._at = next((n for n in starts if n > self._at), starts[0])
        else:
            here = max((n for n in starts if n <= self._at), default=starts[0])
            self._at = next((n for n in reversed(starts) if n < here), starts[-1])
        self._top = min(self._top, self._at - 1)
        if self._at - self._top > self.size.height // 2:
            self._top = self._at - 1
        self._moved()

    def go_to(self, key: tuple[str, str, str | None]) -> None:
        """Move the cursor to the row with ``key``, if there is one."""
        self._at = next((n for n, row in enumerate(self._rows) if row.key == key), self._at)
        self._moved()

    def redraw(self) -> None:
        """Draw what changed."""
        width, height = self.size
        if not width or not self.is_attached:
            return
        draw, base = self._draw_context(), self.rich_style
        lines = [self._line(self._top + y, width, draw, base) for y in range(height)]
        before, self._lines = self._lines, lines
        if len(before) != len(lines):
            self.refresh()
            return
        for y, (old, new) in enumerate(zip(before, lines, strict=True)):
            self._refresh_span(y, old, new)

    def _redraw_cursor(self) -> None:
        """Draw the line under the cursor: it alone tells whether the keys go here."""
        y = self._at - self._top
        if self.is_attached and 0 <= y < len(self._lines):
            old, width = self._lines[y], self.size.width
            self._lines[y] = self._line(self._at, width, self._draw_context(), self.rich_style)
            self._refresh_span(y, old, self._lines[y])

    def _refresh_span(self, y: int, old: Strip, new: Strip) -> None:
        is_as_wide = old.cell_length == new.cell_length
        span = changed_span(old, new) if is_as_wide else (0, self.size.width)
        if span is not None:
            self.refresh(Region(span[0], y, span[1] - span[0], 1))

    def render_line(self, y: int) -> Strip:
        """Return one line."""
        if y < len(self._lines) and self._lines[y].cell_length == self.size.width:
            return self._lines[y]
        return Strip.blank(self.size.width, self.rich_style)

    def on_resize(self, event: events.Resize) -> None:
        """Fit into the new size."""
        self._scroll()
        self.redraw()

    def on_focus(self) -> None:
        """Show the cursor."""
        self._redraw_cursor()

    def on_blur(self) -> None:
        """Show that the keys are elsewhere."""
        self._redraw_cursor()

    def on_click(self, event: events.Click) -> None:
        """Choose the row that was clicked."""
        event.stop()
        place = self._top + event.y
        if place < len(self._rows) and self._rows[place].can_be_reached:
            self._at = place
            self._moved()
            self.post_message(self.Clicked(event.shift or event.button == 3))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll, and take the cursor along."""
        event.stop()
        self.move(WHEEL_ROWS)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll, and take the cursor along."""
        event.stop()
        self.move(-WHEEL_ROWS)

    def _reached(self, place: int, step: int) -> int:
        """Return the first row from ``place`` on that can be reached, that way or else the other."""
        rows = self._rows
        ways = (
            range(place, len(rows) if step > 0 else -1, step),
            range(place, -1, -1),
            range(len(rows)),
        )
        for way in ways:
            for n in way:
                if 0 <= n < len(rows) and rows[n].can_be_reached:
                    return n
        return NOWHERE

    def _moved(self) -> None:
        self._scroll()
        self.redraw()
        self._tell()

    def _scroll(self) -> None:
        height = max(1, self.size.height)
        # The title above a first row is scrolled in with it.
        has_title = self._at > 0 and self._rows[self._at - 1].kind == "head"
        self._top = min(self._top, max(0, self._at - has_title))
        self._top = max(self._top, self._at - height + 1)
        self._top = max(0, min(self._top, len(self._rows) - height))

    def _line(self, place: int, width: int, draw: DrawContext, base: Style) -> Strip:
        if place >= len(self._rows):
            return Strip.blank(width, base)
        has_cursor = place == self._at and self._rows[place].can_be_reached
        text = row_text(self._rows[place], draw, width, has_cursor=has_cursor)
        over = draw.palette.cursor if has_cursor and self.has_focus else None
        return text_strip(text, width, base, over)

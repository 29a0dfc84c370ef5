"""The lines of a log as one reads them: follows the end, stays where one reads, draws what is in sight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.scrollbar import ScrollDown, ScrollTo, ScrollUp
from textual.strip import Strip

from umbel_backend.records import LogLine
from umbel_console.render.context import DrawContext
from umbel_console.render.logs import LogLayout
from umbel_console.widgets.row_strip import changed_span, text_strip


class LogView(ScrollView, can_focus=True, inherit_bindings=False):
    """Shows a stretch of a log; asks its owner for more when one comes near an end of it.

    Args:
        draw: Makes the context of a drawing.
    """

    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "step(1)", "down", show=False),
        Binding("k,up", "step(-1)", "up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
    ]
    DEFAULT_CSS = """
    LogView {
        height: 1fr; width: 1fr; padding: 0 1;
        overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;
    }
    """

    class NearEnd(Message):
        """Little is left to scroll; ``by`` is -1 at the beginning and 1 at the end."""

        def __init__(self, by: int) -> None:
            self.by = by
            super().__init__()

    def __init__(self, draw: Callable[[], DrawContext], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._draw = draw
        self._lines: Sequence[LogLine] = ()
        self._layout = LogLayout(1, unicode=True, wraps=True)
        self._width = 0
        self._shown: dict[int, Strip] = {}
        self.follows = True
        """The end stays in sight as lines come."""
        self.wraps = True
        """Long lines are broken; else they are cut."""
        self.words = ""
        """What is searched for; it is marked wherever it stands."""
        self.here = -1
        """Index of the line that the search stands at; -1 for none."""

    @property
    def lines(self) -> Sequence[LogLine]:
        """What is held."""
        return self._lines

    @property
    def top(self) -> int:
        """Index of the first line in sight."""
        return min(self._layout.line_at(self.scroll_offset.y), max(0, len(self._lines) - 1))

    def in_sight(self) -> Sequence[LogLine]:
        """Return the lines of which a row is in sight."""
        if not self._lines:
            return ()
        last = self._layout.line_at(self.scroll_offset.y + self._height - 1)
        return self._lines[self.top : last + 1]

    def show(self, lines: Sequence[LogLine], *, shifted: int = 0) -> None:
        """Show ``lines`` instead; the line one reads stays where it is on the screen.

        Args:
            lines: Oldest first.
            shifted: By how many places the lines held before stand further down now; negative if
                some before them were dropped.
        """
        top, within = self._place()
        if self.here >= 0:
            self.here = max(-1, self.here + shifted)
        self._lines = lines
        self._fit(top + shifted, within)

    def redraw(self) -> None:
        """Draw what is in sight anew: other words, or other colours."""
        self._fit(*self._place())

    def go_to(self, index: int) -> None:
        """Bring a line into sight, and follow no longer."""
        self.follows = False
        row, height = self._layout.row_of(index), self._height
        top = self.scroll_offset.y
        if not top <= row < top + height:
            self._scroll(row - height // 3)
        self._refresh_changed()

    def go_to_begin(self) -> None:
        """Go to the first row held."""
        self.follows = False
        self._scroll(0)

    def go_to_end(self) -> None:
        """Go to the last row held and stay at the end."""
        self.follows = True
        self._scroll(len(self._layout))

    @property
    def _height(self) -> int:
        return max(1, self.scrollable_content_region.height)

    def _place(self) -> tuple[int, int]:
        """Return the line at the top, and which of its rows it is."""
        row = self.scroll_offset.y
        if row >= len(self._layout):
            return len(self._lines), 0
        index = self._layout.line_at(row)
        return index, row - self._layout.row_of(index)

    def _fit(self, top: int, within: int) -> None:
        width, unicode = self.scrollable_content_region.width, self._draw().unicode
        layout = self._layout
        if (layout.width, layout.wraps, layout.unicode) != (max(20, width), self.wraps, unicode):
            self._layout = layout = LogLayout(width, unicode=unicode, wraps=self.wraps)
        self._width = max(1, width)
        layout.show(self._lines)
        self.virtual_size = Size(self._width, len(layout))
        if self.follows:
            self._scroll(len(layout))
        elif 0 <= top < len(self._lines):
            row = layout.row_of(top)
            last = layout.row_of(top + 1) - 1
            self._scroll(min(row + within, last))
        self._refresh_changed()

    def _scroll(self, row: int) -> None:
        most = max(0, len(self._layout) - self._height)
        self.scroll_to(y=max(0, min(row, most)), animate=False, immediate=True)

    def _refresh_changed(self) -> None:
        """Ask only for the rows that read differently now."""
        before, self._shown = self._shown, {}
        top = self.scroll_offset.y
        regions, draw = [], self._draw()
        for y in range(self.scrollable_content_region.height):
            strip = self._strip(top + y, draw)
            old = before.get(y)
            self._shown[y] = strip
            if old is None or old.cell_length != strip.cell_length:
                self.refresh()
                return
            span = changed_span(old, strip)
            if span is not None:
                regions.append(Region(span[0], y, span[1] - span[0], 1))
        if regions:
            self.refresh(*regions)

    def _strip(self, row: int, draw: DrawContext) -> Strip:
        base = self.rich_style
        if not 0 <= row < len(self._layout):
            return Strip.blank(self._width, base)
        text = self._layout.row(row, draw, self.words, here=self.here)
        return text_strip(text, self._width, base)

    def render_line(self, y: int) -> Strip:
        """Return one row in sight; a blank one until it is known how wide rows are."""
        if self._width <= 1:
            return Strip.blank(self.scrollable_content_region.width, self.rich_style)
        strip = self._shown[y] = self._strip(self.scroll_offset.y + y, self._draw())
        return strip

    # Moving

    def action_step(self, by: int) -> None:
        """Scroll by a row."""
        self._move(by)

    def action_page(self, by: int) -> None:
        """Scroll by a window."""
        self._move(by * max(1, self._height - 1))

    def _move(self, by: int) -> None:
        top = self.scroll_offset.y
        if by < 0:
            self.follows = False
        self._scroll(top + by)
        rows, height = len(self._layout), self._height
        if by < 0 and self.scroll_offset.y < 2 * height:
            self.post_message(self.NearEnd(-1))
        elif by > 0 and self.scroll_offset.y + 3 * height > rows:
            self.post_message(self.NearEnd(1))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll up by some rows."""
        event.stop()
        event.prevent_default()
        self._move(-3)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll down by some rows."""
        event.stop()
        event.prevent_default()
        self._move(3)

    def on_scroll_to(self, event: ScrollTo) -> None:
        """Go where the scrollbar is dragged to."""
        event.stop()
        event.prevent_default()
        if event.y is not None:
            self._move(round(event.y) - self.scroll_offset.y)

    def on_scroll_up(self, event: ScrollUp) -> None:
        """Go up by a window: the scrollbar was clicked above its thumb."""
        event.stop()
        event.prevent_default()
        self.action_page(-1)

    def on_scroll_down(self, event: ScrollDown) -> None:
        """Go down by a window: the scrollbar was clicked below its thumb."""
        event.stop()
        event.prevent_default()
        self.action_page(1)

    def on_resize(self, event: events.Resize) -> None:
        """Break the lines for the new width."""
        self.redraw()

"""A short list to choose from, with a cursor; menus and the column chooser are made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from umbel_console.render.context import DrawContext
from umbel_console.render.text import shortened, width_of
from umbel_console.widgets.row_strip import text_strip
from umbel_console.widgets.scroll_keys import SCROLL_KEYS

MOST_OF_SCREEN = 94
"""Percent of the height of the screen that a box takes at most."""
BORDER = 2


class ChoiceList(Widget, can_focus=True):
    """Lines with a cursor; scrolls when there are more than fit.

    Args:
        draw: Makes the context to draw with.
        beside: Lines that its box needs besides it; they stay in sight however long the list is.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        *SCROLL_KEYS,
        Binding("enter", "choose", "choose", show=False),
    ]
    ALLOW_SELECT = False
    DEFAULT_CSS = "ChoiceList { width: 1fr; height: auto; }"

    class Chosen(Message):
        """The line under the cursor was chosen."""

        def __init__(self, index: int) -> None:
            self.index = index
            super().__init__()

    def __init__(self, draw: Callable[[], DrawContext], *, beside: int = 2) -> None:
        super().__init__()
        self._draw = draw
        self._beside = beside
        self._lines: Sequence[Text] = ()
        self.cursor = 0
        """Index of the line under the cursor."""
        self._top = 0

    def show(self, lines: Sequence[Text], cursor: int | None = None) -> None:
        """Show ``lines``, with the cursor on line ``cursor`` if one is given."""
        grown = len(lines) != len(self._lines)
        self._lines = lines
        self.cursor = max(0, min(len(lines) - 1, self.cursor if cursor is None else cursor))
        self.refresh(layout=grown)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return the height of all lines, or of as many as the box around them has room for."""
        room = viewport.height * MOST_OF_SCREEN // 100 - BORDER - self._beside
        return max(1, min(len(self._lines), room))

    def render_line(self, y: int) -> Strip:
        """Return one line; the list is scrolled so that the cursor is seen."""
        height = max(1, self.size.height)
        self._top = max(self.cursor - height + 1, min(self._top, self.cursor))
        # In a window that grew no line stays hidden above while there is room below.
        self._top = max(0, min(self._top, len(self._lines) - height))
        index, draw, width = self._top + y, self._draw(), self.size.width
        if index >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        here = index == self.cursor
        line = draw.empty()
        line.append_text(draw.cell(draw.glyph("▌ ", "> ") if here else "  ", "accent"))
        line.append_text(self._lines[index])
        more = self._more(y, height, draw)
        room = width - width_of(more.plain)
        line = shortened(line, room, unicode=draw.unicode)
        if more.plain:
            line = line.append(" " * (room - width_of(line.plain))).append_text(more)
        return text_strip(line, width, self.rich_style, draw.palette.cursor if here else None)

    def _more(self, y: int, height: int, draw: DrawContext) -> Text:
        """Return what tells on the first and the last line that there are more beyond them."""
        above, below = self._top, len(self._lines) - self._top - height
        if not y and above > 0:
            return draw.cell(f" {draw.glyph('↑', '^')} {above} more ", "accent")
        if y == height - 1 and below > 0:
            return draw.cell(f" {draw.glyph('↓', 'v')} {below} more ", "accent")
        return draw.empty()

    def on_resize(self) -> None:
        """Keep the cursor in sight."""
        self.refresh()

    def action_step(self, by: int) -> None:
        """Move the cursor."""
        self.show(self._lines, self.cursor + by)

    def action_page(self, by: int) -> None:
        """Move the cursor by what is shown."""
        self.action_step(by * max(1, self.size.height - 1))

    def action_edge(self, to: int) -> None:
        """Move the cursor to the first line or the last."""
        self.action_step(to * len(self._lines))

    def action_choose(self) -> None:
        """Choose the line under the cursor."""
        if self._lines:
            self.post_message(self.Chosen(self.cursor))

    def on_click(self, event: events.Click) -> None:
        """Choose the line that was clicked."""
        event.stop()
        if self._top + event.y < len(self._lines):
            self.show(self._lines, self._top + event.y)
            self.action_choose()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Move on."""
        event.stop()
        self.action_step(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Move back."""
        event.stop()
        self.action_step(-1)

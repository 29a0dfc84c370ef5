"""A text one reads and scrolls by the keys of a table; lines that can be opened have a cursor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from umbel_console.render.context import DrawContext
from umbel_console.render.document import DocLine, Layout
from umbel_console.render.palette import Palette
from umbel_console.widgets.row_strip import changed_span, text_strip
from umbel_console.widgets.scroll_keys import SCROLL_KEYS


class DocumentView(ScrollView, can_focus=True, inherit_bindings=False):
    """Shows a document; draws the rows in sight only, and sends only those that changed.

    Args:
        draw: Makes the context of a drawing.
    """

    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [*SCROLL_KEYS]
    DEFAULT_CSS = """
    DocumentView {
        height: 1fr; width: 1fr; padding: 0 1;
        overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;
    }
    """

    class Opened(Message):
        """A line that can be opened was chosen."""

        def __init__(self, key: str) -> None:
            self.key = key
            super().__init__()

    def __init__(self, draw: Callable[[], DrawContext], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._draw = draw
        self._lines: Sequence[DocLine] = ()
        self._layout = Layout((), 1)
        self._width = 0
        self._cursor: str | None = None
        self._shown: dict[int, Strip] = {}
        self._look: tuple[Style, Palette] | None = None

    @property
    def key(self) -> str | None:
        """What the line under the cursor stands for; None if no line can be opened."""
        return self._cursor

    @property
    def plain(self) -> str:
        """What the whole document reads."""
        return "\n".join(line.plain for line in self._lines)

    def show(self, lines: Sequence[DocLine], *, cursor: str | None = None) -> None:
        """Show ``lines`` instead; the place one has scrolled to stays.

        Args:
            lines: From the top.
            cursor: The key to put the cursor on if it is on none of these lines.
        """
        is_same, self._lines = lines is self._lines, lines
        keys = self._keys()
        if self._cursor not in keys:
            self._cursor = cursor if cursor in keys else next(iter(keys), None)
        self._fit(again=not is_same)

    def home(self) -> None:
        """Go back to the top, the cursor included."""
        self._cursor = None
        self.scroll_to(y=0, animate=False, immediate=True)

    def _fit(self, *, again: bool = True) -> None:
        before, self._width = self._width, max(1, self.scrollable_content_region.width)
        if again or before != self._width:
            self._layout = Layout(self._lines, self._width)
        self.virtual_size = Size(self._width, len(self._layout))
        self._refresh_changed()

    def _keys(self) -> dict[str, int]:
        """Return where each line is that can be opened."""
        return {line.key: index for index, line in enumerate(self._lines) if line.key is not None}

    def _refresh_changed(self) -> None:
        """Ask only for the rows that read differently now."""
        before, self._shown = self._shown, {}
        self._look = look = self.rich_style, self._draw().palette
        top, height = self.scroll_offset.y, self.scrollable_content_region.height
        regions = []
        for y in range(height):
            strip = self._strip(top + y, *look)
            old = before.get(top + y)
            self._shown[top + y] = strip
            if old is None or old.cell_length != strip.cell_length:
                self.refresh()
                return
            span = changed_span(old, strip)
            if span is not None:
                regions.append(Region(span[0], y, span[1] - span[0], 1))
        if regions:
            self.refresh(*regions)

    def _strip(self, row: int, base: Style, palette: Palette) -> Strip:
        width = self._width
        if not 0 <= row < len(self._layout):
            return Strip.blank(width, base)
        line = self._lines[self._layout.line_at(row)]
        is_here = line.key is not None and line.key == self._cursor and self.has_focus
        over = palette.cursor if is_here else None
        return text_strip(self._layout.row(row), width, base, over)

    def render_line(self, y: int) -> Strip:
        """Return one row in sight."""
        row = self.scroll_offset.y + y
        strip = self._shown.get(row)
        if strip is None:
            look = self._look or (self.rich_style, self._draw().palette)
            strip = self._shown[row] = self._strip(row, *look)
        return strip

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return the rows of ``crop``, those that were drawn already as they are."""
        look = self.rich_style, self._draw().palette
        if look != self._look:
            # Another theme: its style sheet makes the widget draw again, not who shows the lines.
            self._look = look
            self._shown.clear()
        return super().render_lines(crop)

    # Moving

    def action_step(self, by: int) -> None:
        """Move the cursor to the next line that can be opened, or scroll by a row."""
        keys = list(self._keys())
        if not keys:
            self.scroll_relative(y=by, animate=False, immediate=True)
            return
        place = keys.index(self._cursor) + by if self._cursor in keys else 0
        if not 0 <= place < len(keys):
            self.scroll_relative(y=by, animate=False, immediate=True)
            return
        self._put_cursor(keys[place])

    def action_page(self, by: int) -> None:
        """Scroll by a window."""
        height = max(1, self.scrollable_content_region.height - 1)
        self.scroll_relative(y=by * height, animate=False, immediate=True)

    def action_edge(self, to: int) -> None:
        """Go to the first or the last row."""
        keys = list(self._keys())
        if keys:
            self._put_cursor(keys[0] if to < 0 else keys[-1])
        end = max(0, len(self._layout) - self.scrollable_content_region.height)
        self.scroll_to(y=0 if to < 0 else end, animate=False, immediate=True)

    def _put_cursor(self, key: str) -> None:
        self._cursor = key
        row = self._layout.row_of(self._keys()[key])
        top, height = self.scroll_offset.y, max(1, self.scrollable_content_region.height)
        if row < top:
            self.scroll_to(y=row, animate=False, immediate=True)
        elif row >= top + height:
            self.scroll_to(y=row - height + 1, animate=False, immediate=True)
        self._refresh_changed()

    # Events

    def on_resize(self, event: events.Resize) -> None:
        """Break the lines for the new width."""
        self._fit()

    def on_focus(self) -> None:
        """Draw the cursor."""
        self._refresh_cursor()

    def on_blur(self) -> None:
        """Draw no cursor: the keys go elsewhere."""
        self._refresh_cursor()

    def _refresh_cursor(self) -> None:
        if self._cursor is not None:
            self._refresh_changed()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on a line, open it on the second click."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        row = self.scroll_offset.y + offset.y
        if not 0 <= row < len(self._layout):
            return
        key = self._lines[self._layout.line_at(row)].key
        if key is None:
            return
        self._put_cursor(key)
        if event.chain == 2:
            self.post_message(self.Opened(key))

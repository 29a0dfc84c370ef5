"""A block of lines made elsewhere: drawn when it is told to, and only the lines that changed are sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.text import Text
from textual import events
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from umbel_console.widgets.row_strip import changed_span, text_strip

Build = Callable[[int, int], Sequence[Text]]
"""From width and height to as many lines."""


class Block(Widget):
    """Shows the lines of a function of its size; a chart, a row of figures."""

    ALLOW_SELECT = False
    DEFAULT_CSS = "Block { height: 1fr; width: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._build: Build | None = None
        self._lines: list[Strip] = []

    def show(self, build: Build) -> None:
        """Show what ``build`` makes, now and after every change of size."""
        self._build = build
        self._draw()

    def render_line(self, y: int) -> Strip:
        """Return one line; it was drawn by `show`."""
        if y < len(self._lines):
            return self._lines[y]
        return Strip.blank(self.size.width, self.rich_style)

    def on_resize(self, event: events.Resize) -> None:
        """Fit into the new size."""
        self._draw()

    def _draw(self) -> None:
        width, height = self.size
        if self._build is None or not width or not height:
            return
        base = self.rich_style
        lines = [text_strip(line, width, base) for line in self._build(width, height)[:height]]
        before, self._lines = self._lines, lines
        if len(before) != len(lines) or any(
            old.cell_length != new.cell_length for old, new in zip(before, lines, strict=True)
        ):
            self.refresh()
            return
        regions = [
            Region(span[0], y, span[1] - span[0], 1)
            for y, (old, new) in enumerate(zip(before, lines, strict=True))
            if (span := changed_span(old, new)) is not None
        ]
        if regions:
            self.refresh(*regions)

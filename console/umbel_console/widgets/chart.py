"""A block of lines made elsewhere: drawn when it is told to, and only the lines that changed are sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.style import Style
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
        self._style: Style | None = None

    def show(self, build: Build) -> None:
        """Show what ``build`` makes, now and after every change of size."""
        self._build = build
        self._draw()

    def render_line(self, y: int) -> Strip:
        """Return one line; it was drawn by `show`, or is drawn now if the colours became others."""
        if self._lines and self._style != self.rich_style:
            # The style sheet of another theme holds only some time after the theme was chosen.
            self._lines = self._drawn()
        if y < len(self._lines):
            return self._lines[y]
        return Strip.blank(self.size.width, self.rich_style)

    def on_resize(self, event: events.Resize) -> None:
        """Fit into the new size."""
        self._draw()

    def _drawn(self) -> list[Strip]:
        self._style = self.rich_style
        if self._build is None:
            return []
        width, height = self.size
        built = self._build(width, height)[:height]
        return [text_strip(line, width, self._style) for line in built]

    def _draw(self) -> None:
        width, height = self.size
        if self._build is None or not width or not height:
            return
        before, self._lines = self._lines, self._drawn()
        lines = self._lines
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

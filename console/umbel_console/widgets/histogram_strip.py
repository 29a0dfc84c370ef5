"""The strip above the table of History: how what the filter matches lies in time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical

from umbel_backend.records import Gap
from umbel_console.render.context import DrawContext
from umbel_console.render.histogram import (
    MARGIN,
    axis_line,
    bars_line,
    caption_of,
    marks_line,
    slices_in,
)
from umbel_console.render.line import Part
from umbel_console.widgets.line import Line

if TYPE_CHECKING:
    from umbel_backend.db.statements.histogram import Histogram

TALL = 30
"""Lines of a terminal from which on marks and axis are shown too."""
CAPTION = 38
"""Cells beside the bars, where there is only their line, to say what they tell."""


class HistogramStrip(Vertical):
    """Bars, marks and axis, or on a low terminal one line; it keeps its room whatever there is to draw.

    Args:
        draw: Makes the context to draw with.
    """

    DEFAULT_CSS = """
    HistogramStrip { height: auto; }
    HistogramStrip.-low #marks, HistogramStrip.-low #axis { display: none; }
    """

    def __init__(self, draw: Callable[[], DrawContext], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._draw = draw
        self._shown: Histogram | None = None
        self._gaps: Sequence[Gap] = ()
        self._is_read = False

    def compose(self) -> ComposeResult:
        """Lay out the lines."""
        yield Line(id="bars")
        yield Line(id="marks")
        yield Line(id="axis")

    @property
    def most_slices(self) -> int:
        """How many bars there is room for."""
        return slices_in(self._width - (CAPTION if self.has_class("-low") else 0))

    def show(self, histogram: Histogram | None, gaps: Sequence[Gap]) -> None:
        """Draw ``histogram``, with ``gaps`` of the same time; None draws nothing."""
        self._shown, self._gaps = histogram, gaps
        self._is_read = True
        self.redraw()

    def redraw(self) -> None:
        """Draw anew, in the present colours and width."""
        draw, width = self._draw(), self._width
        if self._shown is None:
            # Before the first reading the table says how it stands.
            words = f"{' ' * MARGIN}nothing to draw over time" if self._is_read else ""
            self._put("bars", draw.cell(words, "muted"))
            self._put("marks", draw.empty())
            self._put("axis", draw.empty())
            return
        if self.has_class("-low"):
            bars = Part(bars_line(self._shown, draw, width - CAPTION, self._gaps))
            self.query_one("#bars", Line).show([bars, *caption_of(self._shown, draw)])
            return
        self._put("bars", bars_line(self._shown, draw, width))
        self._put("marks", marks_line(self._shown, self._gaps, draw, width))
        self._put("axis", axis_line(self._shown, draw, width))

    def on_mount(self) -> None:
        """Begin at the height there is."""
        self.set_class(self.app.size.height < TALL, "-low")

    def on_resize(self, event: events.Resize) -> None:
        """Fit into the new size."""
        self.set_class(self.app.size.height < TALL, "-low")
        self.redraw()

    @property
    def _width(self) -> int:
        return self.size.width or self.app.size.width

    def _put(self, line: str, text: Text) -> None:
        self.query_one(f"#{line}", Line).show([Part(text)])

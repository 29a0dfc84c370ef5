"""Sends the terminal only the cells that changed, each where it belongs, and no more than it takes."""

from __future__ import annotations

from typing import Any

from rich.console import Console, RenderableType
from rich.control import Control
from rich.segment import Segment
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import App
from textual.driver import Driver
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip
from textual.timer import Timer

from umbel_console.line_pace import LinePace, WatchedFile

OWED_EVERY_S = 0.05
"""How often a clogged line is asked whether it takes what it is owed."""


class SpanUpdate(ChopsUpdate):
    """A partial update of the screen, cut to its spans on both sides.

    Textual's own cuts on the right alone and so sends again all that stands left of a changed cell in
    the same widget: four times the bytes for a live table.
    """

    def render_segments(self, console: Console) -> str:
        """Return what to write to the terminal."""
        sequences: list[str] = []
        for y, x1, x2 in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                left, right = max(x, x1), min(end, x2)
                if strip is None or left >= right:
                    continue
                sequences.append(placed(strip.crop(left - x, right - x), left, y, console))
        return "".join(sequences)


class PlacedLayout(LayoutUpdate):
    """An update of the whole screen."""

    def render_segments(self, console: Console) -> str:
        """Return what to write to the terminal."""
        sequences: list[str] = []
        for y, line in enumerate(self.strips, self.region.y):
            x = self.region.x
            for strip in line:
                sequences.append(placed(strip, x, y, console))
                x += strip.cell_length
        return "".join(sequences)


def placed(strip: Strip, x: int, y: int, console: Console) -> str:
    """Return what draws ``strip`` at ``x``, ``y``, so that all of it is where it is thought to be.

    Terminals differ in how wide they draw some characters. Where a text has any but simple ones, its
    cells are blanked first and what follows it is placed anew.
    """
    start = Control.move_to(x, y).segment.text
    if len(strip.text) == strip.cell_length:
        return start + strip.render(console)
    sequences = [start]
    for segment in strip:
        width = segment.cell_length
        drawn = Strip([segment], width).render(console)
        if len(segment.text) != width:
            blank = Strip([Segment(" " * width, segment.style)], width).render(console)
            before, after = (Control.move_to(at, y).segment.text for at in (x, x + width))
            drawn = f"{blank}{before}{drawn}{after}"
        sequences.append(drawn)
        x += width
    return "".join(sequences)


class SpanDisplay(App[Any]):
    """An app that draws its updates as `SpanUpdate`, and keeps back what a slow line cannot take.

    What is kept back is drawn as it is by then, so that a line that recovers shows the present.
    """

    pace: LinePace

    def get_driver_class(self) -> type[Driver]:
        """Return Textual's driver, with its writing watched."""
        self.pace = LinePace()
        self._owed: set[Region] = set()
        self._collector: Timer | None = None
        return _watched(super().get_driver_class(), self.pace)

    @property
    def holds_paint(self) -> bool:
        """Whether screens are to wait with drawing themselves."""
        return False

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        if self.pace.is_clogged and isinstance(renderable, ChopsUpdate | LayoutUpdate):
            self._owe(renderable)
            return
        if isinstance(renderable, ChopsUpdate):
            renderable = SpanUpdate(renderable.chops, renderable.spans, renderable.chop_ends)
        elif isinstance(renderable, LayoutUpdate):
            renderable = PlacedLayout(renderable.strips, renderable.region)
        super()._display(screen, renderable)

    def _owe(self, update: ChopsUpdate | LayoutUpdate) -> None:
        if isinstance(update, LayoutUpdate):
            self._owed.add(update.region)
        else:
            self._owed.update(Region(x1, y, x2 - x1, 1) for y, x1, x2 in update.spans)
        if self._collector is None:
            self._collector = self.set_interval(OWED_EVERY_S, self._pay)

    def _pay(self) -> None:
        if self.pace.is_clogged:
            return
        if self._collector is not None:
            self._collector.stop()
            self._collector = None
        compositor = self.screen._compositor
        compositor._dirty_regions.update(self._owed)
        self._owed.clear()
        self.screen._compositor_refresh()


def _watched(driver: type[Driver], pace: LinePace) -> type[Driver]:
    """Return ``driver`` with every write told to ``pace``; one without a file is left as it is."""

    class WatchedDriver(driver):  # type: ignore[misc, valid-type]
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            file = getattr(self, "_file", None)
            self._is_watched = file is not None
            if self._is_watched:
                self._file = WatchedFile(file, pace)

        def write(self, data: str) -> None:
            if self._is_watched:
                pace.handed()
            super().write(data)

    return WatchedDriver

"""Sends the terminal only the cells that changed, which is what a slow line needs."""

from __future__ import annotations

from typing import Any

from rich.console import Console, RenderableType
from rich.control import Control
from textual._compositor import ChopsUpdate
from textual.app import App
from textual.screen import Screen


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
                sequences.append(Control.move_to(left, y).segment.text)
                sequences.append(strip.crop(left - x, right - x).render(console))
        return "".join(sequences)


class SpanDisplay(App[Any]):
    """An app that draws its partial updates as `SpanUpdate`."""

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        if isinstance(renderable, ChopsUpdate):
            renderable = SpanUpdate(renderable.chops, renderable.spans, renderable.chop_ends)
        super()._display(screen, renderable)

"""What a cell needs to know besides its record."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from types import MappingProxyType

from msgspec import Struct
from rich.style import Style
from rich.text import Text

from umbel_console.render.palette import DARK, Palette
from umbel_console.render.text import clean_cell
from umbel_console.stores.progress import Pace

REDIS_LEVELS: Mapping[int, str] = MappingProxyType({0: "high", 3: "normal", 9: "low"})
AMQP_LEVELS: Mapping[int, str] = MappingProxyType({9: "high", 5: "normal", 1: "low"})


MOST_IN_CELL = 1_000
"""Longest text cleaned for one cell or line: far more than the widest terminal shows of it."""


class DrawContext(Struct, frozen=True, kw_only=True):
    """The moment and the means of one drawing."""

    now: float
    """Unix seconds; ages are counted to it."""
    palette: Palette = DARK
    unicode: bool = True
    """False on a terminal that shows ASCII only."""
    zone: tzinfo | None = None
    """Where exact times are told; None is the machine's own zone."""
    levels: Mapping[int, str] = REDIS_LEVELS
    """Priority numbers that have a name on this broker."""
    paces: Mapping[str, Pace] = MappingProxyType({})
    """How fast running tasks get on, by id."""

    def cell(self, text: str, role: str = "foreground", *, bold: bool = False) -> Text:
        """Return ``text`` cleaned, in the style of ``role``; one beyond `MOST_IN_CELL` is cut."""
        if len(text) > MOST_IN_CELL:
            text = text[:MOST_IN_CELL] + self.glyph("…", "~")
        style = self.palette.style(role, bold=True) if bold else self.palette.style(role)
        return Text(clean_cell(text, unicode=self.unicode), style=style, no_wrap=True, end="")

    def empty(self) -> Text:
        """Return a text to append cells to; it lends them no style of its own."""
        return Text(end="", no_wrap=True)

    def nothing(self) -> Text:
        """Return the sign for "not known"."""
        return Text("–" if self.unicode else "-", style=self.muted, no_wrap=True, end="")

    @property
    def muted(self) -> Style:
        """The style of what only gives context."""
        return self.palette.style("muted")

    def glyph(self, fancy: str, plain: str) -> str:
        """Return ``fancy``, or ``plain`` where the terminal shows ASCII only."""
        return fancy if self.unicode else plain

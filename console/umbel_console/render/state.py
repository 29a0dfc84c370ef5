"""How a state looks: a glyph and a word always, a colour where there is one."""

from __future__ import annotations

from typing import NamedTuple

from rich.text import Text

from umbel_backend import states
from umbel_console.render.context import DrawContext


class StateLook(NamedTuple):
    """The signs of one state; the colour is never the only one."""

    glyph: str
    plain: str
    """The glyph's stand-in on an ASCII terminal."""
    role: str
    """Role in the palette."""


LOOKS = {
    states.PENDING: StateLook("○", ".", "muted"),
    states.RECEIVED: StateLook("◔", "r", "waiting"),
    states.STARTED: StateLook("●", ">", "running"),
    states.RETRY: StateLook("↻", "~", "warn"),
    states.SUCCESS: StateLook("✓", "+", "good"),
    states.FAILURE: StateLook("✗", "x", "bad"),
    states.REVOKED: StateLook("⊘", "-", "stopped"),
    states.REJECTED: StateLook("⊗", "%", "stopped"),
    states.PAUSED: StateLook("‖", "=", "held"),
    states.LOST: StateLook("†", "!", "bad"),
}
UNKNOWN = StateLook("·", "?", "foreground")

WIDTH = 10
"""Cells the longest state takes with its glyph."""


def state_cell(state: str, draw: DrawContext) -> Text:
    """Draw ``state``; one that is not ours is shown as it is, with a neutral glyph."""
    look = LOOKS.get(state, UNKNOWN)
    text = draw.cell(f"{draw.glyph(look.glyph, look.plain)} {state}", look.role)
    if state == states.LOST:
        text.style = draw.palette.style("bad", reverse=True)
    return text

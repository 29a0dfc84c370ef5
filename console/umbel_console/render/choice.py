"""The signs of what can be chosen, the same in every list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from rich.text import Text

from umbel_console.render.context import DrawContext

Chosen = Literal["included", "excluded"]

_ROLES: Mapping[Chosen | None, str] = {None: "muted", "included": "accent", "excluded": "bad"}


def check_box(chosen: Chosen | None, draw: DrawContext, *, dim: bool = False) -> Text:
    """Draw a box of which any number can be on: ``[✓]``, ``[ ]``, or ``[-]`` for what is kept out.

    Args:
        chosen: None for a box that is off.
        draw: To draw with.
        dim: It is on without effect.
    """
    sign = {None: " ", "included": draw.glyph("✓", "x"), "excluded": "-"}[chosen]
    role = "muted" if dim else _ROLES[chosen]
    return draw.cell(f"[{sign}] ", role, bold=chosen is not None and not dim)


def radio(is_on: bool, draw: DrawContext) -> Text:
    """Draw a choice of which one at most is on: ``(●)`` or ``( )``."""
    sign = draw.glyph("●", "x") if is_on else " "
    return draw.cell(f"({sign}) ", "accent" if is_on else "muted", bold=is_on)

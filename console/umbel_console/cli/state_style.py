"""The colour of a state in a listing, from the console's own look of it; the word is there too."""

from __future__ import annotations

from typing import Any

from umbel_backend import states
from umbel_console.cli.output import colour


def state_style(state: str) -> dict[str, Any]:
    """Return how ``state`` is styled, as ``click.style`` takes it."""
    if not colour():
        return {}
    # Rich is of no use to a pipe.
    from umbel_console.render.palette import ANSI
    from umbel_console.render.state import LOOKS, UNKNOWN

    name = getattr(ANSI, LOOKS.get(state, UNKNOWN).role)
    style: dict[str, Any] = {} if name == "default" else {"fg": name}
    if state == states.LOST:
        style["reverse"] = True
    return style

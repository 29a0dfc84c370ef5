"""The keys by which one moves in what is no table: the same as in a table."""

from __future__ import annotations

from textual.binding import Binding

SCROLL_KEYS: tuple[Binding, ...] = (
    Binding("j,down", "step(1)", "down", show=False),
    Binding("k,up", "step(-1)", "up", show=False),
    Binding("pagedown", "page(1)", "page down", show=False),
    Binding("pageup", "page(-1)", "page up", show=False),
    Binding("g,home", "edge(-1)", "top", show=False),
    Binding("G,end", "edge(1)", "bottom", show=False),
)
"""Call ``action_step``, ``action_page`` and ``action_edge`` of what is scrolled, 1 being down."""

"""The tabs above every screen and the keys below it, as parts of a line."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.style import Style
from rich.text import Text

from umbel_console import actions
from umbel_console.action import Action, Situation
from umbel_console.render.context import DrawContext
from umbel_console.render.line import Part
from umbel_console.render.text import width_of
from umbel_console.session import Session

TABS: tuple[tuple[str, str, str], ...] = (
    ("overview", "0", "Overview"),
    ("tasks", "1", "Tasks"),
    ("history", "2", "History"),
    ("workers", "3", "Workers"),
    ("queues", "4", "Queues"),
    ("audit", "7", "Audit"),
    ("policies", "8", "Policies"),
)
"""Mode, key and title of each tab, in order."""
FIGURES = 20
"""Cells kept for the figures behind the titles."""


def tab_parts(
    shown: str, note: Callable[[str], str], draw: DrawContext, width: int = 1_000
) -> list[Part]:
    """Return the line of tabs.

    Args:
        shown: Mode of the one that one is on.
        note: The figure behind the title of a mode; empty for none.
        draw: The means.
        width: Cells there are; with too few the tabs go without figures, then all but one without title.
    """

    titles = _tabs(shown, lambda mode: "", draw)
    room = width - width_of(titles.plain)
    # By what is sure: figures that grow must not take titles away.
    if room >= FIGURES:
        return [Part(_tabs(shown, note, draw))]
    return [Part(titles if room >= 0 else _tabs(shown, lambda mode: "", draw, titles=False))]


def _tabs(
    shown: str, note: Callable[[str], str], draw: DrawContext, *, titles: bool = True
) -> Text:
    line = Text(end="", no_wrap=True)
    for number, (mode, key, title) in enumerate(TABS):
        here = mode == shown
        text = draw.empty()
        text.append_text(draw.cell(f" {key} ", "accent" if here else "muted", bold=here))
        if here or titles:
            role = "foreground" if here else "muted"
            text.append_text(draw.cell(f"{title} ", role, bold=here))
        count = note(mode)
        if count:
            text.append_text(draw.cell(f"{count} ", "accent" if here else "muted"))
        style = Style(meta={"does": f"app.{mode}"})
        text.stylize(draw.palette.tab + style if here else style)
        if number:
            line.append(draw.glyph("│", "|"), draw.muted)
        line.append_text(text)
    return line


def footer_parts(shown: Sequence[Action], situation: Situation, session: Session) -> list[Part]:
    """Return the line of keys; what cannot be done in ``situation`` is dim."""
    draw, key_map = session.draw(), session.settings.key_map
    parts = []
    for number, action in enumerate(shown):
        off = action.why_disabled(situation) is not None
        keys = f" {actions.keys_of(action, key_map, unicode=draw.unicode)}"
        text = draw.empty()
        text.append_text(draw.cell(keys, "muted" if off else "accent", bold=not off))
        text.append_text(draw.cell(f" {action.label}", "muted"))
        text.stylize(Style(meta={"does": action.id}))
        parts.append(Part(text, 0 if action.id == "app.help" else number + 1))
    return parts

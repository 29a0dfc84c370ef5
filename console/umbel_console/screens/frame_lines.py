"""The tabs above every screen and the keys below it, as parts of a line."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.style import Style
from rich.text import Text

from umbel_console import actions
from umbel_console.action import Action, Situation
from umbel_console.render.context import DrawContext
from umbel_console.render.line import Part
from umbel_console.session import Session

TABS: tuple[tuple[str, str, str], ...] = (
    ("overview", "0", "Overview"),
    ("tasks", "1", "Tasks"),
    ("history", "2", "History"),
    ("workers", "3", "Workers"),
    ("queues", "4", "Queues"),
)
"""Mode, key and title of each tab, in order."""


def tab_parts(shown: str, note: Callable[[str], str], draw: DrawContext) -> list[Part]:
    """Return the line of tabs.

    Args:
        shown: Mode of the one that one is on.
        note: The figure behind the title of a mode; empty for none.
        draw: The means.
    """
    line = Text(end="", no_wrap=True)
    for number, (mode, key, title) in enumerate(TABS):
        here = mode == shown
        text = draw.empty()
        text.append_text(draw.cell(f" {key} ", "accent" if here else "muted", bold=here))
        text.append_text(draw.cell(f"{title} ", "foreground" if here else "muted", bold=here))
        count = note(mode)
        if count:
            text.append_text(draw.cell(f"{count} ", "accent" if here else "muted"))
        style = Style(meta={"does": f"app.{mode}"})
        text.stylize(draw.palette.tab + style if here else style)
        if number:
            line.append(draw.glyph("│", "|"), draw.muted)
        line.append_text(text)
    return [Part(line)]


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

"""The tabs above every screen and the keys below it, as parts of a line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

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
SHORT = {
    "Overview": "Over",
    "History": "Hist",
    "Workers": "Work",
    "Queues": "Queue",
    "Schedules": "Sched",
    "Policies": "Policy",
}
"""Titles where there is little room."""
FIGURES = 20
"""Cells kept for the figures behind the titles, where all of them are shown."""
ALARMS = 6
"""Cells kept for the figures that tell of something wrong, as long as the titles stay whole."""


class _Look(NamedTuple):
    """How the tabs are drawn where there are fewer cells."""

    between: str
    """What stands between two tabs."""
    plain: str
    """The same on an ASCII terminal."""
    title: Callable[[str], str]
    """What is shown of a title; the tab one is on keeps its whole one."""
    kept: int
    """Cells that must be left over."""


_ROOMY = _Look(" │ ", " | ", str, FIGURES)
_NARROWER = (
    _ROOMY._replace(kept=ALARMS),
    _Look("  ", "  ", str, ALARMS),
    _Look(" ", " ", str, ALARMS),
    _Look(" ", " ", lambda title: SHORT.get(title, title), 0),
    _Look(" ", " ", lambda title: "", 0),
)


def tab_parts(
    shown: str, note: Callable[[str], str], draw: DrawContext, width: int = 1_000
) -> list[Part]:
    """Return the line of tabs.

    With too few cells figures go but for alarms, then the lines between the tabs, then titles become
    short, and at last all go but that of the tab one is on.

    Args:
        shown: Mode of the tab one is on.
        note: The figure behind the title of a mode; empty for none. One that ends with ``!`` is an alarm.
        draw: The means.
        width: Cells there are.
    """

    def line(look: _Look, notes: Callable[[str], str] = _no_note) -> Text:
        return _tabs(shown, notes, look, draw)

    def fits(text: Text, kept: int = 0) -> bool:
        return width_of(text.plain) + kept <= width

    # By what is sure: figures that grow must not take titles away.
    looks = [look for look in _NARROWER if fits(line(look), look.kept)] or [_NARROWER[-1]]
    if fits(line(_ROOMY), _ROOMY.kept):
        return [Part(line(_ROOMY, note))]
    # An alarm may take the lines between the tabs, but no part of a title.
    whole = [look for look in looks if look.kept] or looks[:1]
    told = [line(look, lambda mode: _alarm(note(mode))) for look in whole]
    return [Part(next(filter(fits, told), line(looks[0])))]


def _no_note(mode: str) -> str:
    return ""


def _alarm(note: str) -> str:
    return note if note.endswith("!") else ""


def _tabs(shown: str, note: Callable[[str], str], look: _Look, draw: DrawContext) -> Text:
    line = Text(" ", end="", no_wrap=True)
    places = []
    for number, (mode, key, title) in enumerate(TABS):
        here = mode == shown
        if number:
            line.append(draw.glyph(look.between, look.plain), draw.muted)
        begin = len(line)
        line.append_text(draw.cell(key, "accent" if here else "muted", bold=here))
        words, figure = title if here else look.title(title), note(mode)
        if words:
            line.append_text(draw.cell(f" {words}", "foreground" if here else "muted", bold=here))
        if figure:
            alarm = bool(_alarm(figure))
            role = "warn" if alarm else "accent" if here else "muted"
            line.append_text(draw.cell(f" {figure}", role, bold=alarm))
        places.append((mode, begin - 1, len(line) + 1))
    line.append(" ")
    for mode, begin, end in places:
        style = Style(meta={"does": f"app.{mode}"})
        line.stylize(draw.palette.tab + style if mode == shown else style, begin, end)
    return line


def footer_parts(shown: Sequence[Action], situation: Situation, session: Session) -> list[Part]:
    """Return the line of keys; what cannot be done in ``situation``, or may not be, is dim."""
    draw, key_map = session.draw(), session.settings.key_map
    parts = []
    for number, action in enumerate(shown):
        is_forbidden = action.needs_role and session.may_not_act
        off = is_forbidden or action.why_disabled(situation) is not None
        keys = f" {actions.keys_of(action, key_map, unicode=draw.unicode)}"
        text = draw.empty()
        text.append_text(draw.cell(keys, "muted" if off else "accent", bold=not off))
        text.append_text(draw.cell(f" {action.label}", "muted"))
        text.stylize(Style(meta={"does": action.id}))
        parts.append(Part(text, 0 if action.id == "app.help" else number + 1))
    return parts

"""The colours: one set of named roles per theme, as Rich styles, so that no cell names a colour."""

from __future__ import annotations

from functools import lru_cache

from msgspec import Struct
from rich.style import Style

_DIM = Style(dim=True)


class Palette(Struct, frozen=True, kw_only=True):
    """What each role looks like in one theme; roles are named after meaning, not hue."""

    name: str
    dark: bool
    ansi: bool
    """The terminal's own sixteen colours are used, and none under ``NO_COLOR``."""
    background: str
    surface: str
    raised: str
    foreground: str
    accent: str
    muted: str
    """Chrome, units and whatever only gives context."""
    good: str
    bad: str
    warn: str
    held: str
    waiting: str
    running: str
    stopped: str

    def style(self, role: str, *, bold: bool = False, reverse: bool = False) -> Style:
        """Return the style of ``role``, which is a field's name."""
        return _style(getattr(self, role), bold, reverse)

    def quiet(self, role: str) -> Style:
        """Return ``role`` for what fills much room, so that lines and figures stand out from it.

        Sixteen colours have a darker one of each kind. A dim one would not do: reversed, as where a
        line crosses an area, terminals draw it in another shade.
        """
        if self.ansi:
            return _style(getattr(self, role).removeprefix("bright_"), False, False)
        return self.style(role) + _DIM

    @property
    def cursor(self) -> Style:
        """What is laid over the row under the cursor; reversed where there are only sixteen colours."""
        return Style(reverse=True) if self.ansi else Style(bgcolor=self.raised)

    @property
    def tab(self) -> Style:
        """What is laid over the title of the tab one is on."""
        return Style(underline=True) if self.ansi else Style(bgcolor=self.raised)

    def banner(self, role: str) -> Style:
        """Return ``role`` as a background with text that can be read on it."""
        if self.ansi:
            return self.style(role, bold=True, reverse=True)
        return Style(color=self.background, bgcolor=_rich(getattr(self, role)), bold=True)


DARK = Palette(
    name="umbel-dark",
    dark=True,
    ansi=False,
    background="#11151a",
    surface="#171c22",
    raised="#26303a",
    foreground="#d3dae1",
    accent="#9ccc65",
    muted="#8b97a3",
    good="#79b56b",
    bad="#f07272",
    warn="#d9b44a",
    held="#e39b4f",
    waiting="#6ea8ea",
    running="#4fc6cb",
    stopped="#c98bc9",
)
LIGHT = Palette(
    name="umbel-light",
    dark=False,
    ansi=False,
    background="#fbfbf8",
    surface="#f1f2ee",
    raised="#e9ece4",
    foreground="#1e242a",
    accent="#38751c",
    muted="#626b74",
    good="#2c7331",
    bad="#b3261e",
    warn="#806000",
    held="#9c4f00",
    waiting="#1b5cad",
    running="#00707a",
    stopped="#8a338a",
)
CONTRAST = Palette(
    name="umbel-contrast",
    dark=True,
    ansi=False,
    background="#000000",
    surface="#000000",
    raised="#303030",
    foreground="#ffffff",
    accent="#c6ff00",
    muted="#c8c8c8",
    good="#5dff5d",
    bad="#ff7a7a",
    warn="#ffe14d",
    held="#ffb347",
    waiting="#8ec5ff",
    running="#4dfcff",
    stopped="#ff9dff",
)
ANSI = Palette(
    name="umbel-ansi",
    dark=True,
    ansi=True,
    background="default",
    surface="default",
    raised="default",
    foreground="default",
    accent="bright_green",
    muted="dim",
    good="green",
    bad="bright_red",
    warn="yellow",
    held="bright_yellow",
    waiting="bright_blue",
    running="bright_cyan",
    stopped="magenta",
)
PALETTES = {palette.name: palette for palette in (DARK, LIGHT, CONTRAST, ANSI)}
ROLES = tuple(f for f in Palette.__struct_fields__ if f not in ("name", "dark", "ansi"))


@lru_cache(maxsize=256)
def _style(colour: str, bold: bool, reverse: bool) -> Style:
    if colour == "dim":
        return Style(dim=True, bold=bold or None, reverse=reverse or None)
    return Style(color=_rich(colour), bold=bold or None, reverse=reverse or None)


def _rich(colour: str) -> str | None:
    return None if colour == "default" else colour

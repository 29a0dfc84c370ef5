"""Palettes from the themes that Textual brings along, made readable where those are not."""

from __future__ import annotations

from collections.abc import Sequence

from textual.color import Color
from textual.theme import BUILTIN_THEMES, Theme

from umbel_console.render.palette import Palette

NAMES = tuple(name for name, theme in BUILTIN_THEMES.items() if not theme.ansi)
"""The themes there are; those of sixteen colours have their like among our own."""

LEAST_CONTRAST = 4.5
"""Between text and what is behind it, as WCAG 2 asks of text of usual size."""

LEAST_MUTED = 4.0
LEAST_SURFACE = 6.0
"""A surface on which not even the text stands out like this is not used."""
_DARK, _LIGHT = Color.parse("#121212"), Color.parse("#f4f4f4")


def adopted(name: str) -> Palette:
    """Return the palette made of the theme ``name``, which is one of `NAMES`."""
    theme = BUILTIN_THEMES[name]
    ground = _colour(theme.background, _DARK if theme.dark else _LIGHT)
    text = _colour(theme.foreground, _LIGHT if theme.dark else _DARK)
    surface = _colour(theme.surface, ground.blend(text, 0.05))

    if contrast(surface, text) < LEAST_SURFACE:
        surface = ground
    raised = ground.blend(text, 0.1)

    def readable(colour: str | Color, least: float = LEAST_CONTRAST) -> str:
        return _readable(_colour(colour, text), (ground, surface, raised), text, least).hex

    return Palette(
        name=name,
        dark=theme.dark,
        ansi=False,
        background=ground.hex,
        surface=surface.hex,
        raised=raised.hex,
        foreground=readable(text, 7.0),
        accent=readable(theme.accent or theme.primary),
        muted=readable(ground.blend(text, 0.6), LEAST_MUTED),
        good=readable(theme.success or "#4ebf71"),
        bad=readable(theme.error or "#d0435e"),
        warn=readable(theme.warning or "#d9a23c"),
        held=readable(_colour(theme.warning, text).blend(_colour(theme.error, text), 0.4)),
        waiting=readable(_bluish(theme)),
        running=readable("#3fc0c6"),
        stopped=readable("#c07fc8"),
    )


def _bluish(theme: Theme) -> Color:
    """Return the bluest of the theme's own colours, or a plain blue."""
    found = [_colour(each, _DARK) for each in (theme.primary, theme.secondary, theme.accent)]
    bluest = max(found, key=lambda colour: colour.b - colour.r)
    return bluest if bluest.b - bluest.r > 40 else Color.parse("#6ea8ea")


def _colour(colour: str | Color | None, default: Color) -> Color:
    if colour is None:
        return default
    return colour if isinstance(colour, Color) else Color.parse(colour)


def _readable(colour: Color, grounds: Sequence[Color], text: Color, least: float) -> Color:
    """Move ``colour`` towards the text, and that towards black or white, until it stands out."""
    far = Color.parse("#ffffff") if grounds[0].brightness < 0.5 else Color.parse("#000000")
    for target in (text, far):
        for tenth in range(11):
            nearer = colour.blend(target, tenth / 10)
            if all(contrast(nearer, ground) >= least for ground in grounds):
                return nearer
    return far


def contrast(one: Color, other: Color) -> float:
    """Return the contrast ratio of WCAG 2, from 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Color) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in colour.normalized
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

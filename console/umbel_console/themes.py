"""Textual's themes, made from the palettes, and the little style sheet they share."""

from __future__ import annotations

from textual.theme import Theme

from umbel_console.render.palette import PALETTES, Palette

CSS = """
TabScreen { background: $background; color: $foreground; }
#header { background: $surface; }
#tabs, #footer { background: $background; }
#status { background: $surface; }
CommandBar { background: $surface; }
.-ascii VerticalScroll, .-ascii DocumentView, .-ascii LogView { scrollbar-size-vertical: 0; }
TabScreen.-detail.-narrow #list { display: none; }
TabScreen.-wide TaskDetail { width: 1fr; background: $surface; border-left: solid $panel; }
.-ascii TabScreen.-wide TaskDetail { border-left: ascii $panel; }
TaskDetail #title { background: $surface; }
CommandPalette > Vertical { background: $surface; margin-top: 2; }
CommandPalette #--input { border: blank; padding-left: 1; }
CommandPalette SearchIcon { display: none; }
CommandList { background: $surface; border-bottom: blank; scrollbar-size-vertical: 1; }
CommandList > .option-list--option-highlighted { background: $panel; color: $accent; }
CommandList:ansi > .option-list--option-highlighted { text-style: reverse; }
"""


def theme_of(palette: Palette) -> Theme:
    """Return the Textual theme with the colours of ``palette``."""

    def css(colour: str) -> str:
        if not palette.ansi:
            return colour
        return "ansi_default" if colour in ("default", "dim") else f"ansi_{colour}"

    return Theme(
        name=palette.name,
        dark=palette.dark,
        ansi=palette.ansi,
        primary=css(palette.accent),
        secondary=css(palette.waiting),
        accent=css(palette.accent),
        foreground=css(palette.foreground),
        background=css(palette.background),
        surface=css(palette.surface),
        panel=css(palette.raised),
        boost=css(palette.raised),
        success=css(palette.good),
        warning=css(palette.warn),
        error=css(palette.bad),
        variables={
            "ansi-background": "ansi_default",
            "ansi-foreground": "ansi_default",
            "scrollbar": css(palette.muted),
            "scrollbar-background": css(palette.background),
            "scrollbar-corner-color": css(palette.background),
        },
    )


def names() -> list[str]:
    """Return the names of all themes, our own first."""
    from umbel_console import adopted_themes

    return [*PALETTES, *adopted_themes.NAMES]


def palette_named(name: str) -> Palette | None:
    """Return the palette of a theme, ours or one that Textual brings along; None if there is none."""
    if name in PALETTES:
        return PALETTES[name]
    from umbel_console import adopted_themes

    return adopted_themes.adopted(name) if name in adopted_themes.NAMES else None

"""Every theme can be read, whoever made it."""

from __future__ import annotations

from functools import partial

import pytest
from textual.color import Color

from fake_console.screen_text import strips, until, until_shown
from fake_console.world import Console, business
from umbel_console import themes
from umbel_console.adopted_themes import LEAST_CONTRAST, LEAST_MUTED, contrast
from umbel_console.render.palette import PALETTES, ROLES

TEXT = [role for role in ROLES if role not in ("background", "surface", "raised")]
COLOURED = [name for name in themes.names() if name != "umbel-ansi"]


@pytest.mark.parametrize("name", COLOURED)
def test_each_role_stands_out_from_whatever_is_behind_it(name: str) -> None:
    palette = themes.palette_named(name)
    assert palette is not None
    for behind in ("background", "surface", "raised"):
        ground = Color.parse(getattr(palette, behind))
        for role in TEXT:
            found = contrast(Color.parse(getattr(palette, role)), ground)
            least = LEAST_MUTED if role == "muted" else LEAST_CONTRAST
            # Colours are rounded when they are written.
            assert found >= least - 0.05, f"{role} on {behind}: {found:.2f}"


def is_drawn_in(console: Console, name: str) -> bool:
    return console.app.theme == name


async def test_any_theme_can_be_chosen_while_it_runs() -> None:
    console = Console()
    async with console.app.run_test(size=(100, 30)) as pilot:
        for name in ("nord", "umbel-light", "solarized-light", *PALETTES):
            await pilot.press("colon", *f"theme {name}", "enter")
            await until(pilot, partial(is_drawn_in, console, name))
            assert console.app.session.palette.name == name
        await pilot.press("colon", *"theme bogus", "enter")
        await until_shown(pilot, "The themes are umbel-dark")


def grounds(console: Console) -> set[str]:
    """Return every background on the screen."""
    styles = [
        segment.style for strip in strips(console.app.screen) for segment in strip if segment.style
    ]
    return {style.bgcolor.name for style in styles if style.bgcolor is not None}


async def test_nothing_of_the_theme_before_is_left_on_any_screen() -> None:
    console = Console(business())
    dark = {PALETTES["umbel-dark"].background, PALETTES["umbel-dark"].surface}
    async with console.app.run_test(size=(120, 36)) as pilot:
        await until_shown(pilot, "3/3 workers")
        for key in "012340":
            await pilot.press(key)
            await pilot.pause()
        await pilot.press("colon", *"theme umbel-light", "enter")
        for key in "012340":
            await pilot.press(key)
            await until(pilot, lambda: dark.isdisjoint(grounds(console)))

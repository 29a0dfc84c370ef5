"""The console in a window that changes its size, or is too small for it."""

from __future__ import annotations

import pytest

from fake_console.screen_text import line_with, text, until, until_shown
from fake_console.world import Console, business
from umbel_console.app import LEAST_WINDOW
from umbel_console.screens.tab import TabScreen

SMALL = "This window is too small for Umbel."


async def test_a_window_that_is_too_small_is_told_so_and_comes_back_as_it_was() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await until_shown(pilot, "3/3 workers")
        await pilot.press("j", "space", "j")
        await until_shown(pilot, "1 marked")
        await pilot.resize_terminal(60, 15)
        await until_shown(pilot, SMALL)
        assert "It has 60 columns and 15 lines; 60 and 16 are needed." in text(console.app)
        await pilot.resize_terminal(30, 5)
        await until_shown(pilot, "It has 30 columns")
        await pilot.press("4", "space", "slash")
        await pilot.resize_terminal(120, 36)
        await until_shown(pilot, "1 marked")
        assert "import.catalogue" in line_with(console.app, "▌")
        assert SMALL not in text(console.app)


@pytest.mark.parametrize("key", ["question_mark", "s", "colon", "enter", "f"])
async def test_what_is_open_is_still_open_when_the_window_has_grown_again(key: str) -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await until_shown(pilot, "3/3 workers")
        await pilot.press(key)
        before = len(console.app.screen_stack), console.app.focused
        await pilot.resize_terminal(59, 36)
        await until_shown(pilot, SMALL)
        await pilot.resize_terminal(120, 36)
        await until(pilot, lambda: SMALL not in text(console.app))
        assert (len(console.app.screen_stack), console.app.focused) == before


async def test_one_may_leave_a_window_that_is_too_small() -> None:
    console = Console()
    async with console.app.run_test(size=(40, 10)) as pilot:
        await until_shown(pilot, SMALL)
        await pilot.press("q")
    assert console.app.return_value == 0


async def test_in_the_least_window_every_screen_shows_its_table_and_help() -> None:
    console = Console(business())
    async with console.app.run_test(size=LEAST_WINDOW) as pilot:
        await until_shown(pilot, "3/3 workers")
        for key in "01234":
            await pilot.press(key)
            await until_shown(pilot, "? help")
            screen = console.app.screen
            assert isinstance(screen, TabScreen)
            assert screen.table.size.height > 3

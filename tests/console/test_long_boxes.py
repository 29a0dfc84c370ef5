"""Boxes with more in them than a low terminal shows: all can be reached, and a sign says there is more."""

from __future__ import annotations

from fake_console.screen_text import line_with, text, until_shown
from fake_console.world import Console, business

KEYS = "= own width  r reset all  esc done"


async def test_the_end_of_the_help_can_be_reached_at_80_by_24() -> None:
    console = Console(business())
    async with console.app.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "3/3 workers")
        await pilot.press("question_mark")
        await until_shown(pilot, "esc closes")
        assert "the word in name" not in text(console.app)
        await pilot.press("G")
        await until_shown(pilot, "the word in name")
        await pilot.press("g")
        await until_shown(pilot, "esc closes")


async def test_a_long_list_of_columns_keeps_cursor_and_keys_in_sight_at_80_by_24() -> None:
    console = Console(business())
    async with console.app.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "3/3 workers")
        await pilot.press("3")
        await until_shown(pilot, "w1@app-1")
        await pilot.press("c")
        await until_shown(pilot, "↓ 8 more")
        assert KEYS in text(console.app)
        await pilot.press("G")
        await until_shown(pilot, "↑ 8 more")
        assert "▌" in line_with(console.app, "QUEUES   ")
        assert KEYS in text(console.app)
        await pilot.resize_terminal(80, 40)
        await until_shown(pilot, "WORKER          18")
        assert "more" not in text(console.app)

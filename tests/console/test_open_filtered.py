"""Opening Tasks or History with a filter from elsewhere."""

from __future__ import annotations

import pytest

from fake_console.screen_text import line_with, text, until, until_shown
from fake_console.world import Console, task

PAST = [task(1, "FAILURE", name="billing.capture"), task(2, "SUCCESS", name="mail.send")]


@pytest.mark.parametrize("mode", ["tasks", "history"])
async def test_another_screen_opens_a_tab_with_a_filter(mode: str) -> None:
    console = Console(PAST)
    async with console.app.run_test(size=(100, 26)) as pilot:
        await until_shown(pilot, "billing.capture")
        await pilot.press("3")
        console.app.open_filtered(mode, "state:SUCCESS")
        await until(pilot, lambda: "mail.send" in text(console.app))
        await until(pilot, lambda: "billing.capture" not in text(console.app))
        assert "state:SUCCESS" in line_with(console.app, " / ")
        console.app.open_filtered(mode, "")
        await until_shown(pilot, "billing.capture")


async def test_a_filter_typed_behind_the_name_of_a_tab_holds_there() -> None:
    console = Console(PAST)
    async with console.app.run_test(size=(100, 26)) as pilot:
        await until_shown(pilot, "billing.capture")
        await pilot.press("colon", *"history name:mail.*", "enter")
        await until_shown(pilot, "1 task matches in all of history")
        await pilot.press("colon", *"tasks state:FAILURE", "enter")
        await until(pilot, lambda: "mail.send" not in text(console.app))
        assert "billing.capture" in text(console.app)


async def test_a_text_that_is_no_filter_is_shown_with_its_mistake() -> None:
    console = Console(PAST)
    async with console.app.run_test(size=(100, 26)) as pilot:
        await until_shown(pilot, "billing.capture")
        console.app.open_filtered("tasks", "wrong:x")
        await until_shown(pilot, "^^^^^")

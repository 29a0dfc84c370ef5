"""A key that does nothing says so, and where it would do something."""

from __future__ import annotations

import pytest

from fake_console.screen_text import text, until_shown
from fake_console.world import Console, business
from umbel_console.screens.stray_keys import of_no_use


def test_a_key_of_other_places_names_them() -> None:
    told = of_no_use("d", "d", {})
    assert told == "d is a key in the filter pane, not here; ? lists those there are."
    assert of_no_use("x", "x", {}) == "x is no key here; ? lists those there are."
    assert "in the filter pane" in of_no_use("f9", "f9", {"pane.exclude": "f9"})


@pytest.mark.parametrize(
    ("tab", "key", "words"),
    [
        ("1", "d", "d is a key in the filter pane, not here"),
        ("3", "equals_sign", "= is a key in Tasks and in History, not here"),
        ("3", "right", "→ is a key elsewhere, not here"),
        ("4", "ctrl+f", "ctrl+f is no key here"),
        ("0", "x", "x is no key here; ? lists those there are."),
    ],
)
async def test_a_key_without_use_says_so(tab: str, key: str, words: str) -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await until_shown(pilot, "3/3 workers")
        await pilot.press(tab, key)
        await until_shown(pilot, words)


async def test_a_key_that_is_typed_or_used_is_not_commented_on() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await until_shown(pilot, "3/3 workers")
        await pilot.press("j", "space", "slash", *"wxz", "left", "ctrl+u", "escape", "l", "escape")
        await until_shown(pilot, "1 marked")
        assert "is no key" not in text(console.app)
        assert "is a key" not in text(console.app)

"""A user's own keys are checked before the console opens."""

from __future__ import annotations

import pytest

from fake_console.screen_text import text, until, until_shown
from fake_console.world import Console
from umbel_backend.errors import InvalidValue
from umbel_console.actions import REGISTRY
from umbel_console.key_map import check_key_map


def test_the_defaults_are_a_key_map_without_fault() -> None:
    check_key_map({action.id: action.keys for action in REGISTRY})


@pytest.mark.parametrize(
    ("key_map", "sentence"),
    [
        ({"app.hlep": "f1"}, "there is no action 'app.hlep'; did you mean app.help?"),
        ({"screen.sort": "q"}, "app.quit and screen.sort would both be on q"),
        ({"screen.sort": "x", "table.down": "x,down"}, "would both be on x"),
    ],
)
def test_what_is_wrong_is_said(key_map: dict[str, str], sentence: str) -> None:
    with pytest.raises(InvalidValue, match=sentence.replace(".", r"\.").replace("?", r"\?")):
        check_key_map(key_map)


def test_two_actions_may_change_keys_with_each_other() -> None:
    check_key_map({"table.down": "k", "table.up": "j"})


async def test_a_key_of_ones_own_works_and_is_shown() -> None:
    console = Console(key_map={"app.help": "f1"})
    async with console.app.run_test(size=(100, 30)) as pilot:
        await until_shown(pilot, "f1 help")
        await pilot.press("f1")
        await until_shown(pilot, "esc closes")
        await pilot.press("slash", *"list the keys")
        await until_shown(pilot, "f1         List the keys of this screen")
        await pilot.press(*" nothing")
        await until_shown(pilot, "No key of this screen is about list the keys nothing.")
        await pilot.press("escape")
        await until_shown(pilot, "Filter as you type")
        await pilot.press("escape")
        await until(pilot, lambda: "esc closes" not in text(console.app))

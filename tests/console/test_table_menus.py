"""Sorting, columns, copying and finding again, as one does them on the real screens."""

from __future__ import annotations

import json
from functools import partial

import pytest
from textual.pilot import Pilot

from fake_console.screen_text import line_with, text, until, until_shown
from fake_console.world import Console, business, task
from umbel_console.screens.copying import MOST_BYTES
from umbel_console.screens.menu import MOVES, Menu, letters_for
from umbel_console.screens.tab import TabScreen
from umbel_console.screens.task_columns import LIVE


def tab(console: Console) -> TabScreen:
    shown = console.app.screen_stack[0]
    assert isinstance(shown, TabScreen)
    return shown


async def ready(pilot: Pilot[int]) -> None:
    await until_shown(pilot, "deploy.rollout")
    await until_shown(pilot, "3/3 workers")


async def menu(pilot: Pilot[int], *keys: str) -> None:
    """Press ``keys``, the last of which opens a menu."""
    await pilot.press(*keys)
    await until(pilot, lambda: len(pilot.app.screen_stack) == 2)
    await pilot.pause()


def test_every_column_has_a_letter_of_its_own_that_moves_nothing() -> None:
    letters = letters_for([column.label for column in LIVE])
    assert len(set(letters)) == len(LIVE)
    assert MOVES.isdisjoint(letters)


@pytest.mark.parametrize(("number", "words", "letter"), [("1", "deploy", "t"), ("3", "w1@", "w")])
async def test_s_and_a_letter_sort_and_again_turn_the_order_round(
    number: str, words: str, letter: str
) -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        await pilot.press(number)
        await until_shown(pilot, words)
        await menu(pilot, "s")
        assert "as usual" in text(console.app)
        await pilot.press(letter)
        await until_shown(pilot, "↑ ")
        await menu(pilot, "s")
        assert "now smallest first; again turns it round" in text(console.app)
        await pilot.press("enter")
        await until_shown(pilot, "↓")
        sort = tab(console).table.sort if number == "1" else None
        assert sort is None or sort.descending


async def test_every_column_with_an_order_can_be_chosen_by_the_arrows() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        table = tab(console).table
        sortable = [column.key for column in table.columns if column.sort_key is not None]
        assert sortable == [column.key for column in table.columns]

        def ordered_by(key: str) -> bool:
            return table.sort is not None and table.sort.column == key

        for place, key in enumerate(sortable):
            await menu(pilot, "s")
            await pilot.press("g", *["down"] * (place + 1), "enter")
            await until(pilot, partial(ordered_by, key))
        await menu(pilot, "s")
        await pilot.press("escape")
        await until(pilot, lambda: len(console.app.screen_stack) == 1)
        assert table.sort is not None


async def test_the_column_chooser_hides_moves_widens_and_keeps_it_for_this_screen() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        await menu(pilot, "c")
        assert "always shown" in line_with(console.app, "] STATE")
        await pilot.press("space")
        await until_shown(pilot, "STATE is always shown.")
        await pilot.press("j", "j", "space")
        await until_shown(pilot, "hidden")
        await pilot.press("j", "K", "K", "K", ">", ">")
        await until_shown(pilot, "width chosen")
        width = tab(console).table.arrangement.widths["worker"]
        await pilot.press("escape")
        await until(pilot, lambda: len(console.app.screen_stack) == 1)
        header = line_with(console.app, "STATE").split()
        assert header[:3] == ["WORKER", "STATE", "TASK"]
        assert "ID" not in header
        kept = console.app.session.preferences.get("columns", "tasks")
        assert kept["hidden"] == ["id"]
        assert kept["widths"] == {"worker": width}
        assert console.app.session.preferences.get("columns", "workers") is None


async def test_what_was_arranged_is_there_at_the_next_start_and_can_be_reset() -> None:
    console = Console(business())
    console.app.session.preferences.put("columns", "tasks", {"hidden": ["queue"]})
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        assert "QUEUE" not in line_with(console.app, "STATE")
        await menu(pilot, "c")
        await pilot.press("r", "escape")
        await until(pilot, lambda: "QUEUE" in line_with(console.app, "STATE"))
        assert console.app.session.preferences.get("columns", "tasks") is None


async def test_on_a_narrow_terminal_the_chooser_says_what_found_no_room() -> None:
    console = Console(business())
    async with console.app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        await menu(pilot, "c")
        assert "no room here" in line_with(console.app, "] ARGS")
        await until_shown(pilot, "without room")
        await pilot.press("G", ">")
        await until_shown(pilot, "ARGS is not shown, so it has no width now.")


@pytest.mark.parametrize(
    ("key", "copied"),
    [
        ("i", task(1).id),
        ("y", task(1).id),
        ("n", "reports.monthly"),
        ("a", "() {'month': '2026-10'}"),
    ],
)
async def test_y_and_a_letter_copy(key: str, copied: str) -> None:
    console = Console([task(1)])
    async with console.app.run_test(size=(120, 36)) as pilot:
        await until_shown(pilot, "reports.monthly")
        await menu(pilot, "y")
        await pilot.press(key)
        await until(pilot, lambda: console.app.clipboard == copied)
        await until_shown(pilot, "Copied")


async def test_a_row_is_copied_with_the_names_of_the_command_line() -> None:
    console = Console([task(1, name="mail\x9b.s\u202eend")])
    async with console.app.run_test(size=(120, 36)) as pilot:
        await until_shown(pilot, "STARTED")
        await menu(pilot, "y")
        await pilot.press("r")
        await until(pilot, lambda: console.app.clipboard)
        row = console.app.clipboard
        assert row.isprintable()
        assert json.loads(row)["name"] == "mail\x9b.s\u202eend"
        assert json.loads(row)["args_complete"] is True


async def test_marks_and_the_filter_can_be_copied_too() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        await pilot.press("slash", *"state:STARTED", "enter", "space", "space")
        await until_shown(pilot, "2 marked")
        await menu(pilot, "y")
        await pilot.press("m")
        marked = "\n".join(tab(console).table.marks.keys())
        await until(pilot, lambda: console.app.clipboard == marked)
        await menu(pilot, "y")
        await pilot.press("f")
        await until(pilot, lambda: console.app.clipboard == "state:STARTED")


async def test_more_than_a_terminal_takes_is_not_copied() -> None:
    console = Console([task(1, kwargs="x" * MOST_BYTES)])
    async with console.app.run_test(size=(120, 36)) as pilot:
        await until_shown(pilot, "reports.monthly")
        await menu(pilot, "y")
        await pilot.press("a")
        await until_shown(pilot, "are more than a terminal copies")
        assert console.app.clipboard == ""


async def test_n_goes_on_within_a_filter_and_after_it_was_dropped() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        table = tab(console).table
        await pilot.press("n")
        await until_shown(pilot, "No filter was used here yet")
        await pilot.press("slash", *"state:FAILURE,LOST", "enter")
        await until_shown(pilot, "2 shown")
        await pilot.press("n")
        await until(pilot, lambda: table.view.cursor == 1)
        await pilot.press("n")
        await until_shown(pilot, "No further match below.")
        await pilot.press("escape")
        await until_shown(pilot, "59 shown")
        await pilot.press("g", "n")
        await until(pilot, lambda: table.record is not None and table.record.state == "FAILURE")
        await pilot.press("n")
        await until(pilot, lambda: table.record is not None and table.record.state == "LOST")
        await pilot.press("n")
        await until_shown(pilot, "No further match below for state:FAILURE,LOST")
        await pilot.press("N")
        await until(pilot, lambda: table.record is not None and table.record.state == "FAILURE")


async def test_keys_typed_ahead_of_a_menu_reach_it() -> None:
    console = Console([task(1)])
    async with console.app.run_test(size=(120, 36)) as pilot:
        await until_shown(pilot, "reports.monthly")
        await pilot.press("y", "n")
        await until(pilot, lambda: console.app.clipboard == "reports.monthly")


async def test_a_menu_is_used_with_the_mouse_too_and_leaves_the_table_in_sight() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        await menu(pilot, "s")
        assert "deploy.rollout" in text(console.app)
        assert isinstance(console.app.screen, Menu)
        await pilot.click("ChoiceList", offset=(5, 2))
        await until_shown(pilot, "sort task ↑")


async def test_without_unicode_the_menus_are_ascii() -> None:
    console = Console(business(), unicode=False)
    async with console.app.run_test(size=(100, 30)) as pilot:
        await ready(pilot)
        for key in ("s", "c", "y"):
            await menu(pilot, key)
            assert text(console.app).isascii(), text(console.app)
            await pilot.press("escape")
            await until(pilot, lambda: len(console.app.screen_stack) == 1)

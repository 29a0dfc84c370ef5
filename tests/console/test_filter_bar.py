"""The filter bar: completion with counts, earlier filters, mouse, commands."""

from __future__ import annotations

from pathlib import Path

from fake_console.screen_text import line_with, text, until, until_shown
from fake_console.world import Console, task
from umbel_backend.records import TaskRecord
from umbel_console.preferences import Preferences
from umbel_console.screens.filtered import FilteredScreen
from umbel_console.widgets.filter_bar import FilterBar


def tasks() -> list[TaskRecord]:
    return [
        *(task(n, "SUCCESS", name="mail.send", queue="high") for n in range(1, 5)),
        task(11, "FAILURE", name="billing.capture", queue="default", exception="ValueError: x"),
    ]


def bar(console: Console) -> str:
    screen = console.app.screen
    assert isinstance(screen, FilteredScreen)
    return screen.bar.text


async def test_values_are_offered_with_their_counts_and_tab_goes_through_them() -> None:
    console = Console(tasks())
    async with console.app.run_test(size=(120, 26)) as pilot:
        await until_shown(pilot, "5 shown")
        await pilot.press("slash", *"state:F", "tab")
        await until(pilot, lambda: bar(console) == "state:FAILURE")
        await pilot.press(*" na", "tab")
        await until(pilot, lambda: bar(console) == "state:FAILURE name:")
        await until_shown(pilot, "tab mail.send 4  billing.capture 1")
        await pilot.press("tab", "tab")
        await until(pilot, lambda: bar(console) == "state:FAILURE name:billing.capture")
        await pilot.press("tab")
        await until(pilot, lambda: bar(console) == "state:FAILURE name:mail.send")


async def test_completion_in_the_middle_leaves_the_cursor_there() -> None:
    console = Console(tasks())
    async with console.app.run_test(size=(120, 26)) as pilot:
        await until_shown(pilot, "5 shown")
        await pilot.press("slash", *"queue:h mail", *["left"] * 5, "tab", *",default")
        await until(pilot, lambda: bar(console) == "queue:high,default mail")


async def test_a_suggestion_is_taken_by_the_mouse() -> None:
    console = Console(tasks())
    async with console.app.run_test(size=(120, 26)) as pilot:
        await until_shown(pilot, "5 shown")
        await pilot.press("slash", *"name:")
        await until_shown(pilot, "billing.capture 1")
        lines = text(console.app).split("\n")
        y = next(n for n, line in enumerate(lines) if "billing.capture 1" in line)
        await pilot.click(offset=(lines[y].index("billing.capture"), y))
        await until(pilot, lambda: bar(console) == "name:billing.capture")
        await pilot.press(*" x")
        assert bar(console) == "name:billing.capture x"


async def test_history_offers_what_only_the_database_knows() -> None:
    console = Console(tasks())
    console.history.records.append(task(77, "SUCCESS", name="ancient.one", age_s=9e6))
    async with console.app.run_test(size=(120, 26)) as pilot:
        await until_shown(pilot, "mail.send")
        console.history.records.append(task(78, "SUCCESS", name="ancient.two", age_s=9e6))
        await pilot.press("2")
        await until_shown(pilot, "ancient.one")
        await pilot.press("slash", *"name:anc")
        await until_shown(pilot, "ancient.two 1")


async def test_earlier_filters_come_back_newest_first_in_both_tabs_and_the_next_run(
    tmp_path: Path,
) -> None:
    console = Console(tasks())
    console.app.session.preferences = Preferences(tmp_path / "console.json")
    async with console.app.run_test(size=(120, 26)) as pilot:
        await until_shown(pilot, "5 shown")
        for typed in ("state:SUCCESS", "state:FAILURE"):
            await pilot.press("slash", *typed, "enter")
            await until_shown(pilot, f"/ {typed}")
            await pilot.press("escape")
            await until(pilot, lambda: bar(console) == "")
        await pilot.press("2")
        await until_shown(pilot, "5 tasks recorded")
        await pilot.press("slash", *"mail", "up")
        await until(pilot, lambda: bar(console) == "state:FAILURE")
        await pilot.press("up")
        await until(pilot, lambda: bar(console) == "state:SUCCESS")
        await pilot.press("down", "down")
        await until(pilot, lambda: bar(console) == "mail")
    kept = Preferences(tmp_path / "console.json").get("filters", "recent")
    assert kept == ["state:FAILURE", "state:SUCCESS"]


async def test_at_80_columns_a_long_filter_and_its_mistake_have_room() -> None:
    console = Console(tasks())
    async with console.app.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "5 shown")
        await pilot.press("slash", *"name:mail.send queue:high state:SUCCESS wrong:x", "enter")
        await until_shown(pilot, "^^^^^")
        line = line_with(console.app, " / ")
        assert "wrong:x" in line
        assert "Active" not in line
        assert "There is no field" in text(console.app)


async def test_a_mistake_is_told_whole_or_says_that_it_goes_on() -> None:
    console = Console(tasks())
    async with console.app.run_test(size=(60, 24)) as pilot:
        await until_shown(pilot, "mail.send")
        for size in ((60, 24), (80, 24), (120, 36)):
            await pilot.resize_terminal(*size)
            await pilot.press("slash", "ctrl+u", *"name:mail.send wrong:x ", "enter")
            await until_shown(pilot, "^^^^^")
            await until(pilot, lambda: "to search for it" in " ".join(text(console.app).split()))
        console.app.screen.query_one(FilterBar).put(f"{'far' * 150}:x")
        await until_shown(pilot, "…")
        await pilot.resize_terminal(60, 24)
        console.app.screen.query_one(FilterBar).redraw()
        lines = text(console.app).split("\n")
        told = [line for line in lines if line.startswith("   farfar")]
        await until(
            pilot, lambda: any(line.endswith("…") for line in text(console.app).split("\n"))
        )
        assert len(told) <= 5


async def test_a_view_is_kept_and_opened_by_command_and_an_unknown_one_is_answered() -> None:
    console = Console(tasks())
    async with console.app.run_test(size=(120, 26)) as pilot:
        await until_shown(pilot, "5 shown")
        await pilot.press("colon", *"view x", "enter")
        await until_shown(pilot, "The saved views are: none yet")
        await pilot.press("slash", *"queue:high", "enter", "colon", *"save-view fast", "enter")
        await until_shown(pilot, "Saved the view; :view fast opens it.")
        await pilot.press("escape", "2", "colon", *"view FAST", "enter")
        await until_shown(pilot, "This is the view fast.")
        assert console.app.current_mode == "tasks"
        assert bar(console) == "queue:high"
        commands = console.app.get_system_commands(console.app.screen)
        assert "view fast" in [command.title for command in commands]
        await pilot.press("colon", *"save-view ", "enter")
        await until_shown(pilot, "A view needs a name.")

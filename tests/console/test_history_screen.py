from __future__ import annotations

import asyncio

import pytest
from textual import events

from fake_console.screen_text import line_with, text, until, until_shown
from fake_console.world import NOW, Console, task
from umbel_backend.records import Gap, TaskRecord
from umbel_console.screens import history_pages
from umbel_console.services import Page, Total


def past(count: int) -> list[TaskRecord]:
    return [task(n, "SUCCESS", age_s=60.0 * n, name=f"past.{n:04}") for n in range(1, count + 1)]


async def test_pages_turn_both_ways_and_say_where_one_is() -> None:
    console = Console(past(100))
    async with console.app.run_test(size=(120, 26)) as pilot:
        await pilot.press("2")
        await until_shown(pilot, "past.0001")
        await until_shown(pilot, "100 tasks recorded")
        await pilot.press(">")
        await until_shown(pilot, "past.0021")
        assert "page 2" in text(console.app)
        assert "past.0001" not in text(console.app)
        await pilot.press("<")
        await until_shown(pilot, "past.0001")
        assert "page 1" in text(console.app)
        await pilot.press("<")
        await until_shown(pilot, "This is the first page.")


async def test_moving_past_the_end_turns_the_page() -> None:
    console = Console(past(60))
    async with console.app.run_test(size=(120, 26)) as pilot:
        await pilot.press("2")
        await until_shown(pilot, "past.0001")
        await pilot.press("G", "pagedown")
        await until_shown(pilot, "past.0021")
        await pilot.press("k")
        await until_shown(pilot, "past.0020")
        await until(pilot, lambda: line_with(console.app, "past.0020").startswith("▌"))


async def test_the_filter_searches_all_of_history_and_says_so() -> None:
    console = Console([*past(300), task(999, "FAILURE", age_s=90_000, name="once.failed")])
    async with console.app.run_test(size=(120, 26)) as pilot:
        await pilot.press("2")
        await until_shown(pilot, "past.0001")
        await pilot.press("slash", *"state:FAILURE", "enter")
        await until_shown(pilot, "once.failed")
        await until_shown(pilot, "1 task matches in all of history")
        await pilot.press("slash", *" name:nothing", "enter")
        await until_shown(pilot, "All of history was searched: nothing matches")


async def test_a_gap_is_drawn_where_it_was() -> None:
    gap = Gap(
        source="recorder ops-2", started_at=NOW - 130, ended_at=NOW - 122, reason="it was stopped"
    )
    console = Console(past(10), gaps=[gap])
    async with console.app.run_test(size=(120, 26)) as pilot:
        await pilot.press("2")
        await until_shown(pilot, "gap 12:02:04 to 12:02:12")
        lines = text(console.app).split("\n")
        drawn = next(n for n, line in enumerate(lines) if "gap 12:02:04" in line)
        assert "tasks may be missing" in lines[drawn]
        assert "past.0002" in lines[drawn - 1]
        assert "past.0003" in lines[drawn + 1]
        await pilot.press("j", "j", "enter")
        await until_shown(pilot, "There is nothing under the cursor.")


async def test_a_database_that_fails_is_a_sentence_and_the_rows_stay() -> None:
    console = Console(past(50))
    async with console.app.run_test(size=(120, 26)) as pilot:
        await pilot.press("2")
        await until_shown(pilot, "past.0001")
        console.history.problem = "Cannot read /var/lib/umbel.db: disk I/O error."
        await pilot.press("r")
        await until_shown(pilot, "Cannot read /var/lib/umbel.db")
        assert "past.0001" in text(console.app)
        console.history.problem = None
        await pilot.press("r")
        await until(pilot, lambda: "Cannot read" not in text(console.app))


async def test_a_page_has_twenty_tasks_whatever_the_terminal() -> None:
    console = Console(past(100))
    async with console.app.run_test(size=(120, 50)) as pilot:
        await pilot.press("2")
        await until_shown(pilot, "past.0020")
        assert "past.0021" not in text(console.app)


async def test_a_page_that_is_to_fill_the_terminal_does_so_after_a_resize() -> None:
    console = Console(past(100), history_rows=0)
    async with console.app.run_test(size=(120, 16)) as pilot:
        await pilot.press("2")
        await until_shown(pilot, "past.0009")
        assert "past.0012" not in text(console.app)
        await pilot.resize_terminal(120, 37)
        await until_shown(pilot, "past.0030")


def timed(count: int) -> list[TaskRecord]:
    """Tasks of which each one ran longer than those before it but for the last, which never ran."""
    made = past(count)
    for number, record in enumerate(made[:-1], 1):
        record.runtime_s = float(number)
    made[-1].runtime_s = None
    return made


def names(console: Console) -> list[str]:
    """Return the tasks that are shown, from the top."""
    lines = text(console.app).split("\n")
    return [word for line in lines for word in line.split() if word.startswith("past.")]


async def test_history_is_ordered_by_a_column_over_all_its_pages() -> None:
    gap = Gap(source="events", started_at=NOW - 300, ended_at=NOW - 200, reason="it was away")
    console = Console(timed(45), gaps=[gap])
    async with console.app.run_test(size=(120, 30)) as pilot:
        await pilot.press("2")
        await until_shown(pilot, "it was away")
        await pilot.press("s")
        await until_shown(pilot, "RUNTIME")
        await pilot.press("r")
        await until_shown(pilot, "sort runtime ↓")
        await until(pilot, lambda: names(console)[:2] == ["past.0044", "past.0043"])
        assert "it was away" not in text(console.app)
        await pilot.press(">", ">")
        await until(pilot, lambda: names(console) == [f"past.{n:04}" for n in (4, 3, 2, 1, 45)])
        assert "page 3" in text(console.app)
        await pilot.press("<", "<")
        await until(pilot, lambda: names(console)[0] == "past.0044")
        await pilot.press("colon", *"sort runtime asc", "enter")
        await until(pilot, lambda: names(console)[0] == "past.0001")
        await pilot.press("s", "0")
        await until_shown(pilot, "it was away")


async def test_a_filtered_order_says_among_how_many_of_the_newest_it_looked() -> None:
    console = Console(timed(45))

    async def many(*_: object) -> Total:
        return Total(10_000, False)

    console.history.total = many  # type: ignore[method-assign,assignment]
    async with console.app.run_test(size=(120, 30)) as pilot:
        await pilot.press("2")
        await until_shown(pilot, "past.0001")
        await pilot.press("colon", *"sort task desc", "enter")
        await until_shown(pilot, "sort task ↓")
        await until(pilot, lambda: names(console)[0] == "past.0045")
        assert "among" not in text(console.app)
        await pilot.press("slash", *"past", "enter")
        await until_shown(pilot, "sort task ↓ among the newest 10,000")


async def test_a_header_that_is_clicked_orders_turns_round_and_drops_the_order() -> None:
    console = Console(timed(45))
    async with console.app.run_test(size=(120, 30)) as pilot:
        await pilot.press("2")
        await until_shown(pilot, "past.0001")
        lines = text(console.app).split("\n")
        y = next(n for n, line in enumerate(lines) if "RUNTIME" in line)
        for wanted in ("past.0044", "past.0001", "past.0001"):

            def is_first(wanted: str = wanted) -> bool:
                return names(console)[0] == wanted

            await pilot.click(offset=(lines[y].index("RUNTIME") + 2, y))
            await until(pilot, is_first)
        await until(pilot, lambda: "sort runtime" not in text(console.app))


async def test_pages_asked_for_faster_than_they_come_are_all_turned_and_counted() -> None:
    console = Console(past(100))
    page = console.history.page

    async def slow(*arguments: object) -> Page:
        await asyncio.sleep(0.2)
        return await page(*arguments)  # type: ignore[arg-type]

    console.history.page = slow  # type: ignore[method-assign,assignment]
    async with console.app.run_test(size=(120, 30)) as pilot:
        await pilot.press("2")
        await until_shown(pilot, "past.0001")
        for _ in range(3):
            console.app.post_message(events.Key("greater_than_sign", ">"))
        await until_shown(pilot, "past.0061")
        await until_shown(pilot, "page 4")


async def test_the_total_goes_on_while_one_reads_a_page_that_stands_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(history_pages, "COUNT_EVERY_S", 0.2)
    console = Console(past(60))
    async with console.app.run_test(size=(120, 26)) as pilot:
        await pilot.press("2")
        await until_shown(pilot, "60 tasks recorded")
        await pilot.press(">")
        await until_shown(pilot, "past.0021")
        console.history.records = past(61)
        await until_shown(pilot, "61 tasks recorded")
        assert "page 2" in text(console.app)


async def test_keys_after_a_filter_wait_for_its_rows_not_for_those_asked_for_before() -> None:
    console = Console(past(60))
    page = console.history.page

    async def slow(*arguments: object) -> Page:
        await asyncio.sleep(history_pages.TYPING_S / 2)
        return await page(*arguments)  # type: ignore[arg-type]

    console.history.page = slow  # type: ignore[method-assign,assignment]
    async with console.app.run_test(size=(120, 30)) as pilot:
        await pilot.press(*":history name:past.*")
        for key in ("enter", "j", "j"):
            console.app.post_message(events.Key(key, None if key == "enter" else key))

        def is_third() -> bool:
            lines = text(console.app).split("\n")
            return any("past.0003" in line and line.startswith("▌") for line in lines)

        await until(pilot, is_third)
        await pilot.pause(history_pages.TYPING_S * 2)
        assert is_third()

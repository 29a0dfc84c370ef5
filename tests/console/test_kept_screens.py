"""Dialogs and details that are made once: shown again, they hold nothing of what they showed before."""

from __future__ import annotations

import asyncio

import pytest
from textual.pilot import Pilot

from fake_console.inquiry import message
from fake_console.screen_text import line_with, text, until, until_shown
from fake_console.world import Console, business, task
from umbel_console.screens.act_dialog import ActDialog
from umbel_console.screens.help import HelpScreen, HelpView
from umbel_console.screens.menu import Menu
from umbel_console.screens.queue_detail import QueueDetailScreen
from umbel_console.screens.run_form import RunForm
from umbel_console.screens.worker_detail import WorkerDetailScreen
from umbel_console.told import HeldTold
from umbel_console.widgets.json_editor import JsonEditor
from umbel_console.widgets.prompt import Prompt


async def ready(pilot: Pilot[int]) -> None:
    await until_shown(pilot, "3/3 workers")


async def pressed(pilot: Pilot[int], *keys: str, shows: str) -> None:
    """Press ``keys`` and wait for what the last of them leads to."""
    await pilot.press(*keys)
    await until_shown(pilot, shows)


async def left(pilot: Pilot[int], key: str = "escape") -> None:
    """Press ``key`` and wait until nothing lies over the tab."""
    await pilot.press(key)
    await until(pilot, lambda: len(pilot.app.screen_stack) == 1)


async def test_one_menu_is_shown_again_and_again_each_time_about_something_else() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        await pressed(pilot, "s", shows="Sort by")
        menu = console.app.screen
        assert isinstance(menu, Menu)
        await pilot.press("j", "j")
        await left(pilot)
        await pressed(pilot, "y", shows="y copies it too")
        assert console.app.screen is menu
        assert "Sort by" not in text(console.app)
        assert "▌ i  id" in line_with(console.app, "y copies it too")
        await left(pilot)
        await pressed(pilot, "s", shows="as usual")
        assert "▌ 0  as usual" in line_with(console.app, "as usual")


async def test_help_that_was_searched_and_scrolled_begins_anew() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 30)) as pilot:
        await ready(pilot)
        await pressed(pilot, "question_mark", shows="/ searches, esc closes")
        whole = text(console.app)
        await pressed(pilot, "slash", *"zzz", shows="No key of this screen is about zzz.")
        await pilot.press("enter")
        await left(pilot)
        await pressed(pilot, "question_mark", "G", shows="the word in name, id, arguments")
        await left(pilot)
        await pressed(pilot, "question_mark", shows="/ searches, esc closes")
        screen = console.app.screen
        assert isinstance(screen, HelpScreen)
        await until(pilot, lambda: screen.query_one(HelpView).scroll_offset.y == 0)
        assert not screen.query_one(Prompt).display
        assert text(console.app).split("\n")[2:-3] == whole.split("\n")[2:-3]


async def test_help_lists_the_keys_of_the_tab_it_is_asked_for_on() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        await pressed(pilot, "question_mark", shows="/ searches, esc closes")
        await pressed(pilot, "slash", *"purge", shows="No key of this screen is about purge.")
        await pilot.press("escape")
        await left(pilot)
        await pressed(pilot, "4", shows="CONSUMERS")
        await pressed(pilot, "question_mark", shows="/ searches, esc closes")
        await pilot.press("slash", *"purge")
        await until(pilot, lambda: "No key" not in text(console.app))
        await until_shown(pilot, "X")


async def test_help_breaks_its_lines_anew_in_a_window_that_changed_while_it_was_closed() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        await pressed(pilot, "question_mark", shows="/ searches, esc closes")
        await left(pilot)
        await pilot.resize_terminal(64, 24)
        await until(pilot, lambda: console.app.screen.size.width == 64)
        await pressed(pilot, "question_mark", shows="/ searches, esc closes")
        await until(pilot, lambda: all(len(line) <= 64 for line in text(console.app).split("\n")))
        assert console.app.screen.query_one("#help").size.width < 64


async def test_a_second_worker_shows_nothing_of_the_first() -> None:
    running = task(1, name="reports.monthly", worker="w1@app-1")
    console = Console([running])
    console.inquiry.held = [
        HeldTold(held="active", id=running.id, name=running.name, started_at=running.started_at)
    ]
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        await pressed(pilot, "3", shows="PROCESSED")
        await pressed(pilot, "enter", shows="● running")
        first = console.app.screen
        assert isinstance(first, WorkerDetailScreen)
        await pilot.press("space", "full_stop")
        await pressed(pilot, "right", shows="ROUTING KEY")
        await left(pilot)
        console.inquiry.held = []
        console.inquiry.silent = {"w2@app-2"}
        await pilot.press("j", "enter")
        await until(pilot, lambda: console.app.screen is first)
        assert first.key == "w2@app-2"
        await until_shown(pilot, "It did not answer within 2 s.")
        await until_shown(pilot, "[Tasks]")
        assert "w1@app-1" not in text(console.app)
        assert not len(first.table.marks)
        assert not first.table.is_frozen
        assert first.answer is None


async def test_a_second_queue_begins_with_its_first_message() -> None:
    console = Console(business())
    console.inquiry.messages = [message(n) for n in range(400)]
    async with console.app.run_test(size=(140, 30)) as pilot:
        await ready(pilot)
        await pressed(pilot, "4", shows="exports")
        await pressed(pilot, "enter", shows="of 400 read")
        first = console.app.screen
        assert isinstance(first, QueueDetailScreen)
        await pressed(pilot, "G", shows="399")
        await left(pilot)
        console.inquiry.messages = [message(n) for n in range(3)]
        await pilot.press("j", "enter")
        await until_shown(pilot, "positions 0 to 2 of 3 read")
        assert first.table.view.cursor == 0
        assert console.app.screen is first


async def test_what_an_earlier_worker_answers_late_is_not_shown() -> None:
    console = Console()
    late = asyncio.Event()
    answered = console.inquiry.worker

    async def worker(hostname: str) -> object:
        if hostname == "w1@app-1":
            await late.wait()
        return await answered(hostname)

    console.inquiry.worker = worker  # type: ignore[method-assign, assignment]
    console.inquiry.silent = {"w2@app-2"}
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        await pressed(pilot, "3", shows="PROCESSED")
        await pressed(pilot, "enter", shows="Asking the worker.")
        await left(pilot)
        await pressed(pilot, "j", "enter", shows="It did not answer within 2 s.")
        late.set()
        await pilot.pause()
        screen = console.app.screen
        assert isinstance(screen, WorkerDetailScreen)
        assert screen.answer is None


async def test_a_screen_that_is_shown_in_another_tab_stays_as_it_is() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        await pressed(pilot, "3", shows="PROCESSED")
        await pressed(pilot, "enter", shows="[Tasks]")
        shown = console.app.screen
        await pressed(pilot, "1", shows="ELAPSED")
        another = console.app.kept(WorkerDetailScreen).about("w2@app-2")
        assert another is not shown
        await console.app.push_screen(another)
        await until_shown(pilot, "w2@app-2")
        await left(pilot)
        await until(pilot, lambda: not another.is_running)
        await pressed(pilot, "3", shows="w1@app-1")
        assert console.app.screen is shown


async def test_opening_again_makes_no_widgets() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        counts = []
        for _ in range(3):
            for opens in ("s", "c", "y", "question_mark", "C", "T"):
                await pilot.press(opens)
                await until(pilot, lambda: len(pilot.app.screen_stack) == 2)
                await left(pilot)
            await pressed(pilot, "3", shows="PROCESSED")
            await pressed(pilot, "enter", shows="[Tasks]")
            await left(pilot)
            await pressed(pilot, "1", shows="ELAPSED")
            counts.append(len(console.app._registry))
        assert counts[1] == counts[2]


async def test_a_question_asked_again_has_no_reason_and_the_keys_on_the_way_back() -> None:
    console = Console([task(1, "STARTED", name="deploy.rollout")])
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        await until(pilot, lambda: console.app.session.acts is not None)
        await pressed(pilot, "C", shows="Cancel 1 task")
        dialog = console.app.screen
        assert isinstance(dialog, ActDialog)
        dialog.query_one("#reason", Prompt).focus()
        await pressed(pilot, *"stuck", shows="stuck")
        await left(pilot)
        await pressed(pilot, "P", shows="Pause 1 task")
        assert console.app.screen is dialog
        assert "stuck" not in text(console.app)
        assert "Cancel" not in text(console.app)
        assert dialog.focused is dialog.query_one("#back")
        await left(pilot)
        assert not console.acts.jobs


async def test_a_form_opened_again_holds_nothing_that_was_typed() -> None:
    console = Console([task(1, "STARTED", name="deploy.rollout")])
    async with console.app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await until(pilot, lambda: console.app.session.acts is not None)
        await pressed(pilot, "T", shows="Run a task")
        form = console.app.screen
        assert isinstance(form, RunForm)
        form.query_one("#queue", Prompt).focus()
        await pressed(pilot, *"fast", shows="fast")
        form.query_one(JsonEditor).text = '{"args": [31337]}'
        await until_shown(pilot, "31337")
        await left(pilot)
        await pressed(pilot, "T", shows="Run a task")
        assert console.app.screen is form
        assert form.focused is form.query_one("#name")
        assert form.query_one("#name", Prompt).value == "deploy.rollout"
        await until(pilot, lambda: "31337" not in text(console.app))
        assert "fast" not in text(console.app)


async def test_what_is_mounted_ahead_is_what_the_first_key_shows() -> None:
    console = Console(business())
    console.app._is_ahead = True
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        kinds = 7
        await until(pilot, lambda: len(console.app._installed_screens) == kinds)
        screens = list(console.app._installed_screens.values())
        await until(pilot, lambda: all(getattr(each, "is_mounted", 0) for each in screens))
        await pressed(pilot, "question_mark", shows="/ searches, esc closes")
        assert console.app.screen in screens
        await left(pilot)
        await pressed(pilot, "s", shows="as usual")
        assert console.app.screen in screens
        await left(pilot)
        await pressed(pilot, "3", shows="PROCESSED")
        await pressed(pilot, "enter", shows="It holds no task")
        assert console.app.screen in screens


@pytest.mark.parametrize("keys", [("s",), ("3", "enter", "question_mark")])
async def test_the_console_ends_with_nothing_left_running(keys: tuple[str, ...]) -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        await pilot.press("s", "escape", "c", "escape", *keys)
        pumps = [each for each in asyncio.all_tasks() if "message pump" in each.get_name()]
        assert pumps
    assert console.app._exception is None
    await asyncio.wait(pumps, timeout=30)
    assert not [each for each in pumps if not each.done()]


async def test_a_dialog_is_dressed_in_the_colours_chosen_since() -> None:
    console = Console(business(), theme="umbel-dark")
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        await pressed(pilot, "s", shows="Sort by")
        dark = console.app.screen.styles.background
        await left(pilot)
        assert console.app.choose_theme("umbel-light")
        await pilot.pause()
        await pressed(pilot, "s", shows="Sort by")
        assert console.app.screen.styles.background != dark

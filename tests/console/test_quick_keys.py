"""What a key leads to is drawn as soon as it has settled, and typed-ahead keys act on what is there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC
from typing import Any

import pytest
from textual.css.stylesheet import Stylesheet
from textual.events import Key
from textual.timer import Timer

from fake_console.screen_text import text
from fake_console.world import Console, business, task
from umbel_backend.records import TaskRecord
from umbel_console.app import UmbelApp
from umbel_console.stores.selection import Selection

PATIENCE_S = 30.0


def tasks() -> list[TaskRecord]:
    """Tasks of which every filter leaves others."""
    names, queues = ("mail.send", "billing.capture", "import.row"), ("high", "default")
    states = ("SUCCESS", "FAILURE", "STARTED", "PENDING", "RETRY")
    return [
        task(n, states[n % 5], name=names[n % 3], queue=queues[n % 2], age_s=60.0 * n)
        for n in range(1, 25)
    ]


async def until(condition: Callable[[], object], what: Callable[[], str]) -> None:
    """Wait as somebody who only looks: a pilot that pauses would draw by itself."""
    ends = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < ends, what()
        await asyncio.sleep(0.005)


async def shows(app: Any, *words: str) -> None:
    await until(lambda: all(each in text(app) for each in words), lambda: text(app))


async def press(app: Any, keys: Iterable[str], *, at_once: bool = True) -> None:
    """Press ``keys``, each named as Textual does; returns when all were let through."""
    for key in keys:
        app.post_message(Key(key, key if len(key) == 1 else None))
        if not at_once:
            await settled(app)
    await settled(app)


async def settled(app: Any) -> None:
    gate = app._turnstile

    def is_done() -> bool:
        return not gate._waiting and (gate._task is None or gate._task.done())

    await asyncio.sleep(0.01)
    await until(is_done, lambda: f"the keys to be let through:\n{text(app)}")


async def test_what_a_key_leads_to_is_drawn_without_textuals_timer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app: Any = Console(business()).app
    drawn: list[object] = []
    display, resume = app._display, Timer.resume

    def watched(screen: Any, renderable: Any) -> None:
        drawn.append(None if app._batch_count else renderable)
        display(screen, renderable)

    def resumed(timer: Timer) -> None:
        if timer.name != "screen_update":
            resume(timer)

    async with app.run_test(size=(120, 36)):
        await shows(app, "3/3 workers")
        monkeypatch.setattr(app, "_display", watched)
        monkeypatch.setattr(Timer, "resume", resumed)
        for key, words in (
            ("3", "PROCESSED"),
            ("question_mark", "esc closes"),
            ("escape", "WORKER"),
        ):
            drawn.clear()
            await press(app, [key])
            assert words in text(app)
            assert any(each is not None for each in drawn)


async def test_no_tab_has_the_style_sheet_parsed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(business())
    parsed: list[object] = []
    async with console.app.run_test(size=(120, 36)):
        await shows(console.app, "PROD")
        monkeypatch.setattr(Stylesheet, "reparse", parsed.append)
        await press(console.app, "34201")
        await shows(console.app, "PROGRESS")
    assert not parsed


BURSTS = {
    "a value, and another of what is left": ["f", *"jjj", "space", "tab", *"jj", "space"],
    "down through what the first one leaves": ["f", "space", *"jjjjjjjjj", "space", *"jj", "space"],
    "the last value": ["f", "j", "space", "tab", "tab", "space", "k", "space"],
    "out of the pane": ["f", "j", "space", "f", "j", "j", "space"],
}


@pytest.mark.parametrize("mode", ["1", "2"])
@pytest.mark.parametrize("keys", BURSTS.values(), ids=BURSTS)
async def test_keys_for_the_pane_act_on_values_that_are_counted(keys: list[str], mode: str) -> None:
    async def filtered(at_once: bool) -> tuple[str, str]:
        console = Console(tasks(), history_rows=20)
        app: Any = console.app
        async with app.run_test(size=(140, 40)):
            await shows(app, "3/3 workers")
            await press(app, [mode])
            await shows(app, "mail.send")
            await press(app, keys, at_once=at_once)
            pane = app.screen.pane
            await until(
                lambda: not pane.is_open or pane._counted == pane._number, lambda: text(app)
            )
            return app.screen.bar.text, text(app)

    slow, quick = await filtered(False), await filtered(True)
    assert quick[0] == slow[0], f"{slow[1]}\n{quick[1]}"
    assert slow[0]


def many_tasks() -> list[TaskRecord]:
    """So many that what a typed filter leaves is worked out in parts."""
    names = ("mail.send", "billing.capture", "import.row")
    return [task(n, "STARTED", name=names[n % 3], age_s=float(n)) for n in range(2_000)]


async def test_keys_after_a_typed_filter_act_on_what_it_leaves() -> None:
    async def opened(at_once: bool) -> str:
        console = Console(many_tasks())
        app: Any = console.app
        async with app.run_test(size=(140, 40)):
            await shows(app, "3/3 workers", "Active 2,000")
            await press(app, ["slash", *"capture", "enter", *"jjj", "enter"], at_once=at_once)
            await shows(app, "[Arguments]")
            return str(app.screen.table.record.id)

    slow, quick = await opened(False), await opened(True)
    assert quick == slow
    assert int(slow.rpartition("-")[2], 16) % 3 == 1, "a billing.capture"


async def test_what_is_typed_shows_before_all_tasks_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began, ends = asyncio.Event(), asyncio.Event()
    fill = Selection.fill

    def held(self: Selection, now: float, part_s: float) -> Iterator[None]:
        began.set()
        while not ends.is_set():
            yield
        yield from fill(self, now, part_s)

    monkeypatch.setattr(Selection, "fill", held)
    console = Console(many_tasks())
    app: Any = console.app
    async with app.run_test(size=(140, 40)):
        await shows(app, "3/3 workers", "2,000 shown")
        await press(app, ["slash", *"capture"])
        await began.wait()
        await shows(app, "/ capture", "2,000 shown")
        ends.set()
        await shows(app, "/ capture", "667 shown")


async def test_tabs_mounted_ahead_do_no_work_and_are_whole_when_they_are_opened() -> None:
    console = Console(tasks(), history_rows=20)
    app = UmbelApp(console.app.settings, console.app.services, zone=UTC, ahead=True)
    async with app.run_test(size=(120, 36)):
        await shows(app, "3/3 workers")
        screens = app._screen_stacks
        await until(
            lambda: all(
                mode in screens and getattr(screens[mode][0], "_is_complete", False)
                for mode in ("overview", "history", "workers", "queues")
            ),
            lambda: str(screens),
        )
        unseen: Any = screens["history"][0]
        assert unseen._clock is None
        assert unseen._page is None
        for key, words in (
            ("2", "OUTCOME"),
            ("0", "Throughput"),
            ("4", "CONSUMERS"),
            ("3", "HEARD"),
        ):
            await press(app, [key])
            await shows(app, words)
        await press(app, ["2", "j", "enter"])
        await shows(app, "[Arguments]")


async def test_a_key_that_nobody_took_before_the_end_ends_nothing() -> None:
    console = Console(tasks())
    async with console.app.run_test(size=(120, 36)):
        await shows(console.app, "3/3 workers")
    key = Key("right", None)
    key._set_forwarded()
    await console.app.on_event(key)
    console.app._show_news()
    assert console.app.problem is None


@pytest.mark.parametrize("mounted", range(1, 7))
async def test_the_console_ends_while_tabs_are_mounted_ahead(mounted: int) -> None:
    console = Console(tasks(), history_rows=20)
    app = UmbelApp(console.app.settings, console.app.services, zone=UTC, ahead=True)
    async with app.run_test(size=(120, 36)):
        await until(lambda: len(app._screen_stacks) >= mounted, lambda: str(app._screen_stacks))
    assert not [node for node in app._registry if node.is_running]

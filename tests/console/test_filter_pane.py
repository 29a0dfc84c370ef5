"""The filter pane: counts, choosing by key and mouse, times, views; the bar's text is the truth."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widget import Widget

from fake_console.screen_text import line_with, text, until, until_shown
from fake_console.world import Console, task
from umbel_backend.records import TaskRecord
from umbel_console.screens.filtered import FilteredScreen
from umbel_console.widgets.filter_pane import FilterPane

HOSTILE = ['a,"b":*', "日本 語", "[bold]x[/]", "\\x1b[31mred", "-dash (x)", "OR"]


def tasks() -> list[TaskRecord]:
    return [
        *(task(n, "SUCCESS", name="mail.send", queue="high", age_s=30.0) for n in range(1, 5)),
        *(task(n, "FAILURE", name="billing.capture", queue="default", age_s=7_200.0,
               exception=f"ValueError: row {n}", tags={"user_id": "7"}) for n in range(11, 14)),
        task(21, "STARTED", name="reports.monthly", queue=None),
    ]  # fmt: skip


def bar(console: Console) -> str:
    screen = console.app.screen
    assert isinstance(screen, FilteredScreen)
    return screen.bar.text


def shown(console: Console, words: str) -> str:
    """Return the line of the pane that holds ``words``."""
    screen = console.app.screen
    width = screen.query_one(FilterPane).size.width
    for line in text(console.app).split("\n")[3:]:
        if words in line[:width]:
            return line[:width].rstrip()
    raise AssertionError(f"the pane does not show {words!r}:\n{text(console.app)}")


async def open_pane(pilot: Pilot[int], mode: str = "1", count: str = "[ ]") -> None:
    app: Any = pilot.app
    await until(pilot, lambda: app.session.history is not None)
    await pilot.press(mode)
    await until(pilot, lambda: app.screen.query("RecordTable"))
    await until(pilot, lambda: "mail.send" in text(app))
    await pilot.press("f")
    await until_shown(pilot, count)


async def press_on(pilot: Pilot[int], console: Console, label: str, *keys: str) -> None:
    """Move down to the row with ``label`` and press ``keys`` there."""
    await pilot.press("g")
    for _ in range(60):
        marked = [line for line in text(console.app).split("\n") if line.startswith("▌")]
        if any(label in line[:38] for line in marked):
            await pilot.press(*keys)
            return
        await pilot.press("j")
    raise AssertionError(f"{label!r} was not reached:\n{text(console.app)}")


@pytest.mark.parametrize("mode", ["1", "2"])
async def test_values_are_counted_and_choosing_one_writes_the_filter(mode: str) -> None:
    console = Console(tasks())
    async with console.app.run_test(size=(120, 50)) as pilot:
        await open_pane(pilot, mode)
        assert shown(console, "billing.capture").split()[-1] == "3"
        assert shown(console, "ValueError").split()[-1] == "3"
        await press_on(pilot, console, "billing.capture", "space")
        await until(pilot, lambda: bar(console) == "name:billing.capture")
        await until(pilot, lambda: "[✓]" in shown(console, "billing.capture"))
        # The others of its group still tell what they would add; other groups are narrowed.
        await until(pilot, lambda: "SUCCESS" not in text(console.app))
        assert shown(console, "mail.send").split()[-1] == "4"
        await press_on(pilot, console, "mail.send", "enter")
        await until(pilot, lambda: bar(console) == "name:billing.capture,mail.send")
        await press_on(pilot, console, "billing.capture", "minus")
        await until(pilot, lambda: bar(console) == "name:mail.send -name:billing.capture")
        await pilot.press("u")
        await until(pilot, lambda: bar(console) == "")


async def test_what_was_typed_stays_and_a_value_without_tasks_can_be_undone() -> None:
    console = Console(tasks())
    async with console.app.run_test(size=(120, 50)) as pilot:
        await open_pane(pilot)
        await pilot.press("escape", "slash", *"queue:gone  (mail OR x)", "enter", "f")
        await until_shown(pilot, "[✓] gone")
        await press_on(pilot, console, "[✓] gone", "space")
        await until(pilot, lambda: bar(console) == "(mail OR x)")


async def test_a_value_not_known_can_be_asked_for() -> None:
    console = Console(tasks())
    async with console.app.run_test(size=(120, 50)) as pilot:
        await open_pane(pilot)
        await press_on(pilot, console, "(not known)", "space")
        await until(pilot, lambda: bar(console) == 'queue:""')
        await until(pilot, lambda: "mail.send" not in line_with(console.app, "STARTED"))


@pytest.mark.parametrize("value", HOSTILE)
async def test_hostile_values_are_quoted_and_found(value: str) -> None:
    console = Console([*tasks(), task(99, "LOST", name="hostile.one", queue=value)])
    async with console.app.run_test(size=(120, 50)) as pilot:
        await open_pane(pilot)
        await press_on(pilot, console, value, "space")
        await until_shown(pilot, "1 shown")
        assert "hostile.one" in text(console.app)
        await pilot.press("space")
        await until(pilot, lambda: bar(console) == "")


async def test_a_filter_with_a_mistake_is_left_alone_and_the_pane_says_why() -> None:
    console = Console(tasks())
    async with console.app.run_test(size=(120, 50)) as pilot:
        await open_pane(pilot)
        await pilot.press("escape", "slash", *'"open', "tab", "enter", "escape")
        screen = console.app.screen
        assert isinstance(screen, FilteredScreen)
        screen.bar.put('"open')
        await pilot.press("f")
        await until_shown(pilot, "mend the")
        await pilot.press("j", "space")
        await until_shown(pilot, "mend the")
        assert bar(console) == '"open'


async def test_a_term_that_is_a_mistake_is_kept_while_others_are_chosen() -> None:
    console = Console(tasks())
    async with console.app.run_test(size=(120, 50)) as pilot:
        await open_pane(pilot)
        screen = console.app.screen
        assert isinstance(screen, FilteredScreen)
        screen.bar.put("wrong:x")
        await press_on(pilot, console, "mail.send", "space")
        await until(pilot, lambda: bar(console) == "wrong:x name:mail.send")


async def test_a_time_is_chosen_typed_and_judged_while_one_types() -> None:
    console = Console(tasks())
    async with console.app.run_test(size=(120, 50)) as pilot:
        await open_pane(pilot)
        await until(pilot, lambda: shown(console, "last hour").split()[-1] == "5")
        await press_on(pilot, console, "last hour", "space")
        await until(pilot, lambda: bar(console) == "since:1h")
        await until(pilot, lambda: shown(console, "last hour").startswith("▌(●)"))
        assert shown(console, "last 24 hours").split()[-1] == "8"
        await press_on(pilot, console, "yesterday", "space")
        await until(pilot, lambda: bar(console) == "since:yesterday until:yesterday")
        await pilot.press("space")
        await until(pilot, lambda: bar(console) == "")
        await press_on(pilot, console, "from any time", "enter", *"2026-11-01T11")
        await until_shown(pilot, "This is no time")
        await pilot.press("enter")
        assert bar(console) == ""
        await pilot.press(*":30")
        await until_shown(pilot, "11:30:00 UTC, 34 minutes")
        await pilot.press("enter")
        await until(pilot, lambda: bar(console) == "since:2026-11-01T11:30")
        await press_on(pilot, console, "to   any time", "enter", *"2h")
        await until_shown(pilot, "ends before it begins")
        await pilot.press("escape")
        assert bar(console) == "since:2026-11-01T11:30"


async def test_long_lists_are_cut_expanded_and_narrowed() -> None:
    console = Console([*tasks(), *(task(100 + n, name=f"many.{n:02}") for n in range(30))])
    async with console.app.run_test(size=(120, 60)) as pilot:
        await open_pane(pilot)
        await until_shown(pilot, "25 more")
        await press_on(pilot, console, "25 more", "enter")
        await until_shown(pilot, "many.29")
        await pilot.press("slash", *"y.17", "enter")
        await until(pilot, lambda: "many.16" not in shown(console, "many.17"))
        await press_on(pilot, console, "many.17", "space")
        await until(pilot, lambda: bar(console) == "name:many.17")
        await pilot.press("slash", *"zzz")
        await until_shown(pilot, 'Nothing here holds "y.17zzz".')
        await pilot.press("escape")
        await until_shown(pilot, "[ ] mail.send")


async def test_the_mouse_chooses_and_excludes() -> None:
    console = Console(tasks())
    async with console.app.run_test(size=(120, 50)) as pilot:
        await open_pane(pilot)

        def line_of(words: str) -> int:
            lines = text(console.app).split("\n")
            return next(n for n, line in enumerate(lines) if words in line[:38])

        await pilot.click(offset=(8, line_of("[ ] mail.send")))
        await until(pilot, lambda: bar(console) == "name:mail.send")
        await until(pilot, lambda: "STARTED" not in text(console.app))
        await pilot.click(offset=(8, line_of("[✓] mail.send")), shift=True)
        await until(pilot, lambda: bar(console) == "-name:mail.send")


async def test_esc_or_f_closes_and_the_table_has_the_keys_again() -> None:
    console = Console(tasks())
    async with console.app.run_test(size=(80, 24)) as pilot:
        await open_pane(pilot)
        assert "TASK  " not in text(console.app)
        for key in ("escape", "f"):
            await pilot.press(key)
            await until_shown(pilot, "TASK  ")
            assert console.app.focused is console.app.screen.query_one("RecordTable")
            await pilot.press("f")
            await until_shown(pilot, "[ ]")


async def test_keys_typed_while_the_first_f_still_opens_the_pane_go_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_come = asyncio.Event()
    mount = FilterPane.mount_composed_widgets

    async def late(pane: FilterPane, widgets: list[Widget]) -> None:
        await may_come.wait()
        await mount(pane, widgets)

    monkeypatch.setattr(FilterPane, "mount_composed_widgets", late)
    console = Console(tasks())
    async with console.app.run_test(size=(120, 50)) as pilot:
        await until_shown(pilot, "mail.send")
        # In the table slash would type into the filter bar.
        for key in ("f", "slash", "m", "a", "i"):
            console.app.post_message(events.Key(key, key if len(key) == 1 else None))
        # The pilot would wait for the keys, and they wait for the pane.
        asyncio.get_running_loop().call_later(0.3, may_come.set)
        await asyncio.wait_for(may_come.wait(), 10.0)
        await until_shown(pilot, "/mai")
        assert shown(console, "Filter").startswith(" Filter  /mai")
        assert bar(console) == ""


async def test_tab_goes_round_the_groups() -> None:
    console = Console(tasks())
    async with console.app.run_test(size=(120, 50)) as pilot:
        await open_pane(pilot)
        await pilot.press("tab")
        await until(pilot, lambda: shown(console, "▌").startswith("▌[ ] mail.send"))
        await pilot.press("shift+tab", "shift+tab")
        await until(pilot, lambda: "save this view" in shown(console, "▌"))
        await pilot.press("tab")
        await until(pilot, lambda: "STARTED" in shown(console, "▌"))


async def test_a_view_is_saved_opened_renamed_and_deleted() -> None:
    console = Console(tasks())
    async with console.app.run_test(size=(120, 50)) as pilot:
        await open_pane(pilot)
        await pilot.press("escape", "slash", *"queue:high", "enter", "right", "right", "colon")
        await pilot.press(*"sort task", "enter", "f")
        await until_shown(pilot, "save this view")
        await press_on(pilot, console, "save this view", "enter", *"my mails", "enter")
        await until_shown(pilot, "Saved the view; :view my mails")
        await pilot.press("e", *" too", "enter")
        await until_shown(pilot, "The view is called my mails too")
        await pilot.press("escape", "3", "colon", *"view m", "tab", "enter")
        await until_shown(pilot, "This is the view my mails too.")
        assert bar(console) == "queue:high"
        sort = console.app.screen.query_one("RecordTable").sort  # type: ignore[attr-defined]
        assert sort is not None
        assert sort.column == "task"
        assert console.app.screen._section == "Active"  # type: ignore[attr-defined]
        await pilot.press("f")
        await until_shown(pilot, "my mails too")
        await press_on(pilot, console, "my mails too", "d")
        await until_shown(pilot, "Deleted the view my mails too")
        assert console.app.session.preferences.names("views") == []


async def test_a_view_whose_filter_is_none_any_more_is_shown_with_its_mistake() -> None:
    console = Console(tasks())
    console.app.session.preferences.put("views", "old", {"mode": "history", "filter": "gone:x"})
    async with console.app.run_test(size=(120, 50)) as pilot:
        await open_pane(pilot)
        await press_on(pilot, console, "old", "k", "j")
        await until_shown(pilot, "is no filter any more")
        await pilot.press("enter")
        await until_shown(pilot, "^^^^")
        assert console.app.current_mode == "history"
        assert bar(console) == "gone:x"


async def test_counts_that_are_not_of_all_say_so() -> None:
    console = Console(tasks())
    whole = console.history.facets

    async def newest(*arguments: Any) -> Any:
        import msgspec

        found = await whole(*arguments)
        spans = [(number, True) for number, _ in found.spans]
        return msgspec.structs.replace(found, capped=frozenset({"", "name"}), spans=spans)

    console.history.facets = newest  # type: ignore[assignment,method-assign]
    async with console.app.run_test(size=(120, 50)) as pilot:
        await open_pane(pilot, "2")
        await until_shown(pilot, "newest 8")
        assert "of the newest" in shown(console, "Task")
        assert shown(console, "last hour").endswith("5+")


async def test_a_database_that_fails_is_a_sentence_in_the_pane() -> None:
    console = Console(tasks())
    async with console.app.run_test(size=(120, 50)) as pilot:
        await open_pane(pilot, "2")
        console.history.problem = "Cannot read umbel.db: disk I/O error."
        screen = console.app.screen
        screen.query_one(FilterPane).look_again(is_new=True)
        await until(pilot, lambda: "Cannot read umbel.db" in text(console.app))
        assert shown(console, "Nothing could be counted")
        assert text(console.app).count("Cannot read umbel.db") == 1


async def test_live_counts_follow_what_happens() -> None:
    console = Console(tasks())
    async with console.app.run_test(size=(120, 50)) as pilot:
        await open_pane(pilot)
        console.app.session.tasks.seed([task(50 + n, "LOST", name="new.one") for n in range(2)])
        await until_shown(pilot, "[ ] new.one")
        assert shown(console, "[ ] new.one").split()[-1] == "2"


async def test_the_filter_of_one_tab_is_taken_over_by_the_other() -> None:
    console = Console(tasks())
    async with console.app.run_test(size=(120, 30)) as pilot:
        await until_shown(pilot, "mail.send")
        await pilot.press("slash", *"queue:high", "enter")
        await until_shown(pilot, "4 shown  of 8 live tasks; history not searched (2)")
        await pilot.press("2")
        await until_shown(pilot, "t takes over the filter of Tasks")
        await pilot.press("t")
        await until_shown(pilot, "4 tasks match in all of history")
        assert bar(console) == "queue:high"


class HeldCounts:
    """Lets the counts of History come when the test says so."""

    def __init__(self, console: Console) -> None:
        self.may_come = asyncio.Event()
        self._count = console.history.facets
        console.history.facets = self._held  # type: ignore[method-assign,assignment]

    async def _held(self, *arguments: Any) -> Any:
        await self.may_come.wait()
        return await self._count(*arguments)


def cursor(console: Console) -> str:
    """Return the line of the pane under the cursor; empty if it is on none."""
    width = console.app.screen.query_one(FilterPane).size.width
    lines = (line[:width] for line in text(console.app).split("\n"))
    return next((line.strip() for line in lines if line.startswith("▌")), "")


async def test_before_the_counts_came_no_key_marks_what_is_not_seen_yet() -> None:
    console = Console(tasks())
    counts = HeldCounts(console)
    async with console.app.run_test(size=(120, 50)) as pilot:
        await open_pane(pilot, "2", "counting …")
        assert cursor(console) == ""
        await pilot.press("space")
        await until_shown(pilot, "Nothing is under the cursor yet")
        assert bar(console) == ""
        await pilot.press("j", "j")
        await until(pilot, lambda: "last hour" in cursor(console))
        counts.may_come.set()
        await until_shown(pilot, "[ ] mail.send")
        assert "last hour" in cursor(console)
        await pilot.press("space")
        await until(pilot, lambda: bar(console) == "since:1h")


async def test_the_cursor_is_on_the_first_value_when_the_counts_come() -> None:
    console = Console(tasks())
    counts = HeldCounts(console)
    async with console.app.run_test(size=(120, 50)) as pilot:
        await open_pane(pilot, "2", "counting …")
        counts.may_come.set()
        await until_shown(pilot, "[ ] mail.send")
        assert "STARTED" in cursor(console)


async def test_new_values_stand_behind_the_others_and_the_cursor_stays_on_its_own() -> None:
    console = Console(tasks())
    async with console.app.run_test(size=(120, 50)) as pilot:
        await open_pane(pilot)
        assert "STARTED" in cursor(console)
        more = [
            task(100 + n, "PENDING", name="many.more", queue="newest", worker=None)
            for n in range(50)
        ]
        console.app.session.tasks.seed(more)
        await until_shown(pilot, "[ ] many.more")
        assert "STARTED" in cursor(console)
        lines = text(console.app).split("\n")
        places = {
            word: next(n for n, line in enumerate(lines) if word in line[:38])
            for word in ("FAILURE", "PENDING", "mail.send", "reports.monthly", "many.more")
        }
        assert places["FAILURE"] < places["PENDING"]
        assert places["mail.send"] < places["reports.monthly"] < places["many.more"]
        await pilot.press("escape", "f")
        await until(pilot, lambda: "PENDING" in cursor(console))


async def test_a_value_under_the_cursor_keeps_its_line_when_a_filter_leaves_it_without_tasks() -> (
    None
):
    console = Console(tasks())
    async with console.app.run_test(size=(120, 50)) as pilot:
        await open_pane(pilot)
        await press_on(pilot, console, "mail.send", "k", "j")
        screen = console.app.screen
        assert isinstance(screen, FilteredScreen)
        screen.bar.put("state:FAILURE")
        await until(pilot, lambda: "reports.monthly" not in text(console.app))
        assert cursor(console).split()[-1] == "0"
        assert "mail.send" in cursor(console)
        await pilot.press("space")
        await until(pilot, lambda: bar(console) == "state:FAILURE name:mail.send")

from __future__ import annotations

import pytest
from textual.pilot import Pilot
from textual.strip import Strip

from fake_console.logs import announcement, line
from fake_console.screen_text import line_with, text, until, until_shown
from fake_console.world import NOW, Console, task
from umbel_backend.errors import DatabaseUnavailable
from umbel_backend.events.agent_stream import StreamBatch
from umbel_backend.events.agent_stream_door import WorkerVitals
from umbel_backend.events.model import Event
from umbel_backend.records import LogLine, Progress, TaskRecord
from umbel_console.screens.log_pane import LogPane
from umbel_console.screens.logs import LogsScreen
from umbel_console.screens.task_detail import TaskDetail
from umbel_console.widgets.log_view import LogView


def view(console: Console) -> LogView:
    return console.app.screen.query_one(LogView)


def pane(console: Console) -> LogPane:
    return console.app.screen.query_one(LogPane)


async def shown(pilot: Pilot[int], console: Console, record: TaskRecord) -> None:
    """Open the log of the only task there is."""
    await until_shown(pilot, record.id[:8])
    await until(pilot, lambda: console.app.session.history is not None)
    await pilot.press("l")
    await until(pilot, lambda: isinstance(console.app.screen, LogsScreen))


async def test_the_log_of_a_running_task_is_shown_from_its_end_and_follows_what_comes() -> None:
    record = task(1)
    console = Console([record])
    console.history.logs[record.id] = [line(n) for n in range(1, 61)]
    async with console.app.run_test(size=(120, 30)) as pilot:
        await shown(pilot, console, record)
        await until_shown(pilot, "line 60")
        assert "following" in text(console.app)
        assert "60 lines" in text(console.app)
        console.agents.log(record.id, 61, "payment of 12 EUR taken", level=30)
        await until_shown(pilot, "payment of 12 EUR taken")
        row = line_with(console.app, "payment of 12 EUR taken")
        assert "WARNING" in row
        assert "shop.billing" in row
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(console.app.screen, LogsScreen))


async def test_a_line_that_came_live_and_was_stored_then_is_shown_once() -> None:
    record = task(1)
    console = Console([record])
    stored = console.history.logs[record.id] = [line(n) for n in range(1, 4)]
    async with console.app.run_test(size=(120, 30)) as pilot:
        await shown(pilot, console, record)
        await until_shown(pilot, "line 3")
        console.agents.log(record.id, 4, "four")
        console.agents.log(record.id, 5, "five")
        await until_shown(pilot, "five")
        stored.append(line(4, "four"))
        await until(pilot, lambda: len(pane(console)._reading.window.stored) == 4)  # type: ignore[union-attr]
        await until(pilot, lambda: len(pane(console)._reading.window.fresh) == 1)  # type: ignore[union-attr]
        assert text(console.app).count("four") == 1
        assert [each.text for each in view(console).lines][-2:] == ["four", "five"]


async def test_scrolling_up_pauses_and_the_key_for_it_follows_again() -> None:
    record = task(1)
    console = Console([record])
    console.history.logs[record.id] = [line(n) for n in range(1, 101)]
    async with console.app.run_test(size=(120, 30)) as pilot:
        await shown(pilot, console, record)
        await until_shown(pilot, "line 100")
        await pilot.press("k", "k")
        await until_shown(pilot, "paused, . follows")
        top = view(console).top
        console.agents.log(record.id, 101, "something new")
        await until(pilot, lambda: len(view(console).lines) == 101)
        assert view(console).top == top
        assert "something new" not in text(console.app)
        await pilot.press("full_stop")
        await until_shown(pilot, "something new")
        assert "following" in text(console.app)
        await pilot.press("full_stop")
        await until_shown(pilot, "paused, . follows")


async def test_dragging_the_scrollbar_up_pauses_as_scrolling_does() -> None:
    record = task(1)
    console = Console([record])
    console.history.logs[record.id] = [line(n) for n in range(1, 101)]
    async with console.app.run_test(size=(120, 30)) as pilot:
        await shown(pilot, console, record)
        await until_shown(pilot, "line 100")
        bar = view(console).vertical_scrollbar
        bottom = bar.size.height - 1
        await pilot.mouse_down(bar, offset=(0, bottom))
        await pilot.hover(bar, offset=(0, 3))
        await pilot.mouse_up(bar, offset=(0, 3))
        await until_shown(pilot, "paused, . follows")
        top = view(console).top
        assert top < 40
        console.agents.log(record.id, 101, "something new")
        await until(pilot, lambda: len(view(console).lines) == 101)
        assert view(console).top == top


async def test_a_log_of_a_hundred_thousand_lines_is_read_by_parts() -> None:
    record = task(1, "SUCCESS")
    console = Console([record])
    console.history.logs[record.id] = [line(n) for n in range(1, 100_001)]
    async with console.app.run_test(size=(120, 30)) as pilot:
        await shown(pilot, console, record)
        await until_shown(pilot, "line 100000")
        assert "100,000 lines" in text(console.app)
        await pilot.press("g")
        await until_shown(pilot, "line 1\n")
        for _ in range(200):
            view(console).action_page(1)
            await pilot.pause(0)
        await until(pilot, lambda: view(console).lines[0].n > 1)
        seen = view(console).in_sight()
        assert [each.n for each in seen] == list(range(seen[0].n, seen[0].n + len(seen)))
        assert seen[0].n > 3_000
        assert len(view(console).lines) <= 5_000
        for _ in range(250):
            view(console).action_page(-1)
            await pilot.pause(0)
        await until_shown(pilot, "line 1\n")
        await pilot.press("G")
        await until_shown(pilot, "line 100000")


async def test_words_are_searched_in_what_is_held_and_in_the_database() -> None:
    record = task(1, "SUCCESS")
    console = Console([record])
    lines = [line(n) for n in range(1, 20_001)]
    for place in (50, 9_000, 19_990):
        lines[place - 1] = line(place, f"Timeout number {place}")
    console.history.logs[record.id] = lines
    async with console.app.run_test(size=(120, 30)) as pilot:
        await shown(pilot, console, record)
        await until_shown(pilot, "line 20000")
        await pilot.press("slash", *"timeout", "enter")
        await until_shown(pilot, "Timeout number 19990")
        await pilot.press("N")
        await until_shown(pilot, "Timeout number 9000")
        await pilot.press("N")
        await until_shown(pilot, "Timeout number 50")
        await pilot.press("N")
        await until_shown(pilot, "No line above holds 'timeout'.")
        await pilot.press("n")
        await until_shown(pilot, "Timeout number 9000")
        await pilot.press("slash", "escape")
        await until(pilot, lambda: view(console).words == "")


async def test_a_level_leaves_out_what_is_below_it() -> None:
    record = task(1)
    console = Console([record])
    console.history.logs[record.id] = [
        line(1, "starting"),
        line(2, "disk nearly full", level=30),
        line(3, "disk full", level=40),
    ]
    async with console.app.run_test(size=(120, 30)) as pilot:
        await shown(pilot, console, record)
        await until_shown(pilot, "starting")
        await pilot.press("v", "v")
        await until_shown(pilot, "WARNING and above")
        await until(pilot, lambda: "starting" not in text(console.app))
        assert "disk nearly full" in text(console.app)
        await pilot.press("v")
        await until(pilot, lambda: "disk nearly full" not in text(console.app))
        assert "disk full" in text(console.app)
        await pilot.press("v")
        await until_shown(pilot, "starting")


async def test_a_long_line_is_broken_and_can_be_cut() -> None:
    record = task(1)
    console = Console([record])
    console.history.logs[record.id] = [line(1, "a" * 150 + " end of it"), line(2, "x" * 5_000)]
    async with console.app.run_test(size=(120, 30)) as pilot:
        await shown(pilot, console, record)
        await until_shown(pilot, "end of it")
        await until_shown(pilot, "more characters")
        await pilot.press("b")
        await until(pilot, lambda: "end of it" not in text(console.app))
        assert "a…" in text(console.app)
        assert "long lines are cut" in text(console.app)


async def test_hostile_text_is_shown_and_not_obeyed() -> None:
    record = task(1)
    console = Console([record])
    console.history.logs[record.id] = [
        line(1, "red \x1b[31m and [bold]markup[/bold] and \u202e turned"),
        LogLine(NOW, 30, "\x1b]0;title\x07", "named", n=2, stream_id="2-0"),
    ]
    async with console.app.run_test(size=(120, 30)) as pilot:
        await shown(pilot, console, record)
        await until_shown(pilot, r"red \x1b[31m and [bold]markup[/bold] and \u202e turned")
        assert "\x1b" not in text(console.app)


async def test_without_the_agent_it_says_what_is_missing_and_how_to_install_it() -> None:
    record = task(1)
    console = Console([record])
    async with console.app.run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: console.app.session.workers.get("w1@app-1") is not None)
        await shown(pilot, console, record)
        await until_shown(pilot, "needs umbel_agent in worker w1@app-1")
        assert "umbel_agent.install(app)" in text(console.app)


async def test_with_the_agent_an_empty_log_waits_for_its_first_line() -> None:
    record = task(1)
    console = Console([record])
    console.agents.told = {"w1@app-1": announcement()}
    async with console.app.run_test(size=(120, 30)) as pilot:
        await until(
            pilot,
            lambda: (
                (known := console.app.session.workers.get("w1@app-1")) is not None
                and bool(known.agent)
            ),
        )
        await shown(pilot, console, record)
        await until_shown(pilot, "No line yet.")


async def test_a_task_that_waits_has_logged_nothing() -> None:
    record = task(1, "PENDING")
    console = Console([record])
    async with console.app.run_test(size=(80, 24)) as pilot:
        await shown(pilot, console, record)
        await until_shown(pilot, "It has not started")


async def test_a_database_that_fails_is_told_in_the_log() -> None:
    record = task(1)
    console = Console([record])

    async def broken(task_id: str, **bounds: object) -> object:
        raise DatabaseUnavailable("The database cannot be read: it is locked.")

    console.history.log = broken  # type: ignore[method-assign, assignment]
    async with console.app.run_test(size=(120, 30)) as pilot:
        await shown(pilot, console, record)
        await until_shown(pilot, "it is locked")
        console.agents.log(record.id, 1, "said all the same")
        await until_shown(pilot, "said all the same")


async def test_the_detail_has_the_same_log_as_a_part_and_keys_go_to_it() -> None:
    record = task(1)
    console = Console([record])
    console.history.logs[record.id] = [line(n) for n in range(1, 101)]
    async with console.app.run_test(size=(120, 36)) as pilot:
        await until_shown(pilot, record.id[:8])
        await until(pilot, lambda: console.app.session.history is not None)
        await pilot.press("enter", "right", "right", "right")
        await until_shown(pilot, "[Logs]")
        await until_shown(pilot, "line 100")
        await pilot.press("g")
        await until_shown(pilot, "line 1\n")
        await pilot.press("left")
        await until_shown(pilot, "[Traceback]")
        assert "line 1\n" not in text(console.app)
        await pilot.press("right")
        await until_shown(pilot, "line 100")
        await pilot.press("l")
        await until(pilot, lambda: isinstance(console.app.screen, LogsScreen))
        await until_shown(pilot, "Log of reports.monthly")
        await pilot.press("escape")
        await until(pilot, lambda: console.app.screen.query_one(TaskDetail).part == "Logs")
        await pilot.press("escape")
        await until(pilot, lambda: not console.app.screen.query_one(TaskDetail).is_open)


async def test_the_keys_of_the_log_are_listed_and_work_at_every_width() -> None:
    record = task(1)
    console = Console([record])
    console.history.logs[record.id] = [line(n) for n in range(1, 101)]
    for width in (80, 120, 200):
        async with console.app.run_test(size=(width, 24)) as pilot:
            await shown(pilot, console, record)
            await until_shown(pilot, "line 100")
            assert "esc back" in text(console.app)
            await pilot.press("question_mark")
            await until_shown(pilot, "In the log of a task")
            console.app.exit(0)
        console = Console([record])
        console.history.logs[record.id] = [line(n) for n in range(1, 101)]


async def test_copying_takes_the_lines_in_sight() -> None:
    record = task(1)
    console = Console([record])
    console.history.logs[record.id] = [line(1, "one"), line(2, "two", level=40)]
    async with console.app.run_test(size=(120, 30)) as pilot:
        await shown(pilot, console, record)
        await until_shown(pilot, "two")
        await pilot.press("y")
        await until(pilot, lambda: "ERROR shop.billing two" in console.app.clipboard)
        assert len(console.app.clipboard.split("\n")) == 2


async def test_progress_and_use_come_from_the_stream_within_a_second() -> None:
    record = task(1)
    console = Console([record])
    async with console.app.run_test(size=(160, 30)) as pilot:
        await until_shown(pilot, record.id[:8])
        await until(pilot, lambda: console.app.session.workers.get("w1@app-1") is not None)
        for second, done in ((0, 10), (4, 20), (8, 30)):
            batch = StreamBatch()
            batch.told.events.append(
                Event(
                    type="umbel-progress",
                    id=record.id,
                    at=NOW - 8 + second,
                    arrived_at=NOW,
                    hostname="w1@app-1",
                    progress=Progress(done, 1_000, "rows"),
                )
            )
            console.agents.push(batch)
        vitals = StreamBatch()
        vitals.told.vitals.append(
            WorkerVitals(hostname="w1@app-1", at=NOW, cpu_percent=42.0, memory_bytes=90_000_000)
        )
        console.agents.push(vitals)
        # 970 rows are left at 2.5 a second.
        await until_shown(pilot, "3% 6m")
        await pilot.press("enter")
        await until_shown(pilot, "2.5/s")
        assert "30 of 1,000" in text(console.app)
        await pilot.press("3")
        await until_shown(pilot, "42%")
        assert "90 MB" in text(console.app)


async def test_no_row_is_drawn_before_it_is_known_how_wide_rows_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[str] = []
    render = LogView.render_line

    def render_line(self: LogView, y: int) -> Strip:
        strip = render(self, y)
        drawn.append(strip.text)
        return strip

    monkeypatch.setattr(LogView, "render_line", render_line)
    record = task(1)
    console = Console([record])
    console.agents.log(record.id, 1, *(f"line {n}" for n in range(40)))
    async with console.app.run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: console.app.session.logs.revision(record.id))
        await shown(pilot, console, record)
        await until_shown(pilot, "line 39")
    assert all(not row.strip() or " line " in row for row in drawn), "cut to a cell or two"

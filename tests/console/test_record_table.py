from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from fake_console.screen_text import strips, until
from fake_console.world import Clock, task
from umbel_backend.records import TaskRecord
from umbel_console.render.context import DrawContext
from umbel_console.screens import task_columns
from umbel_console.widgets.record_table import RecordTable
from umbel_console.widgets.row_strip import changed_span


class TableApp(App[None]):
    """A table and nothing else."""

    def __init__(self, rows: Sequence[TaskRecord]) -> None:
        super().__init__()
        self.clock = Clock()
        self.rows = rows

    def compose(self) -> ComposeResult:
        yield RecordTable[TaskRecord](
            task_columns.LIVE,
            key=lambda record: record.id,
            draw=lambda: DrawContext(now=self.clock()),
            moment=task_columns.live_moment,
            empty=lambda: "nothing here, and this is why",
        )

    def on_mount(self) -> None:
        self.table.focus()
        self.table.show(self.rows)

    @property
    def table(self) -> RecordTable[Any]:
        return self.query_one(RecordTable)


def read(app: TableApp) -> list[str]:
    return [strip.text.rstrip() for strip in strips(app.screen)]


def tasks(count: int, first: int = 0) -> list[TaskRecord]:
    return [task(n, name=f"name.{n}") for n in range(first, first + count)]


async def press(pilot: Pilot[None], *keys: str) -> None:
    await pilot.press(*keys)
    await pilot.pause()


async def test_the_cursor_stays_on_its_task_while_tasks_come_in_above() -> None:
    app = TableApp(tasks(100))
    async with app.run_test(size=(100, 20)) as pilot:
        await press(pilot, *"jjjjjjjjjj")
        before = read(app)
        row = next(n for n, line in enumerate(before) if "▌" in line)
        app.table.show([*tasks(5, first=500), *app.rows])
        await pilot.pause()
        assert app.table.record is app.rows[10]
        assert read(app)[row] == before[row]
        assert app.table.new_count() == 5


async def test_marks_outlive_filter_and_refresh_and_unmark_takes_them_all() -> None:
    app = TableApp(tasks(30))
    async with app.run_test(size=(100, 20)) as pilot:
        await press(pilot, "space", "j", "space")
        marked = [app.rows[0].id, app.rows[2].id]
        assert app.table.marks.keys() == marked
        app.table.show(app.rows[10:])
        assert app.table.marks.hidden(record.id for record in app.rows[10:]) == 2
        app.table.show(app.rows)
        await press(pilot, "g")
        assert [line[1] for line in read(app)[1:4]] == ["*", " ", "*"]
        await press(pilot, "u")
        assert app.table.marks.keys() == []


async def test_a_range_is_marked_from_where_it_began_to_the_cursor() -> None:
    app = TableApp(tasks(30))
    async with app.run_test(size=(100, 20)) as pilot:
        await press(pilot, "j", "v", "j", "j", "space")
        assert app.table.marks.keys() == [record.id for record in app.rows[1:4]]
        await press(pilot, "*")
        assert len(app.table.marks) == 30


async def test_a_frozen_view_stands_still_and_counts_what_comes() -> None:
    app = TableApp(tasks(10))
    async with app.run_test(size=(100, 20)) as pilot:
        await press(pilot, ".")
        before = read(app)
        app.clock.now += 30
        app.table.show([*tasks(42, first=500), *app.rows])
        app.table.tick()
        await pilot.pause()
        assert read(app) == before
        assert app.table.new_count() == 42
        await press(pilot, ".")
        await until(pilot, lambda: "name.500" in read(app)[1])  # type: ignore[arg-type]


async def test_elapsed_ticks_and_only_its_cells_are_sent_again() -> None:
    app = TableApp([task(1, age_s=10.5), task(2, "SUCCESS")])
    async with app.run_test(size=(120, 10)) as pilot:
        before = strips(app.screen)
        app.clock.now += 1
        app.table.tick()
        await pilot.pause()
        after = strips(app.screen)
        changed = [y for y in range(10) if changed_span(before[y], after[y])]
        assert changed == [1]
        span = changed_span(before[1], after[1])
        assert span is not None
        assert span[1] - span[0] <= task_columns.ELAPSED.width


async def test_pages_ends_and_home() -> None:
    app = TableApp(tasks(100))
    async with app.run_test(size=(100, 21)) as pilot:
        await press(pilot, "pagedown")
        assert app.table.view.cursor == 19
        await press(pilot, "G")
        assert app.table.record is app.rows[-1]
        assert "name.99" in read(app)[-1]
        await press(pilot, "home")
        assert app.table.view.follows
        assert "name.0" in read(app)[1]


async def test_the_mouse_chooses_opens_scrolls_and_sorts() -> None:
    app = TableApp(tasks(100))
    heard: list[object] = []
    async with app.run_test(size=(100, 20), message_hook=heard.append) as pilot:
        await pilot.click(RecordTable, offset=(20, 4))
        assert app.table.record is app.rows[3]
        await pilot.click(RecordTable, offset=(20, 4), times=2)
        assert any(isinstance(message, RecordTable.Opened) for message in heard)
        await pilot.click(RecordTable, offset=(4, 0))
        asked = [message for message in heard if isinstance(message, RecordTable.SortAsked)]
        assert asked[0].column == "state"
        await pilot._post_mouse_events([_wheel()], RecordTable, offset=(20, 4))
        await pilot.pause()
        assert app.table.view.top == 3
        assert app.table.record is app.rows[3]


def _wheel() -> Any:
    from textual.events import MouseScrollDown

    return MouseScrollDown


async def test_an_empty_table_says_why() -> None:
    app = TableApp([])
    async with app.run_test(size=(60, 10)):
        assert "nothing here, and this is why" in "\n".join(read(app))


@pytest.mark.parametrize("width", [40, 80, 120, 200])
async def test_hostile_texts_reach_the_terminal_as_escapes_and_every_line_has_its_width(
    width: int,
) -> None:
    hostile = [
        task(
            n,
            state,
            name=f"\x1b[31mred\x9b{chr(0x202E)}漢字名前.emoji😀😀.tail",
            worker="w1\x07@h\u200bost",
            queue="q\n\r\t\x00",
            kwargs="{'a': '\x1b]52;c;aGk=\x07', '[bold]': '👨\u200d👩\u200d👧'}",
            exception="E\x1b[2J: 漢字漢字漢字漢字漢字漢字漢字漢字",
        )
        for n, state in enumerate(["STARTED", "SUCCESS", "FAILURE", "RETRY", "\x1b[5mODD"])
    ]
    app = TableApp(hostile)
    async with app.run_test(size=(width, 10)):
        for strip in strips(app.screen):
            assert strip.text.isprintable()
            assert cell_len(strip.text) == width
            for segment in strip:
                assert segment.control is None


async def test_hundred_thousand_rows_come_in_milliseconds() -> None:
    rows = tasks(100_000)
    app = TableApp(rows[:10])
    async with app.run_test(size=(120, 40)):
        started = time.process_time()
        app.table.show(rows)
        assert time.process_time() - started < 0.05
        assert len(app.table.view.rows) == 100_000
        started = time.process_time()
        app.table.tick()
        assert time.process_time() - started < 0.02

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
from umbel_console.render.palette import ANSI, DARK
from umbel_console.screens import task_columns
from umbel_console.widgets.arrangement import Arrangement
from umbel_console.widgets.painter import Sort
from umbel_console.widgets.record_table import RecordTable
from umbel_console.widgets.row_strip import changed_span


class TableApp(App[None]):
    """A table and nothing else."""

    def __init__(self, rows: Sequence[TaskRecord]) -> None:
        super().__init__()
        self.clock = Clock()
        self.palette = DARK
        self.rows = rows

    def compose(self) -> ComposeResult:
        yield RecordTable[TaskRecord](
            task_columns.LIVE,
            key=lambda record: record.id,
            draw=lambda: DrawContext(now=self.clock(), palette=self.palette),
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


async def test_a_range_goes_on_while_rows_come_and_go_above_it_and_at_its_ends() -> None:
    app = TableApp(tasks(30))
    async with app.run_test(size=(100, 20)) as pilot:
        await press(pilot, "j", "j", "v", "j", "j")
        app.table.show([*tasks(5, first=500), *app.rows[:2], *app.rows[3:]])
        await pilot.pause()
        assert app.table.open_range() == (7, 8)
        await press(pilot, "j", "space")
        assert app.table.marks.keys() == [record.id for record in app.rows[3:6]]


async def test_a_range_outlives_a_filter_that_matches_nothing_for_a_moment() -> None:
    app = TableApp(tasks(30))
    async with app.run_test(size=(100, 20)) as pilot:
        await press(pilot, "j", "v", "j")
        app.table.show([])
        assert app.table.open_range() is None
        app.table.show(app.rows)
        await press(pilot, "v")
        assert app.table.marks.keys() == [record.id for record in app.rows[1:3]]


async def test_rows_of_another_filter_are_not_new_and_those_that_came_stay_so() -> None:
    app = TableApp(tasks(30))
    async with app.run_test(size=(100, 20)) as pilot:
        app.table.show(app.rows[:10])
        await press(pilot, "j")
        app.table.show([*tasks(2, first=500), *app.rows[:10]])
        assert app.table.new_count() == 2
        app.table.choose_anew()
        everything = [*tasks(2, first=500), *app.rows]
        app.table.show(everything)
        assert app.table.new_count() == 0
        app.table.show([*tasks(3, first=600), *everything])
        assert app.table.new_count() == 3


async def test_another_filter_or_order_thaws_a_frozen_view() -> None:
    app = TableApp(tasks(10))
    async with app.run_test(size=(100, 20)) as pilot:
        await press(pilot, ".")
        app.table.choose_anew()
        app.table.show(app.rows[5:])
        await until(pilot, lambda: "name.5" in read(app)[1])  # type: ignore[arg-type]
        assert not app.table.is_frozen


async def test_thawing_keeps_the_record_under_the_cursor_on_its_line() -> None:
    app = TableApp(tasks(100))
    async with app.run_test(size=(100, 20)) as pilot:
        await press(pilot, *"jjjjj", ".")
        row = next(n for n, line in enumerate(read(app)) if "▌" in line)
        app.table.show([*tasks(42, first=500), *app.rows])
        await press(pilot, ".")
        assert app.table.record is app.rows[5]
        assert "▌" in read(app)[row]
        assert app.table.new_count() == 42


async def test_marks_that_cannot_be_seen_are_counted() -> None:
    app = TableApp(tasks(30))
    async with app.run_test(size=(100, 20)) as pilot:
        await press(pilot, "*")
        app.table.show(app.rows[12:])
        assert app.table.hidden_marks() == 12
        await press(pilot, "u")
        assert app.table.hidden_marks() == 0


async def test_the_thumb_is_dragged_and_the_bar_is_pressed() -> None:
    app = TableApp(tasks(190))
    async with app.run_test(size=(100, 20)) as pilot:
        await pilot.mouse_down(RecordTable, offset=(99, 1))
        await pilot.hover(RecordTable, offset=(99, 10))
        middle = app.table.view.top
        assert 60 < middle < 110
        await pilot.hover(RecordTable, offset=(99, 19))
        await pilot.mouse_up(RecordTable, offset=(99, 19))
        await pilot.pause()
        assert app.table.view.top == 190 - 19
        assert app.table.record is app.rows[0]
        await pilot.hover(RecordTable, offset=(99, 1))
        assert app.table.view.top == 190 - 19
        await pilot.mouse_down(RecordTable, offset=(99, 10))
        await pilot.mouse_up(RecordTable, offset=(99, 10))
        await pilot.pause()
        assert abs(app.table.view.top - middle) <= 12


async def test_the_mouse_marks_one_row_or_all_from_the_cursor_on() -> None:
    app = TableApp(tasks(30))
    async with app.run_test(size=(100, 20)) as pilot:
        await pilot.click(RecordTable, offset=(20, 3))
        await pilot.click(RecordTable, offset=(20, 6), shift=True)
        assert app.table.marks.keys() == [record.id for record in app.rows[2:6]]
        await pilot.click(RecordTable, offset=(20, 3), control=True)
        await pilot.click(RecordTable, offset=(1, 10))
        wanted = {record.id for record in [*app.rows[3:6], app.rows[9]]}
        assert set(app.table.marks.keys()) == wanted


async def test_arranged_columns_are_drawn_and_the_rest_of_the_table_stays() -> None:
    app = TableApp(tasks(30))
    async with app.run_test(size=(120, 20)) as pilot:
        await press(pilot, "j", "space")
        app.table.arrange_columns(
            Arrangement().moved(app.table.columns, "worker", -3).toggled("id").resized("task", 30)
        )
        await pilot.pause()
        header = read(app)[0].split()
        assert header[:3] == ["WORKER", "STATE", "TASK"]
        assert "ID" not in header
        assert app.table.record is app.rows[2]
        assert read(app)[2][1] == "*"


async def test_the_next_match_is_sought_both_ways() -> None:
    app = TableApp(tasks(100))
    async with app.run_test(size=(100, 20)):
        assert app.table.seek(lambda record: record.name.endswith("7"), 1)
        assert app.table.record is app.rows[7]
        assert app.table.seek(lambda record: record.name.endswith("7"), 1)
        assert app.table.record is app.rows[17]
        assert app.table.seek(lambda record: record.name.endswith("7"), -1)
        assert not app.table.seek(lambda record: record.name.endswith("7"), -1)
        assert app.table.record is app.rows[7]


async def test_an_empty_table_that_is_small_cuts_its_words_with_a_sign() -> None:
    app = TableApp([])
    async with app.run_test(size=(24, 3)):
        assert read(app)[-1].endswith("…")


async def test_a_sorted_column_that_is_narrow_still_shows_its_direction() -> None:
    app = TableApp(tasks(3))
    async with app.run_test(size=(150, 20)):
        app.table.sort = Sort("retries", True)
        app.table.arrange_columns(Arrangement().resized("retries", 3))
        assert "T…↓" in read(app)[0]


async def test_in_sixteen_colours_the_cursor_row_is_reversed_as_a_whole() -> None:
    app = TableApp(tasks(3))
    app.palette = ANSI
    async with app.run_test(size=(100, 10)):
        row = strips(app.screen)[1].crop(3, 99)
        assert all(segment.style and segment.style.reverse for segment in row)
        assert len({segment.style.color for segment in row if segment.style}) == 1


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

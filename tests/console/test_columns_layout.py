from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from umbel_console.render.context import DrawContext
from umbel_console.screens import task_columns
from umbel_console.widgets.arrangement import LEAST_WIDTH, MOST_WIDTH, Arrangement
from umbel_console.widgets.columns import GAP, Column, Place, lay_out
from umbel_console.widgets.row_strip import row_strip


@pytest.mark.parametrize("width", range(20, 260))
def test_columns_never_overlap_nor_stick_out(width: int) -> None:
    end = 0
    for place in lay_out(task_columns.LIVE, width):
        assert place.x >= end
        end = place.x + place.width + GAP
    assert end - GAP <= width


def test_narrow_terminals_drop_columns_in_the_order_of_the_design() -> None:
    dropped: list[str] = []
    before = {column.key for column in task_columns.LIVE}
    for width in range(240, 28, -1):
        now = {place.column.key for place in lay_out(task_columns.LIVE, width)}
        dropped += sorted(before - now)
        before = now
    assert dropped[:5] == ["args", "retries", "priority", "worker", "id"]
    assert before == {"state", "task", "elapsed"}


def test_at_80_columns_state_task_id_elapsed_and_progress_are_there() -> None:
    keys = {place.column.key for place in lay_out(task_columns.LIVE, 76)}
    assert {"state", "task", "id", "elapsed", "progress"} <= keys


def test_spare_width_goes_to_the_flexible_columns() -> None:
    wide = {place.column.key: place.width for place in lay_out(task_columns.LIVE, 200)}
    assert wide["state"] == task_columns.STATE.width
    assert wide["task"] > task_columns.TASK.width
    assert wide["args"] > task_columns.ARGS.width


KEYS = [column.key for column in task_columns.LIVE]
ALWAYS = {"state", "task", "elapsed"}

arrangements = st.builds(
    Arrangement,
    st.permutations(KEYS).flatmap(lambda keys: st.integers(0, 10).map(lambda n: tuple(keys[:n]))),
    st.frozensets(st.sampled_from(KEYS)),
    st.dictionaries(st.sampled_from(KEYS), st.integers(LEAST_WIDTH, MOST_WIDTH)),
)


@given(arrangements, st.integers(18, 300))
def test_however_columns_are_arranged_those_that_tell_most_are_there_and_none_sticks_out(
    arrangement: Arrangement, width: int
) -> None:
    places = lay_out(arrangement.applied(task_columns.LIVE), width)
    assert {place.column.key for place in places} >= ALWAYS
    end = 0
    for place in places:
        assert place.x >= end
        end = place.x + place.width + GAP
    assert end - GAP <= width


@given(arrangements)
def test_an_arrangement_outlives_the_file_it_is_kept_in(arrangement: Arrangement) -> None:
    assert Arrangement.read(arrangement.kept()) == arrangement


@pytest.mark.parametrize(
    "damaged",
    [
        None,
        7,
        [],
        {"order": "state", "hidden": {"a": 1}, "widths": ["x"]},
        {"widths": {"id": True}},
    ],
)
def test_a_damaged_arrangement_is_none(damaged: object) -> None:
    assert Arrangement.read(damaged) == Arrangement()


def test_a_width_out_of_bounds_is_brought_within() -> None:
    read = Arrangement.read({"widths": {"id": 9_999, "task": -1}, "order": ["gone", "id", 3]})
    assert read.widths == {"id": MOST_WIDTH, "task": LEAST_WIDTH}
    assert [column.key for column in read.ordered(task_columns.LIVE)][:2] == ["state", "task"]


def test_columns_are_moved_hidden_widened_and_told_why_they_are_gone() -> None:
    columns = task_columns.LIVE
    chosen = Arrangement().moved(columns, "worker", -3).toggled("id").resized("task", 30)
    shown = chosen.applied(columns)
    assert [column.key for column in shown][:3] == ["worker", "state", "task"]
    assert "id" not in [column.key for column in shown]
    fates = chosen.fates(columns, 76)
    assert fates["task"].width == 30
    assert fates["id"].why == "hidden"
    assert fates["args"].why == "no room here"
    assert fates["state"].why == "always shown"
    assert chosen.toggled("id").resized("task", None).moved(columns, "worker", 3).kept() is None


def cell_column(key: str, align: Any, keep: Any) -> Column[str]:
    return Column(
        key=key,
        label=key,
        render=lambda record, draw, width: Text(record),
        width=9,
        align=align,
        keep=keep,
    )


@given(
    st.lists(st.text(max_size=20), min_size=3, max_size=3),
    st.sampled_from(["left", "right"]),
    st.sampled_from(["head", "tail"]),
)
def test_columns_stay_aligned_whatever_stands_in_them(
    texts: list[str], align: str, keep: str
) -> None:
    draw = DrawContext(now=0)
    places = [Place(cell_column(str(n), align, keep), 12 * n, 9) for n in range(3)]
    cells = [draw.cell(text) for text in texts]
    strip = row_strip(Text("   "), places, cells, 40, base=Style(), unicode=True)
    assert strip.cell_length == sum(map(Segment.cell_length.fget, strip)) == 40  # type: ignore[attr-defined]
    for place in places:
        gap = strip.crop(3 + place.x - 2, 3 + place.x)
        assert not gap.text.strip(), strip.text

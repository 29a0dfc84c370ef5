from __future__ import annotations

import pytest

from umbel_console.screens import task_columns
from umbel_console.widgets.columns import GAP, lay_out


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

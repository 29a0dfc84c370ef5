"""The cells of a queue as text: every figure in the room its column has."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_console.drawing import DRAW
from fake_console.world import NOW
from umbel_backend.records import QueueRecord
from umbel_console.render import axis
from umbel_console.render import queue as cells
from umbel_console.screens.queues import columns
from umbel_console.stores.problems import problems
from umbel_console.stores.queues import QueueStore
from umbel_console.widgets.columns import lay_out

SCREENS_MD = ("queue", "state", "ready", "high", "normal", "low", "unacked", "in", "out")
AND_MORE = ("oldest", "drain", "consumers")


def queue(ready: int = 0, **fields: Any) -> QueueRecord:
    record = QueueRecord(
        name="default",
        ready=ready,
        by_priority={"0": ready, "3": 0, "6": 0, "9": 0},
        read_at=NOW,
        unacked=0,
        consumers=2,
    )
    for field, value in fields.items():
        setattr(record, field, value)
    return record


def test_120_columns_show_every_measure_of_a_queue_and_its_name() -> None:
    # The first three cells are the cursor's and the marks', the last one is the thumb's.
    places = lay_out(columns(QueueStore()), 120 - 3 - 1)
    assert [place.column.key for place in places] == [*SCREENS_MD, *AND_MORE]
    assert places[0].width >= len("notifications.eu")


@given(st.integers(0, 999_999_999), st.booleans())
def test_what_is_ready_fits_its_column(ready: int, grows: bool) -> None:
    assert len(cells.ready_cell(queue(ready), DRAW, grows=grows).plain) <= 9
    assert len(cells.level_cell(queue(ready), "high", DRAW).plain) <= 5


@pytest.mark.parametrize(
    ("ready", "told"), [(0, "0"), (9_999, "9,999"), (12_345, "12.3k"), (999_999, "1M")]
)
def test_a_level_is_exact_up_to_ten_thousand(ready: int, told: str) -> None:
    assert cells.level_cell(queue(ready), "high", DRAW).plain == told


def test_what_is_ready_is_exact_up_to_a_million() -> None:
    assert cells.ready_cell(queue(999_999), DRAW, grows=True).plain == "↑999,999"
    assert cells.ready_cell(queue(1_204_233), DRAW, grows=False).plain == "1.20M"


@given(st.floats(0, 1e9, allow_nan=False))
def test_a_rate_fits_its_column(rate: float) -> None:
    assert len(cells.rate_cell(rate, DRAW).plain) <= 5


@given(st.floats(0, 9e11, allow_nan=False))
def test_a_short_number_never_reads_as_a_power_of_ten(value: float) -> None:
    label = axis.number_label(value)
    assert value < 1e-4 or "e" not in label
    assert value < 1e-4 or len(label) <= 7


def test_a_paused_queue_is_told_as_paused_and_is_no_alarm() -> None:
    store = QueueStore()
    paused = queue(31, state="paused", consumers=0, oldest_age_s=7_200.0)
    forgotten = queue(31, name="exports", state="no consumer", consumers=0)
    store.take([paused, forgotten], NOW)
    assert store.warnings(paused, NOW) == []
    assert store.suspicious(NOW) == 1
    told = {each.subject: each.sentence for each in problems([], [], [paused, forgotten], [], NOW)}
    assert cells.drain_cell(paused, DRAW).plain == "–"
    assert cells.drain_cell(forgotten, DRAW).plain == "never"
    assert told["default"] == "queue is paused, 31 waiting"
    assert told["exports"] == "queue without consumer, 31 waiting"

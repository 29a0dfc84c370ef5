from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_console.world import NOW, task
from umbel_backend.events.model import Event
from umbel_backend.records import Progress
from umbel_console.render.context import DrawContext
from umbel_console.render.progress import progress_cell, rate_words
from umbel_console.stores.progress import Pace, Paces
from umbel_console.stores.tasks import TaskStore


def pace(*points: tuple[float, float], total: float = 100.0) -> Pace:
    made = Pace(total)
    for at, current in points:
        made.note(NOW + at, current)
    return made


def test_the_time_left_follows_the_pace_of_the_last_minute() -> None:
    # A slow beginning, then one a second.
    slow_then_fast = pace((0, 1), (100, 2), *((101 + n, 2 + n) for n in range(1, 61)))
    rate = slow_then_fast.rate(NOW + 161)
    assert rate == pytest.approx(1.0, rel=0.1)
    assert slow_then_fast.left_s(NOW + 161) == pytest.approx(38, abs=5)


def test_one_point_tells_no_pace() -> None:
    assert pace((0, 5)).rate(NOW) is None
    assert pace((0, 5), (0.5, 6)).rate(NOW + 0.5) is None


def test_a_task_that_stands_still_gets_slower_and_its_time_left_grows() -> None:
    halted = pace(*((n, n) for n in range(20)))
    first, later = halted.left_s(NOW + 19), halted.left_s(NOW + 300)
    assert first is not None
    assert later is not None
    assert later > 2 * first


def test_less_done_than_ever_begins_another_run_and_a_step_back_does_not() -> None:
    paces = Paces()
    for at, current in ((0, 10), (2, 20), (4, 30)):
        paces.note("t", NOW + at, Progress(current, 100))
    paces.note("t", NOW + 5, Progress(28, 100))
    assert paces["t"].rate(NOW + 5) == pytest.approx(5)
    paces.note("t", NOW + 6, Progress(1, 100))
    assert paces["t"].rate(NOW + 6) is None


def test_paces_are_bounded_and_end_with_their_task() -> None:
    paces = Paces(most=2)
    for number in range(3):
        paces.note(str(number), NOW, Progress(1, 10))
    assert set(paces) == {"1", "2"}
    store, record = TaskStore(), task(1)
    store.seed([record])
    told = Event(type="umbel-progress", id=record.id, at=NOW, progress=Progress(1, 10))
    store.apply([told])
    assert record.id in store.paces
    ended = Event(type="task-succeeded", id=record.id, at=NOW + 1, hostname="w1@app-1")
    store.apply([ended])
    assert record.id not in store.paces


@pytest.mark.parametrize(
    ("rate", "total", "words"),
    [(31.0, 5_000, "31/s"), (2.5, 5_000, "2.5/s"), (0.2, 500, "12/min"), (0.005, 500, "18/h")],
)
def test_a_rate_is_told_in_the_unit_that_fits(rate: float, total: float, words: str) -> None:
    made = pace((0, 1), (100, 1 + 100 * rate), total=total)
    assert rate_words(Progress(1, total), made, NOW + 100) == words


def test_of_a_hundred_it_is_told_in_percent_a_minute() -> None:
    made = pace((0, 10), (60, 15))
    assert rate_words(Progress(15, 100), made, NOW + 60) == "5.0 %/min"


def test_the_bar_shows_share_and_time_left() -> None:
    draw = DrawContext(now=NOW + 40, unicode=False)
    cell = progress_cell(Progress(50, 100), 40, draw, 19, pace=pace((0, 10), (40, 50)))
    assert cell.plain == "#####..... 50% 50s"
    assert progress_cell(Progress(50, 100), 40, draw, 19).plain == "#####..... 50% 40s"
    assert progress_cell(Progress(3, 0, "reading"), 40, draw, 19).plain == "reading"


@given(
    st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1e6)), max_size=60),
    st.floats(0, 1e6),
    st.floats(-100, 1e5),
)
def test_whatever_is_told_a_pace_is_positive_and_time_left_not_negative(
    points: list[tuple[float, float]], total: float, later: float
) -> None:
    made = pace(*points, total=total)
    rate, left_s = made.rate(NOW + later), made.left_s(NOW + later)
    assert rate is None or rate > 0
    assert left_s is None or left_s >= 0

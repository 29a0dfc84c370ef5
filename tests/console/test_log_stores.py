from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fake_console.logs import line
from umbel_backend.records import LogLine
from umbel_console.stores.logs import Arrived, LogPage, LogWindow, RecentLogs, place_of


def arrived(*numbers: int, task_id: str = "t", level: int = 20) -> list[Arrived]:
    return [Arrived(task_id, [line(number, level=level)]) for number in numbers]


def numbers(lines: list[LogLine]) -> list[int]:
    return [each.n for each in lines]


def test_live_lines_follow_on_what_is_stored_without_repeating_it() -> None:
    recent, window = RecentLogs(), LogWindow()
    recent.apply(arrived(3, 4, 5))
    window.put_end(LogPage([line(1), line(2), line(3), line(4)], False))
    window.follow(recent, "t", 0)
    assert numbers(window.lines) == [1, 2, 3, 4, 5]


def test_live_lines_from_before_the_stored_stretch_are_left_out() -> None:
    recent, window = RecentLogs(), LogWindow()
    recent.apply(arrived(1, 2, 3))
    window.put_end(LogPage([line(8), line(9)], True))
    window.follow(recent, "t", 0)
    assert numbers(window.lines) == [8, 9]


def test_a_stretch_that_does_not_reach_to_the_end_shows_nothing_live() -> None:
    recent, window = RecentLogs(), LogWindow()
    recent.apply(arrived(50))
    window.put_begin(LogPage([line(1), line(2)], True))
    window.follow(recent, "t", 0)
    assert numbers(window.lines) == [1, 2]


def test_live_lines_below_the_level_are_left_out() -> None:
    recent, window = RecentLogs(), LogWindow()
    recent.apply([*arrived(1), *arrived(2, level=40)])
    window.follow(recent, "t", 30)
    assert numbers(window.lines) == [2]


def test_a_window_drops_what_is_far_from_where_one_reads() -> None:
    window = LogWindow(most=4)
    window.put_end(LogPage([line(n) for n in (7, 8, 9, 10)], True))
    assert window.add_older(LogPage([line(5), line(6)], True)) == 2
    assert numbers(window.lines) == [5, 6, 7, 8]
    assert window.has_after
    assert window.add_newer(LogPage([line(9), line(10)], False)) == 2
    assert numbers(window.lines) == [7, 8, 9, 10]
    assert window.has_before
    assert not window.has_after


def test_words_are_found_whatever_their_case_in_either_direction() -> None:
    window = LogWindow()
    texts = ("Start", "disk FULL", "ok", "disk full again")
    window.put_end(LogPage([line(n, words) for n, words in enumerate(texts, 1)], False))
    assert window.find("disk full", 0, 1) == 1
    assert window.find("Disk Full", 2, 1) == 3
    assert window.find("disk full", 2, -1) == 1
    assert window.find("disk full", 0, -1) is None
    assert window.index_of(place_of(window.lines[3])) == 3


def test_lines_of_one_task_and_of_all_together_are_bounded() -> None:
    recent = RecentLogs(most_lines=3, most_bytes=10_000)
    recent.apply(arrived(1, 2, 3, 4, 5))
    assert numbers(recent.after("t", [], 0)) == [3, 4, 5]
    window = LogWindow()
    window.put_end(LogPage([line(1)], False))
    window.follow(recent, "t", 0)
    assert numbers(window.lines) == [1, 3, 4, 5]
    assert window.left_out == 2
    for number in range(50):
        recent.apply([Arrived(f"t{number}", [line(1, "x" * 500)])])
    assert recent.bytes <= 10_000
    assert recent.after("t", [], 0) == []
    assert numbers(recent.after("t49", [], 0)) == [1]


@given(
    total=st.integers(0, 40),
    stored=st.integers(0, 40),
    heard_from=st.integers(0, 40),
    kept=st.integers(1, 40),
    page=st.integers(1, 40),
)
def test_whatever_was_stored_and_heard_every_line_is_shown_once_and_in_order(
    total: int, stored: int, heard_from: int, kept: int, page: int
) -> None:
    """Lines 1 to ``total`` were logged, ``stored`` of them are in the database, some were heard."""
    stored, heard_from = min(stored, total), min(heard_from, total)
    recent, window = RecentLogs(most_lines=kept), LogWindow()
    recent.apply(arrived(*range(heard_from + 1, total + 1)))
    window.put_end(LogPage([line(n) for n in range(max(1, stored - page + 1), stored + 1)], True))
    window.follow(recent, "t", 0)
    shown = numbers(window.lines)
    assert shown == sorted(set(shown))
    heard = numbers(recent.after("t", [], 0))
    assert set(range(max(1, stored - page + 1), stored + 1)) <= set(shown)
    assert {n for n in heard if n > stored} <= set(shown)

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel_console.widgets.viewport import Viewport


def view_of(rows: list[str], height: int = 5) -> Viewport[str]:
    view: Viewport[str] = Viewport(lambda row: row)
    view.resize(height)
    view.replace(rows)
    return view


def letters(count: int, prefix: str = "r") -> list[str]:
    return [f"{prefix}{n}" for n in range(count)]


def test_at_first_the_view_follows_what_comes_at_the_top() -> None:
    view = view_of(letters(20))
    view.replace(["new", *letters(20)])
    assert view.follows
    assert (view.record, view.top) == ("new", 0)


def test_the_cursor_stays_on_its_record_and_the_record_on_its_line() -> None:
    view = view_of(letters(40))
    view.move_to(12)
    line = 12 - view.top
    view.replace([*letters(7, "new"), *letters(40)])
    assert view.record == "r12"
    assert view.cursor is not None
    assert view.cursor - view.top == line


def test_a_record_that_vanished_leaves_the_cursor_on_its_line() -> None:
    view = view_of(letters(40))
    view.move_to(12)
    line = 12 - view.top
    view.replace([row for row in letters(40) if row != "r12"])
    assert view.record == "r13"
    assert view.cursor is not None
    assert view.cursor - view.top == line


def test_after_scrolling_away_the_first_line_stays_put() -> None:
    view = view_of(letters(60))
    view.move_to(3)
    view.scroll(30)
    top_row = view.rows[view.top]
    view.replace([*letters(4, "new"), *letters(60)])
    assert view.rows[view.top] == top_row
    assert view.record == "r3"


def test_home_follows_again() -> None:
    view = view_of(letters(40))
    view.move_to(30)
    view.home()
    view.replace(["new", *letters(40)])
    assert (view.record, view.top) == ("new", 0)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_the_cursor_is_in_range_and_on_a_row(seed: int) -> None:
    chance = random.Random(seed)
    view = view_of(letters(10), height=4)
    for _ in range(300):
        match chance.randrange(5):
            case 0:
                rows = [f"r{n}" for n in sorted(chance.sample(range(60), chance.randrange(40)))]
                kept = view.record if not view.follows else None
                view.replace(rows)
                if kept in rows:
                    assert view.record == kept
            case 1:
                view.move(chance.randrange(-9, 10))
            case 2:
                view.scroll(chance.randrange(-9, 10))
            case 3:
                view.resize(chance.randrange(1, 9))
            case 4:
                view.home()
        assert 0 <= view.top <= max(0, len(view.rows) - view.height)
        if view.rows:
            assert view.cursor is not None
            assert 0 <= view.cursor < len(view.rows)
        else:
            assert view.cursor is None


def line_of(view: Viewport[str]) -> int:
    assert view.cursor is not None
    return view.cursor - view.top


def test_a_record_that_leaves_while_others_come_in_above_hands_its_line_to_the_next_below() -> None:
    view = view_of(letters(40))
    view.move_to(12)
    line = line_of(view)
    view.replace([*letters(7, "new"), *(row for row in letters(40) if row != "r12")])
    assert (view.record, line_of(view)) == ("r13", line)


def test_the_last_record_leaves_its_line_to_the_one_above() -> None:
    view = view_of(letters(40))
    view.move_to(39)
    view.replace(letters(39))
    assert view.record == "r38"


def test_a_filter_that_matches_nothing_for_a_moment_costs_neither_record_nor_line() -> None:
    view = view_of(letters(40))
    view.move_to(20)
    view.move(-2)
    line = line_of(view)
    view.replace([])
    assert view.cursor is None
    view.replace([])
    view.replace([*letters(3, "new"), *letters(40)])
    assert (view.record, line_of(view)) == ("r18", line)


def test_another_order_keeps_record_and_line() -> None:
    view = view_of(letters(40))
    view.move_to(12)
    line = line_of(view)
    view.replace(list(reversed(letters(40))))
    assert (view.record, line_of(view)) == ("r12", line)


def test_after_scrolling_away_the_first_line_hands_over_too() -> None:
    view = view_of(letters(60))
    view.move_to(3)
    view.scroll(30)
    top = view.rows[view.top]
    view.replace([*letters(4, "new"), *(row for row in letters(60) if row != top)])
    assert view.rows[view.top] == f"r{int(top[1:]) + 1}"
    assert view.record == "r3"


lists = st.lists(st.integers(0, 60), max_size=60, unique=True).map(
    lambda numbers: [f"r{n}" for n in numbers]
)


@given(lists.filter(bool), st.lists(lists, max_size=8), st.integers(0, 59), st.integers(1, 20))
def test_while_one_reads_the_cursor_leaves_no_record_that_is_there_and_no_line_it_need_not(
    first: list[str], later: list[list[str]], place: int, height: int
) -> None:
    view = view_of(first, height)
    view.move_to(place)
    for rows in later:
        before, line = view.record, line_of(view) if view.rows else None
        view.replace(rows)
        if before in rows:
            assert view.record == before
        if not rows or line is None:
            continue
        assert view.cursor is not None
        highest = max(0, len(rows) - height)
        assert view.top == max(0, min(view.cursor - line, highest))
        assert view.top <= view.cursor < view.top + height

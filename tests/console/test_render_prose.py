"""Sentences over several rows: words stay whole, nothing is lost without a sign."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fake_console.drawing import DRAW, PLAIN, calm, lines_of
from fake_console.tasks import task
from umbel_console.render.detail import problem
from umbel_console.render.prose import paragraph, wrapped
from umbel_console.render.text import width_of


@calm
@given(st.text(max_size=300), st.integers(8, 120), st.integers(1, 6), st.booleans())
def test_rows_fit_and_only_what_has_a_sign_is_cut(
    text: str, width: int, most: int, unicode: bool
) -> None:
    draw = DRAW if unicode else PLAIN
    cell = draw.cell(text)
    rows = lines_of(wrapped(cell, width, most, draw))
    assert 1 <= len(rows) <= most
    assert all(width_of(row) <= width for row in rows)
    whole = "".join("".join(rows).split()) == "".join(cell.plain.split())
    assert whole or rows[-1].endswith("…" if unicode else "~")


def test_what_a_task_raised_is_broken_between_words() -> None:
    told = "ConnectionError: the gateway answered 503 Service Unavailable after 3 attempts"
    rows = lines_of(problem(task(1, "FAILURE", exception=told), DRAW, 50))
    assert rows == [
        "ConnectionError: the gateway answered 503 Service",
        "  Unavailable after 3 attempts",
    ]
    cut = lines_of(problem(task(1, "FAILURE", exception=f"{told} " * 9), DRAW, 50))
    assert len(cut) == 2
    assert cut[1].endswith("…")


def test_rows_become_one_text_that_breaks_nothing_itself() -> None:
    text = paragraph(wrapped(DRAW.cell("one two three"), 8, 3, DRAW))
    assert text.plain == "one two\nthree"
    assert text.no_wrap

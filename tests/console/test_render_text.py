from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from umbel_console.render.text import clean_block, clean_cell, cut, cut_head

HOSTILE = [
    "\x1b[31mred\x1b[0m",
    "\x1b]52;c;aGVsbG8=\x07",
    "\x9b31m",
    "a\x00b\x7fc",
    "line\nbreak\rreturn\ttab",
    "\u202eright to left\u202c",
    "zero\u200bwidth\ufeffspace\u2060",
    "\ud800 lone surrogate",
    "tags \U000e0041\U000e0042",
    "x\ufe0f variation",
    "\u2028\u2029",
    "[bold]markup[/bold] [@click=app.quit]quit[/]",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("unicode", [True, False])
def test_nothing_that_a_terminal_obeys_or_hides_gets_through(text: str, unicode: bool) -> None:
    clean = clean_cell(text, unicode=unicode)
    assert clean.isprintable()
    assert unicode or clean.isascii()
    clean.encode()


def test_escapes_are_shown_as_python_writes_them() -> None:
    assert clean_cell("\x1b[31mred\x9b\u202e\U000e0041") == "\\x1b[31mred\\x9b\\u202e\\U000e0041"


def test_what_can_be_read_is_left_as_it_is() -> None:
    for text in ("plain", "naïve café", "漢字かな", "emoji 😀", "नमस्ते", "[bold]", "–…⏎"):
        assert clean_cell(text) == text


def test_a_line_end_is_seen() -> None:
    assert clean_cell("a\nb") == "a⏎b"


def test_a_block_keeps_its_lines_and_nothing_else() -> None:
    assert clean_block("a\tb\r\nc\x1b[2J") == "a   b\nc\\x1b[2J"


@given(st.text(alphabet=st.characters(codec=None), max_size=40), st.integers(0, 30))
def test_a_cut_text_fits_and_says_that_it_was_cut(text: str, width: int) -> None:
    clean = clean_cell(text)
    for cutter in (cut, cut_head):
        short = cutter(clean, width)
        assert cell_len(short) <= width
        assert short == clean or width == 0 or "…" in short


def test_every_character_there_is_comes_out_printable() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    assert clean_cell(everything).isprintable()

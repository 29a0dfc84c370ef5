from __future__ import annotations

import sys

import pytest
import wcwidth
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len, get_character_cell_size
from rich.console import Console
from rich.text import Text

from umbel_console.render.context import MOST_IN_CELL, DrawContext
from umbel_console.render.line import Part, fit
from umbel_console.render.text import clean_block, clean_cell, cut, cut_head, shortened, width_of

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


def test_two_tables_of_widths_agree_on_every_character_that_gets_through() -> None:
    for character in map(chr, range(sys.maxunicode + 1)):
        if clean_cell(character) in (character, "\u25cc" + character):
            width = get_character_cell_size(character)
            assert width == wcwidth.wcwidth(character), hex(ord(character))


MIXED = st.text(
    st.sampled_from(
        "ab 漢字かな한글ｶﾅ😀👍🏽🇩🇪👨\u200d👩\ufe0fé\u0301\u0302\u0303\u0304\u0305"
        "שלוםمرحبا\u202eनमสวัส\t\n\x1b–…█"
    ),
    max_size=40,
)


@given(MIXED)
def test_a_text_is_as_wide_as_its_characters_together(text: str) -> None:
    clean = clean_cell(text)
    assert width_of(clean) == sum(get_character_cell_size(each) for each in clean)
    assert not clean or get_character_cell_size(clean[0]) > 0


@given(MIXED, st.integers(0, 30))
def test_what_is_cut_begins_with_no_mark_of_a_letter_that_is_gone(text: str, width: int) -> None:
    clean = clean_cell(text)
    short = cut_head(clean, width)
    if short != clean and len(short) > 1:
        assert get_character_cell_size(short[1]) > 0


def test_a_pile_of_marks_does_not_reach_other_lines() -> None:
    assert clean_cell("o" + "\u0301" * 6) == "o" + "\u0301" * 4 + "\\u0301" * 2
    assert clean_cell("e\u0301\u0323") == "e\u0301\u0323"


def test_a_mark_without_a_letter_gets_a_circle_to_stand_on() -> None:
    assert clean_cell("\u0301x") == "\u25cc\u0301x"


def test_flags_and_skin_tones_are_escaped_as_terminals_differ_on_them() -> None:
    assert clean_cell("🇩🇪 👍🏽") == "\\U0001f1e9\\U0001f1ea 👍\\U0001f3fd"


@pytest.mark.parametrize(("unicode", "sign"), [(True, "…"), (False, "~")])
def test_a_line_of_chrome_that_is_too_long_says_so(unicode: bool, sign: str) -> None:
    parts = [Part(Text("a sentence that does not fit")), Part(Text("right"), right=True)]
    line = fit(parts, 20, unicode=unicode)
    assert line.plain == f"a sentence t{sign}  right"
    assert fit(parts, 3, unicode=unicode).plain == f"ri{sign}"


def test_a_name_of_any_length_leaves_room_for_what_follows_it() -> None:
    parts = [Part(Text("celery@" + "x" * 300)), Part(Text("● online")), Part(Text("heard"), 2)]
    line = fit(parts, 40).plain
    assert line.startswith("celery@xx")
    assert line.endswith("…  ● online")


@given(
    st.lists(st.tuples(st.text("ab漢é", min_size=1, max_size=6), st.sampled_from(["red", "blue"]))),
    st.integers(min_value=-1, max_value=30),
)
def test_a_text_in_many_styles_can_be_drawn_however_short_it_is_cut(
    parts: list[tuple[str, str]], width: int
) -> None:
    whole = Text()
    for part, style in parts:
        whole.append(part, style)
    short = shortened(whole, width)
    drawn = "".join(segment.text for segment in short.render(Console(), end=""))
    assert drawn == short.plain == cut(whole.plain, width)


@pytest.mark.parametrize(("unicode", "sign"), [(True, "…"), (False, "~")])
def test_of_a_huge_text_a_cell_takes_what_can_be_seen_and_says_so(unicode: bool, sign: str) -> None:
    draw = DrawContext(now=0.0, unicode=unicode)
    assert draw.cell("x" * 10_000_000).plain == "x" * MOST_IN_CELL + sign

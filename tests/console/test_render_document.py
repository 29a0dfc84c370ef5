from __future__ import annotations

import sys
import time
from collections.abc import Callable
from copy import copy
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from rich.cells import get_character_cell_size
from rich.text import Text

from fake_console.drawing import DRAW, PLAIN, calm
from fake_console.world import NOW, business, task
from umbel_backend.broker.why_waiting import Cause
from umbel_backend.records import Attempt, TaskRecord
from umbel_console.render import detail
from umbel_console.render.context import DrawContext
from umbel_console.render.document import SIMPLE, DocLine, Layout, block, joined, said
from umbel_console.render.palette import PALETTES
from umbel_console.render.text import width_of
from umbel_console.screens.task_detail_parts import Known, document, fitted, head, parts_of
from umbel_console.services import WhyAnswer

ESCAPES = "\x1b[31m\x1b]0;OWNED\x07\x00\x9b2J\u202e[bold red]x[/] "
CAUSES = [
    Cause(kind="eta", sentence="The time of its ETA has not come.", until=NOW + 8),
    Cause(kind="x", sentence="A slot is free.", certainty="likely"),
    Cause(kind="y", sentence="It cannot be told.", certainty="unknown"),
]


@calm
@given(st.text(max_size=200), st.integers(2, 40), st.integers(0, 9), st.booleans())
def test_rows_fit_their_width_and_lose_nothing(
    text: str, width: int, hang: int, prose: bool
) -> None:
    line = replace(said(text, DRAW), hang=hang, prose=prose)
    layout = Layout([line], width)
    shown = [layout.row(number).plain for number in range(len(layout))]
    wide = [row for row in shown if width_of(row.rstrip()) > width]
    assert not wide or width < 4
    if not prose:
        rest = [row[hang:] if number else row for number, row in enumerate(shown)]
        assert "".join(rest) == line.text.plain or hang > width // 2


def test_what_is_cut_says_how_much() -> None:
    assert "9,934,464 characters are not shown" in joined(block("x" * 10_000_000, DRAW))
    assert "lines are not shown" in joined(block("\n" * 60_000, DRAW))
    assert "characters are not shown" in joined(block("\x1b" * 60_000, DRAW))


def test_the_characters_taken_for_one_cell_wide_are() -> None:
    for character in map(chr, range(sys.maxunicode + 1)):
        if SIMPLE.fullmatch(character):
            assert get_character_cell_size(character) == 1, hex(ord(character))


def test_a_character_wider_than_the_row_stands_there_all_the_same() -> None:
    layout = Layout([DocLine("漢字", 0)], 1)
    assert [layout.row(number).plain for number in range(len(layout))] == ["漢", "字"]


def test_a_part_of_a_line_keeps_its_styles() -> None:
    line = DocLine(Text.assemble(("abc", "red"), ("def", "blue"), end=""))
    part = line.part(2, 5)
    assert part.plain == "cde"
    assert [(span.start, span.end, span.style) for span in part.spans] == [
        (0, 1, "red"),
        (1, 3, "blue"),
    ]
    assert DocLine("abcdef").part(2, 5).plain == "cde"


def test_a_document_is_made_anew_only_when_what_it_draws_changed() -> None:
    record = task(1)
    first = document("Arguments", Known(record=record), DRAW)
    later = structs.replace(DRAW, now=NOW + 1)
    assert document("Arguments", Known(record=copy(record)), later) is first
    light = structs.replace(DRAW, palette=PALETTES["umbel-light"])
    assert document("Arguments", Known(record=record), light) is not first
    record.kwargs = "{'month': '2026-11'}"
    assert "2026-11" in joined(document("Arguments", Known(record=record), DRAW))


DRAWN: list[Callable[[TaskRecord, DrawContext], list[DocLine]]] = [
    lambda record, draw, part=part: document(part, Known(record=record, members=[record]), draw)  # type: ignore[misc]
    for part in ("Arguments", "Result", "Traceback", "Attempts", "Family", "Raw", "Why")
]


@pytest.mark.parametrize("palette", PALETTES.values(), ids=lambda palette: palette.name)
def test_every_record_can_be_drawn_in_every_palette(palette: object) -> None:
    draw = structs.replace(DRAW, palette=palette)
    for record in [*business(), TaskRecord(id="x", state_at=0.0)]:
        for drawer in DRAWN:
            assert drawer(record, draw)
        assert head(Known(record=record), draw, 78, 12)
        assert detail.title(record, draw)


def test_on_an_ascii_terminal_everything_is_ascii() -> None:
    odd = task(1, "FAILURE", name="zażółć.漢字", exception="ValueError: – ✗", traceback="é\n—")
    odd.attempts = (Attempt(1, NOW - 9, NOW - 8, "RETRY", "É: x", "w1@é"),)
    odd.retried_as = ("é",)
    waiting = task(2, "PENDING", eta=NOW + 9, args="('é',)")
    for record in (odd, waiting):
        known = Known(record=record, answer=WhyAnswer(record.id, CAUSES, NOW), can_ask=True)
        assert fitted(head(known, PLAIN, 60, 20), PLAIN, 60, 20).plain.isascii()
        for drawer in DRAWN:
            assert joined(drawer(record, PLAIN)).isascii()


def hostile(size: int) -> TaskRecord:
    text = (ESCAPES * (size // len(ESCAPES) + 1))[:size]
    record = task(1, "FAILURE", name=text[:255], queue=text, worker=text, args=text, kwargs=text)
    record.result = record.exception = record.traceback = text
    record.retry_of = record.parent_id = record.group_id = record.root_id = text[:255]
    record.retried_as = (text[:255],)
    record.tags = {text[:200]: text}
    record.attempts = (Attempt(1, NOW - 9, NOW - 8, text[:50], text, text),)
    return record


def test_hostile_text_is_shown_as_escapes_in_every_part() -> None:
    record = hostile(3_000)
    shown = [joined(drawer(record, DRAW)) for drawer in DRAWN]
    shown.append(fitted(head(Known(record=record), DRAW, 78, 12), DRAW, 78, 12).plain)
    shown += [part.text.plain for part in detail.title(record, DRAW)]
    for text in shown:
        assert all(character == "\n" or character.isprintable() for character in text)
    assert any("\\x1b[31m" in text for text in shown)


@pytest.mark.parametrize("size", [65_536, 10_000_000])
def test_a_record_of_any_size_is_drawn_in_little_time(size: int) -> None:
    record = hostile(size)
    document("Arguments", Known(record=task(2)), DRAW)
    for drawer in DRAWN:
        started = time.process_time()
        layout = Layout(drawer(record, DRAW), 76)
        for row in range(min(30, len(layout))):
            layout.row(row)
        # Measured at 0.05 s, with ten megabytes in every field 0.25 s; a busy machine counts more.
        assert time.process_time() - started < 3.0


def test_what_stands_above_the_parts_never_takes_more_than_its_rows() -> None:
    for record in (hostile(3_000), *business()):
        shown = fitted(head(Known(record=record), DRAW, 78, 9), DRAW, 78, 9).plain.split("\n")
        assert len(shown) <= 9
        assert all(width_of(line) <= 78 for line in shown)


def test_only_a_waiting_task_has_a_part_that_says_why() -> None:
    assert "Why" in parts_of(task(1, "PENDING"))
    assert "Why" not in parts_of(task(1))
    assert "Why" not in parts_of(task(1, "FAILURE"))

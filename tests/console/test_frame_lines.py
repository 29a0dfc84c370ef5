"""The line of tabs: what gives way in which width, and what never does."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from fake_console.world import NOW
from umbel_console.render.context import DrawContext
from umbel_console.render.text import width_of
from umbel_console.screens import frame_lines
from umbel_console.screens.frame_lines import tab_parts

DRAW = DrawContext(now=NOW)
LATER = (*frame_lines.TABS[:5], ("schedules", "5", "Schedules"), ("alerts", "6", "Alerts"))
NINE = (*LATER, *frame_lines.TABS[-2:])
NOTES = {"tasks": "1,204", "queues": "2!"}


def line(width: int, shown: str = "tasks", *, unicode: bool = True) -> str:
    draw = DrawContext(now=NOW, unicode=unicode)
    (part,) = tab_parts(shown, lambda mode: NOTES.get(mode, ""), draw, width)
    return part.text.plain


def test_a_wide_terminal_shows_titles_and_figures() -> None:
    assert "0 Overview │ 1 Tasks 1,204 │ 2 History │ 3 Workers │ 4 Queues 2!" in line(120)


def test_eighty_columns_keep_all_titles_and_what_is_wrong() -> None:
    assert "0 Overview  1 Tasks  2 History  3 Workers  4 Queues 2!  7 Audit  8 Policies" in line(80)


@pytest.mark.parametrize("shown", [mode for mode, _, _ in NINE])
def test_nine_tabs_have_titles_in_eighty_columns(
    monkeypatch: pytest.MonkeyPatch, shown: str
) -> None:
    monkeypatch.setattr(frame_lines, "TABS", NINE)
    told = line(80, shown)
    assert width_of(told) <= 80
    whole = next(title for mode, _, title in NINE if mode == shown)
    for _, key, title in NINE:
        expected = title if title == whole else frame_lines.SHORT.get(title, title)
        assert f" {key} {expected}" in told


@pytest.mark.parametrize("tabs", [frame_lines.TABS, NINE])
@pytest.mark.parametrize("width", [30, 40, 60, 80, 90, 100, 120, 200])
def test_the_tabs_never_leave_the_width(
    monkeypatch: pytest.MonkeyPatch, tabs: tuple[tuple[str, str, str], ...], width: int
) -> None:
    monkeypatch.setattr(frame_lines, "TABS", tabs)
    for mode, _, title in tabs:
        told = line(width, mode)
        assert width_of(told) <= width
        assert title in told


def test_an_alarm_takes_the_lines_between_the_tabs_but_no_part_of_a_title() -> None:
    assert "4 Queues 2! │" in line(90)
    assert "4 Queues 2!  7 Audit" in line(80)
    assert "4 Queues 2! 7 Audit" in line(74)
    assert line(60, "workers").startswith(" 0 Over 1 Tasks 2 Hist 3 Workers 4 Queue ")


def test_every_tab_can_be_clicked_from_its_first_to_its_last_cell() -> None:
    (part,) = tab_parts("tasks", lambda mode: "", DRAW, 80)
    text, terminal = part.text, Console(file=StringIO())
    does = [text.get_style_at_offset(terminal, x).meta.get("does") for x in range(len(text))]
    assert None not in does
    assert list(dict.fromkeys(does)) == [f"app.{mode}" for mode, _, _ in frame_lines.TABS]


def test_an_ascii_terminal_gets_ascii() -> None:
    assert line(120, unicode=False).isascii()

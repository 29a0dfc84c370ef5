from __future__ import annotations

from datetime import UTC

import pytest

from fake_console.world import NOW, task
from umbel_backend import states
from umbel_backend.records import Progress
from umbel_console.render import task as cells
from umbel_console.render.context import DrawContext
from umbel_console.render.progress import progress_cell
from umbel_console.render.state import LOOKS, state_cell
from umbel_console.render.time import ago, clock, coarse, duration, exact, moment, ticking

DRAW = DrawContext(now=NOW, zone=UTC)
PLAIN = DrawContext(now=NOW, zone=UTC, unicode=False)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2101, "0.21s"),
        (9.994, "9.99s"),
        (9.996, "10.0s"),
        (59.94, "59.9s"),
        (60, "1m 00s"),
        (134, "2m 14s"),
        (3_600, "1h 00m"),
        (10_920, "3h 02m"),
        (440_000, "5d 02h"),
        (-3, "0.00s"),
    ],
)
def test_durations_have_the_digits_that_matter(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_times_are_relative_in_tables_and_exact_in_detail() -> None:
    assert ticking(48.9) == "48s"
    assert (coarse(59), coarse(3_599), coarse(90_000)) == ("59s", "59m", "1d")
    assert (ago(NOW - 180, NOW), ago(NOW + 8, NOW)) == ("3m ago", "in 8s")
    assert exact(NOW + 0.12, UTC) == "2026-11-01 12:04:14.120 +00:00"
    assert clock(NOW + 0.12, UTC, millis=True) == "12:04:14.120"
    assert moment(NOW - 86_400, NOW, UTC) == "2026-10-31 12:04:14"


def test_every_state_has_a_glyph_and_a_letter_of_its_own() -> None:
    assert set(LOOKS) == set(states.ALL)
    assert len({look.glyph for look in LOOKS.values()}) == len(LOOKS)
    assert len({look.plain for look in LOOKS.values()}) == len(LOOKS)
    assert state_cell("STARTED", DRAW).plain == "● STARTED"
    assert state_cell("STARTED", PLAIN).plain == "> STARTED"
    assert state_cell("CUSTOM", DRAW).plain == "· CUSTOM"


def test_elapsed_ticks_while_running_and_is_measured_after() -> None:
    assert cells.elapsed_cell(task(1, age_s=134.5), DRAW).plain == "2m 14s"
    assert cells.elapsed_cell(task(1, "SUCCESS"), DRAW).plain == "1.90s"
    assert cells.elapsed_cell(task(1, "RETRY", eta=NOW + 8), DRAW).plain == "in 8s"
    assert cells.elapsed_cell(task(1, "REVOKED"), DRAW).plain == "–"


def test_arguments_read_like_a_call() -> None:
    whole = task(1, args="(1, 'a')", kwargs="{'b': 2}")
    assert cells.arguments_text(whole) == "1, 'a', 'b': 2"
    assert cells.arguments_text(task(1, args="(1, 'a',)", kwargs="{}")) == "1, 'a'"
    cut_off = task(1, args="('aaa", kwargs=None, args_complete=False)
    assert (cells.arguments_text(cut_off) or "").endswith("…")
    assert cells.arguments_text(task(1, args=None, kwargs=None)) is None


def test_progress_says_share_and_time_left_and_never_100_too_early() -> None:
    assert progress_cell(Progress(71, 100), 600, DRAW, 22).plain == "███████░░░ 71% 4m"
    assert progress_cell(Progress(999, 1000), None, DRAW, 22).plain.endswith("99%")
    assert progress_cell(Progress(5, 0), None, DRAW, 22).plain == "5 done"
    assert progress_cell(Progress(1, 1_000), None, DRAW, 14).plain == "▏░░░░ 0%"
    assert progress_cell(Progress(15, 100), None, DRAW, 14).plain == "▊░░░░ 15%"
    assert progress_cell(Progress(0, 100), None, DRAW, 14).plain == "░░░░░ 0%"
    assert len(progress_cell(Progress(30, 100), 600, DRAW, 14).plain) <= 14


def test_a_failure_shows_why_where_others_show_progress() -> None:
    failed = task(1, "FAILURE", exception="ValueError: bad row")
    assert cells.progress_or_problem_cell(failed, DRAW, 30).plain == "ValueError: bad row"


def test_priorities_have_the_names_of_their_broker() -> None:
    assert cells.priority_cell(task(1, priority=0), DRAW).plain == "high"
    assert cells.priority_cell(task(1, priority=7), DRAW).plain == "7"
    assert cells.priority_cell(task(1, priority=None), DRAW).plain == "–"


def test_on_an_ascii_terminal_every_cell_is_ascii() -> None:
    odd = task(1, "FAILURE", name="zażółć.漢字", exception="ValueError: – ✗", traceback="é\n—")
    for record in (odd, task(2, progress=Progress(1, 2)), task(3, "PENDING", queue=None)):
        drawn = [
            cells.name_cell(record, PLAIN),
            cells.elapsed_cell(record, PLAIN),
            cells.progress_or_problem_cell(record, PLAIN, 20),
            cells.arguments_cell(record, PLAIN),
            cells.queue_cell(record, PLAIN),
            state_cell(record.state, PLAIN),
        ]
        assert all(text.plain.isascii() for text in drawn), [text.plain for text in drawn]

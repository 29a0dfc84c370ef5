"""The histogram above History, as text."""

from __future__ import annotations

from datetime import UTC

import pytest

from umbel_backend.db.statements.histogram import Histogram
from umbel_backend.records import Gap
from umbel_console.render.context import DrawContext
from umbel_console.render.histogram import axis_line, bars_line, caption_of, marks_line
from umbel_console.render.line import fit

NOON = 1_793_534_400.0


def draw(*, unicode: bool = True) -> DrawContext:
    return DrawContext(now=NOON + 3_600, zone=UTC, unicode=unicode)


def histogram(*counts: int, failed: int | None = None, is_capped: bool = False) -> Histogram:
    slices = [{"SUCCESS": count} if count else {} for count in counts]
    if failed is not None:
        slices[failed]["FAILURE"] = 1
    return Histogram(NOON, 60.0, slices, sum(counts), is_capped)


def caption(of: Histogram, width: int) -> str:
    return fit(caption_of(of, draw()), width).plain.strip()


def test_the_highest_bar_is_full_and_the_lowest_can_be_seen() -> None:
    assert bars_line(histogram(1, 0, 500, 1000), draw(), 12).plain == "   ▁ ▄█"
    assert bars_line(histogram(1, 0, 1000), draw(unicode=False), 9).plain == "   . @"


def test_bars_are_as_wide_as_there_is_room() -> None:
    assert bars_line(histogram(8, 4), draw(), 26).plain.strip() == "█" * 10 + "▄" * 10


def test_failures_and_gaps_are_marked_where_they_were() -> None:
    gap = Gap(source="r", started_at=NOON + 130, ended_at=NOON + 170, reason="x")
    line = marks_line(histogram(1, 1, 1, 1, failed=0), [gap], draw(), 10)
    assert line.plain == "   ✗ ╌ "


@pytest.mark.parametrize("width", [80, 120])
def test_the_axis_tells_range_length_and_height(width: int) -> None:
    line = axis_line(histogram(*([7] * 40), is_capped=True), draw(), width).plain
    for words in ("12:00:00", "12:40:00", "1m a bar", "highest 7", "only the newest 280"):
        assert words in line


def test_where_there_is_one_line_only_the_bars_say_what_they_are() -> None:
    counts = [7] * 40
    assert caption(histogram(*counts), 36) == "40m to 12:40  highest 7"
    assert caption(histogram(*counts, is_capped=True), 36) == "newest 280 to 12:40  highest 7"


def test_one_line_of_bars_tells_failures_in_words_and_gaps_where_they_were() -> None:
    gap = Gap(source="r", started_at=NOON + 130, ended_at=NOON + 170, reason="x")
    assert bars_line(histogram(8, 0, 0, 8), draw(), 10, [gap]).plain == "   █ ╌█"
    failed = histogram(*([7] * 40), failed=3)
    assert caption(failed, 36) == "40m to 12:40  1 failed  highest 8"
    assert caption(failed, 26) == "40m to 12:40  1 failed"

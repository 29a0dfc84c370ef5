"""The histogram of what a filter matches: bars over time, what failed in them, and gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from umbel_backend import states
from umbel_backend.records import Gap
from umbel_console.render.context import DrawContext
from umbel_console.render.line import Part
from umbel_console.render.text import width_of
from umbel_console.render.time import coarse, moment

if TYPE_CHECKING:
    from umbel_backend.db.statements.histogram import Histogram

BLOCKS, ASCII_BLOCKS = "▁▂▃▄▅▆▇█", ".:-=+*#@"
MARGIN = 3
"""Cells left free on each side, so that the bars stand over the rows."""
FAILED = (states.FAILURE, states.LOST)


def slices_in(width: int) -> int:
    """Return how many slices a terminal of ``width`` cells has room for."""
    return max(3, width - 2 * MARGIN)


def bars_line(
    histogram: Histogram, draw: DrawContext, width: int, gaps: Sequence[Gap] = ()
) -> Text:
    """Draw one bar a slice; each is as wide as there is room for, the highest is full.

    Args:
        histogram: What is drawn.
        draw: The means.
        width: Cells there are.
        gaps: Shown where there is no bar.
    """
    blocks = BLOCKS if draw.unicode else ASCII_BLOCKS
    counts = [sum(by_state.values()) for by_state in histogram.slices]
    most, wide = max(counts, default=0), _cells(histogram, width)
    line = Text(" " * MARGIN, end="", no_wrap=True)
    for number, (by_state, count) in enumerate(zip(histogram.slices, counts, strict=True)):
        if not count:
            line.append_text(_nothing(histogram, number, gaps, wide, draw))
            continue
        # A bar that is there at all is seen, however low.
        height = blocks[max(0, -(-count * len(blocks) // most) - 1)]
        role = "bad" if 2 * _failed(by_state) >= count else "waiting"
        line.append(height * wide, draw.palette.style(role))
    return line


def marks_line(histogram: Histogram, gaps: Sequence[Gap], draw: DrawContext, width: int) -> Text:
    """Mark, under the bars, the slices with failures and those in which events may be missing."""
    wide = _cells(histogram, width)
    cross = draw.glyph("✗", "x")
    line = Text(" " * MARGIN, end="", no_wrap=True)
    for number, by_state in enumerate(histogram.slices):
        if _failed(by_state):
            line.append(cross.ljust(wide), draw.palette.style("bad"))
        else:
            line.append_text(_nothing(histogram, number, gaps, wide, draw))
    return line


def axis_line(histogram: Histogram, draw: DrawContext, width: int) -> Text:
    """Tell where the bars begin and end, how long each is, and how many the highest stands for."""
    wide = _cells(histogram, width) * len(histogram.slices)
    most = max((sum(by_state.values()) for by_state in histogram.slices), default=0)
    start = moment(histogram.start, draw.now, draw.zone)
    end = moment(min(histogram.end, draw.now), draw.now, draw.zone)
    words = f"{coarse(histogram.width_s)} a bar, highest {most:,}"
    if histogram.is_capped:
        words += f", only the newest {histogram.counted:,} are counted"
    line = Text(" " * MARGIN, end="", no_wrap=True)
    # Short bars leave no room between their ends: then what they tell follows them.
    between = wide - width_of(start) - width_of(end)
    if between >= width_of(words) + 4:
        left = (between - width_of(words)) // 2
        line.append_text(draw.cell(start, "muted")).append(" " * left)
        line.append_text(draw.cell(words, "muted"))
        line.append(" " * (between - left - width_of(words)))
        return line.append_text(draw.cell(end, "muted"))
    return line.append_text(draw.cell(f"{start} to {end}, {words}", "muted"))


def caption_of(histogram: Histogram, draw: DrawContext) -> list[Part]:
    """Tell in a few words what the bars show, for where they have neither marks nor axis."""
    end = min(histogram.end, draw.now)
    most = max((sum(by_state.values()) for by_state in histogram.slices), default=0)
    failed = sum(_failed(by_state) for by_state in histogram.slices)
    span = coarse(end - histogram.start)
    what = f"newest {histogram.counted:,}" if histogram.is_capped else span
    when = moment(end, draw.now, draw.zone)[:-3]
    told = [
        Part(draw.cell(f"{what} to {when}", "muted"), 1, right=True),
        Part(draw.cell(f"highest {most:,} ", "muted"), 3, right=True),
    ]
    if failed:
        told.insert(1, Part(draw.cell(f"{failed:,} failed", "bad"), 2, right=True))
    return told


def _failed(by_state: Mapping[str, int]) -> int:
    return sum(by_state.get(state, 0) for state in FAILED)


def _nothing(
    histogram: Histogram, number: int, gaps: Sequence[Gap], wide: int, draw: DrawContext
) -> Text:
    """Draw a slice without tasks: one in which events may be missing is marked."""
    start = histogram.start + number * histogram.width_s
    if any(_touches(gap, start, start + histogram.width_s) for gap in gaps):
        return Text(draw.glyph("╌", "-") * wide, style=draw.palette.style("warn"), end="")
    return Text(" " * wide, end="")


def _cells(histogram: Histogram, width: int) -> int:
    return max(1, slices_in(width) // max(1, len(histogram.slices)))


def _touches(gap: Gap, start: float, end: float) -> bool:
    return gap.started_at < end and (gap.ended_at is None or gap.ended_at > start)

"""A task's own report of how far it is, as a bar with a share and the time left."""

from __future__ import annotations

from rich.text import Text

from umbel_backend.records import Progress
from umbel_console.render.context import DrawContext
from umbel_console.render.time import coarse
from umbel_console.stores.progress import Pace

SHORTEST, LONGEST = 4, 10
EIGHTHS = "▏▎▍▌▋▊▉"
"""What fills the first cell of a bar by one eighth, two, up to seven."""
_BESIDES = 9
"""Cells kept free for the share and the time left."""


def share(progress: Progress) -> float | None:
    """Return how much is done, from 0 to 1; None if the task gave no usable total."""
    if not progress.total > 0 or not progress.current >= 0:
        return None
    return min(1.0, progress.current / progress.total)


def progress_cell(
    progress: Progress,
    elapsed_s: float | None,
    draw: DrawContext,
    width: int,
    role: str = "running",
    pace: Pace | None = None,
) -> Text:
    """Draw ``progress`` in ``width`` cells, with the time left.

    Args:
        progress: As the task told it last.
        elapsed_s: How long it runs; from 3 s on its mean pace serves where ``pace`` tells none.
        draw: The means.
        width: Cells there are.
        role: Of the bar.
        pace: Of the last minute.
    """
    done = share(progress)
    if done is None:
        return draw.cell(progress.note or f"{progress.current:g} done", "muted")
    bar = max(SHORTEST, min(LONGEST, width - _BESIDES))
    full = int(done * bar + 1e-9)
    begun = ""
    if draw.unicode and not full and done > 0:
        # Less than a cell, but seen: else a short bar looks as if nothing was done yet.
        begun = EIGHTHS[max(0, int(done * bar * 8) - 1)]
    text = draw.empty().append(draw.glyph("█", "#") * full + begun, draw.palette.style(role))
    text.append(draw.glyph("░", ".") * (bar - full - len(begun)), draw.muted)
    # Rounded down, so that 100% is said only of what is complete.
    text.append(f" {int(done * 100 + 1e-9)}%", draw.palette.style("foreground"))
    left_s = time_left_s(progress, elapsed_s, pace, draw.now)
    if left_s is not None:
        text.append(f" {coarse(left_s)}", draw.muted)
    return text


def time_left_s(
    progress: Progress, elapsed_s: float | None, pace: Pace | None, now: float
) -> float | None:
    """Return how long it still takes: at the pace of the last minute, else at the mean one."""
    done = share(progress)
    if elapsed_s is None or done is None or done >= 1:
        return None
    if pace is not None:
        left_s = pace.left_s(now)
        if left_s is not None:
            return left_s
    return elapsed_s * (1 - done) / done if elapsed_s >= 3 and done >= 0.01 else None


def rate_words(progress: Progress, pace: Pace | None, now: float) -> str | None:
    """Return how fast it gets on: ``31/s``, ``12/min``, ``3.1 %/min`` of a hundred; None if unknown."""
    rate = None if pace is None else pace.rate(now)
    if rate is None:
        return None
    if progress.total in (1, 100):
        return f"{_figure(rate * 60 * 100 / progress.total)} %/min"
    if rate >= 0.5:
        return f"{_figure(rate)}/s"
    return f"{_figure(rate * 60)}/min" if rate * 60 >= 1 else f"{_figure(rate * 3600)}/h"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 9.95 else f"{value:.1f}"

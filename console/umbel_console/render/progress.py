"""A task's own report of how far it is, as a bar with a share and the time left."""

from __future__ import annotations

from rich.text import Text

from umbel_backend.records import Progress
from umbel_console.render.context import DrawContext
from umbel_console.render.time import coarse

SHORTEST, LONGEST = 4, 10
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
) -> Text:
    """Draw ``progress`` in ``width`` cells; the time left assumes the pace of the first 3 s or more."""
    done = share(progress)
    if done is None:
        return draw.cell(progress.note or f"{progress.current:g} done", "muted")
    bar = max(SHORTEST, min(LONGEST, width - _BESIDES))
    full = int(done * bar + 1e-9)
    text = draw.empty().append(draw.glyph("█", "#") * full, draw.palette.style(role))
    text.append(draw.glyph("░", ".") * (bar - full), draw.muted)
    # Rounded down, so that 100% is said only of what is complete.
    text.append(f" {int(done * 100 + 1e-9)}%", draw.palette.style("foreground"))
    if elapsed_s is not None and elapsed_s >= 3 and 0.01 <= done < 1:
        text.append(f" {coarse(elapsed_s * (1 - done) / done)}", draw.muted)
    return text

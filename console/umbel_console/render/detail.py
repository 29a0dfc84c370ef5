"""What stands above the parts of a task's detail: its title, where it runs, and what it belongs to."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text

from umbel_backend import states
from umbel_backend.records import TaskRecord
from umbel_console.render.context import DrawContext
from umbel_console.render.line import Part
from umbel_console.render.progress import progress_cell, rate_words, time_left_s
from umbel_console.render.prose import wrapped
from umbel_console.render.state import state_cell
from umbel_console.render.task import HOW, elapsed_s, name_cell
from umbel_console.render.text import width_of
from umbel_console.render.time import clock, ticking

_MOST_FACTS = 40
_FACT_WIDTH = 120
"""Longest value shown among the facts; the whole of it is in Raw."""


def title(
    record: TaskRecord, draw: DrawContext, repeats: Mapping[str, TaskRecord] | None = None
) -> list[Part]:
    """Return name and state for the first line, and what became of an operator's retry.

    Args:
        record: The task.
        draw: The means.
        repeats: Tasks of the retry lineage, as far as they are known, by id.
    """
    name = name_cell(record, draw)
    name.stylize("bold")
    after = f"after {record.retries} {'retry' if record.retries == 1 else 'retries'}"
    parts = [
        Part(Text(" ", end="").append_text(name)),
        Part(state_cell(record.state, draw)),
        Part(draw.cell(after if record.retries else "", "muted"), 2),
    ]
    if record.retried_as:
        last = record.retried_as[-1]
        told = draw.empty().append_text(draw.cell(f"retried as {last[:8]} ", "muted"))
        known = (repeats or {}).get(last)
        if known is not None:
            told.append_text(state_cell(known.state, draw))
            told.append_text(draw.cell(f" {clock(known.state_at, draw.zone)} ", "muted"))
        parts.append(Part(told, 1, right=True))
    return parts


def facts(record: TaskRecord, draw: DrawContext, width: int) -> list[Text]:
    """Draw where it runs and what it belongs to, as many to a line as fit."""
    told: list[tuple[str, object]] = [
        ("id", record.id),
        ("worker", record.worker),
        ("pid", record.pid),
        ("queue", record.queue),
        ("priority", _priority(record, draw)),
        ("retry of", record.retry_of),
        ("paused", HOW.get(record.paused_how or "")),
        *((f"tag {key}", value) for key, value in list(record.tags.items())[:_MOST_FACTS]),
    ]
    pieces = []
    for name, value in told:
        if value is not None:
            shown = str(value)
            if len(shown) > _FACT_WIDTH:
                shown = shown[:_FACT_WIDTH] + draw.glyph("…", "~")
            piece = Text(end="").append_text(draw.cell(f"{name} ", "muted"))
            pieces.append(piece.append_text(draw.cell(shown)))
    return flowed(pieces, draw, width)


def progress(record: TaskRecord, draw: DrawContext, width: int) -> Text | None:
    """Draw how far a running task is, with its own words; None if it does not tell."""
    if record.progress is None or record.is_ready:
        return None
    told, pace = record.progress, draw.paces.get(record.id)
    bar = progress_cell(told, None, draw, min(40, width // 2))
    line = Text(end="").append_text(draw.cell("progress ", "muted")).append_text(bar)
    if told.total > 0:
        line.append_text(draw.cell(f"  {told.current:,g} of {told.total:,g}", "muted"))
    rate = rate_words(told, pace, draw.now)
    if rate is not None:
        line.append_text(draw.cell(f"  {rate}", "running"))
    left_s = time_left_s(told, elapsed_s(record, draw.now), pace, draw.now)
    if left_s is not None:
        line.append_text(draw.cell(f"  {ticking(left_s)} left", "muted"))
    if told.note and told.total > 0:
        line.append_text(draw.cell(f"  {told.note}"))
    return line


def problem(record: TaskRecord, draw: DrawContext, width: int) -> list[Text]:
    """Draw what it raised, on two rows at most; none if it did not."""
    if not record.exception or record.state in (states.SUCCESS, states.STARTED):
        return []
    role = "bad" if record.is_ready else "warn"
    # One character more than two rows hold, so that the rest is told by the sign.
    text = draw.cell(record.exception[: 2 * width + 1], role, bold=True)
    return wrapped(text, width, 2, draw, hang=2)


def flowed(pieces: list[Text], draw: DrawContext, width: int) -> list[Text]:
    """Put ``pieces`` on as few lines as they need; one that is too long for a line has its own."""
    between = draw.glyph(" · ", " | ")
    lines: list[Text] = []
    for piece in pieces:
        last = lines[-1] if lines else None
        if (
            last is not None
            and width_of(last.plain) + len(between) + width_of(piece.plain) <= width
        ):
            last.append(between, draw.muted).append_text(piece)
        else:
            lines.append(Text(end="").append_text(piece))
    return lines


def _priority(record: TaskRecord, draw: DrawContext) -> str | None:
    if record.priority is None:
        return None
    level = draw.levels.get(record.priority)
    return f"{record.priority} ({level})" if level else str(record.priority)

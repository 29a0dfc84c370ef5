"""What is told of one queue above its messages. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from umbel_backend.records import QueueRecord
from umbel_console.render import queue as cells
from umbel_console.render.charts import sparkline
from umbel_console.render.context import DrawContext
from umbel_console.render.facts import Fact, flow
from umbel_console.render.line import Part
from umbel_console.render.time import ago
from umbel_console.told import QueueTold

_LABEL = 8


def title(
    name: str, record: QueueRecord | None, told: QueueTold | None, draw: DrawContext
) -> list[Part]:
    """Draw name, state, what waits, and when the messages were read."""
    parts = [Part(draw.cell(f" {name}", bold=True))]
    if record is not None:
        parts.append(Part(cells.state_cell(record, draw), 1))
    ready = told.ready if told is not None and told.ready is not None else None
    if ready is None and record is not None:
        ready = record.ready
    if ready is not None:
        parts.append(Part(draw.cell(f"{ready:,} ready")))
    unacked = told.unacked_total if told is not None and not told.start else None
    if unacked is None and record is not None:
        unacked = record.unacked
    if unacked is not None:
        parts.append(Part(draw.cell(f"{unacked:,} unacked"), 2))
    if told is not None and not told.why_not:
        parts.append(Part(draw.cell("position 0 runs next", "muted"), 3))
    if told is not None:
        parts.append(
            Part(draw.cell(f"read {ago(told.read_at, draw.now)} ", "muted"), 1, right=True)
        )
    return parts


def facts(
    record: QueueRecord | None,
    warnings: Sequence[str],
    draw: DrawContext,
    width: int,
    *,
    at_least: bool = False,
) -> Text:
    """Draw levels, rates, age, consumers and what to look at.

    Args:
        record: The last reading; None before the first.
        warnings: What to look at.
        draw: The means.
        width: Cells there are.
        at_least: What runs next was there before one looked: it may be older.
    """
    if record is None:
        return draw.empty()
    oldest = cells.oldest_cell(record, draw, at_least=at_least)
    levels = cells.levels_line(record, draw)
    shown: list[Fact] = [
        ("ready:", levels if levels.plain else None),
        ("in/s", _known(cells.rate_cell(record.in_rate, draw), record.in_rate)),
        ("out/s", _known(cells.rate_cell(record.out_rate, draw), record.out_rate)),
        ("oldest", _known(oldest, record.oldest_age_s)),
        ("drained in", cells.drain_cell(record, draw)),
        ("consumers", _known(cells.consumers_cell(record, draw), record.consumers)),
        ("look at", cells.warnings_cell(warnings, draw) if warnings else None),
    ]
    return flow(shown, draw, width, most_lines=3)


def trend(values: Sequence[int | None], draw: DrawContext, width: int) -> Text:
    """Draw how many were ready over the last half hour."""
    most = max((value for value in values if value is not None), default=0)
    words = f"  last 30 min, at most {most:,}"
    room = max(10, min(90, width - _LABEL - len(words)))
    line = draw.empty().append_text(draw.cell("ready".ljust(_LABEL), "muted"))
    line.append_text(sparkline(values, room, "waiting", draw, high=5))
    return line.append_text(draw.cell(words, "muted"))


def _known(cell: Text, value: object) -> Text | None:
    return None if value is None else cell

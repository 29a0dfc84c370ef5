"""What a worker uses, as its agent tells: cells and lines over time. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from umbel_backend.records import WorkerRecord
from umbel_console.agent_words import HOW_TO_INSTALL, NO_STREAM, needs_agent
from umbel_console.render.charts import sparkline
from umbel_console.render.context import DrawContext
from umbel_console.render.trend import sliced
from umbel_console.render.worker import size
from umbel_console.stores.agents import UsePoint

TREND_S = 1_800.0
FRESH_S = 45.0
"""Samples come every ten seconds; a figure that is older is not shown as if it held now."""
_LABEL = 8
_FULL = 100.0
"""Percent of one core that a line of CPU reaches to at least."""


def agent_cell(record: WorkerRecord, draw: DrawContext) -> Text:
    """Draw the version of the worker's agent; one that lost something is marked."""
    if not record.agent:
        return draw.nothing()
    if record.agent_dropped:
        return draw.cell(f"{record.agent} !", "warn")
    return draw.cell(record.agent, "muted")


def cpu_percent(record: WorkerRecord, now: float) -> float | None:
    """Return the CPU that main process and children use now, of one core; None if it is not told."""
    if record.sampled_at is None or now - record.sampled_at > FRESH_S:
        return None
    return record.cpu_percent


def cpu_cell(record: WorkerRecord, draw: DrawContext) -> Text:
    """Draw how much of one core the worker uses, its children included."""
    percent = cpu_percent(record, draw.now)
    if percent is None:
        return draw.nothing()
    cores = record.concurrency or 1
    return draw.cell(f"{percent:,.0f}%", "warn" if percent > 90.0 * cores else "foreground")


def cpu_trend_cell(points: Sequence[UsePoint], draw: DrawContext, width: int) -> Text:
    """Draw the CPU of the last half hour."""
    if not points:
        return draw.empty()
    known = [(point.at, point.cpu_percent) for point in points]
    return sparkline(sliced(known, draw.now, TREND_S, width), width, "running", draw, high=_FULL)


def lines(
    record: WorkerRecord,
    points: Sequence[UsePoint],
    draw: DrawContext,
    width: int,
    *,
    has_stream: bool = True,
) -> list[Text]:
    """Draw CPU and memory over the last half hour, or what it takes to know them."""
    if not points:
        if record.agent or record.status == "offline":
            return []
        if not has_stream:
            return [draw.cell(f"CPU and memory of all its processes: {NO_STREAM}", "muted")]
        words = f"CPU and memory of all its processes: {needs_agent(record.hostname)}."
        return [draw.cell(words, "muted"), draw.cell(HOW_TO_INSTALL, "muted")]
    room = max(10, min(60, width - _LABEL - 12))
    cpu = [(point.at, point.cpu_percent) for point in points]
    memory = [
        (point.at, None if point.memory_bytes is None else float(point.memory_bytes))
        for point in points
    ]
    percent = cpu_percent(record, draw.now)
    used = record.memory_bytes if percent is not None else None
    return [
        _line(
            "CPU",
            cpu,
            _FULL,
            "running",
            room,
            draw,
            None if percent is None else f"{percent:,.0f}%",
        ),
        _line("memory", memory, 1.0, "held", room, draw, None if used is None else size(used)),
    ]


def _line(
    label: str,
    points: Sequence[tuple[float, float | None]],
    high: float,
    role: str,
    room: int,
    draw: DrawContext,
    last: str | None,
) -> Text:
    line = draw.empty().append_text(draw.cell(label.ljust(_LABEL), "muted"))
    values = sliced(points, draw.now, TREND_S, room)
    line.append_text(sparkline(values, room, role, draw, high=high))
    return line.append_text(draw.cell(f" {last}" if last else " not told now", "foreground"))

"""What is told of one worker: title, facts, charts, and the rows of what it holds. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.text import Text

from umbel_backend.records import WorkerRecord
from umbel_console.render import worker as cells
from umbel_console.render import worker_use as use
from umbel_console.render.charts import Chart, Series, draw_chart, sparkline
from umbel_console.render.context import DrawContext
from umbel_console.render.facts import Fact, flow
from umbel_console.render.line import Part
from umbel_console.render.time import ago, coarse, duration, exact, ticking
from umbel_console.render.trend import rates, sliced
from umbel_console.render.words import counted
from umbel_console.stores.workers import TrendPoint
from umbel_console.told import HeldTold, WorkerTold

TREND_S = 1_800.0
CHART_LINES = 7
_LABEL = 8
_VALUE = 10
_WHEN = "  last 30 min"

HELD = {
    "active": ("●", ">", "running", "running"),
    "reserved": ("◔", "r", "reserved", "waiting"),
    "scheduled": ("○", ".", "scheduled", "muted"),
}


def title(record: WorkerRecord, told: WorkerTold | None, draw: DrawContext) -> list[Part]:
    """Draw name, status, and when it was asked and heard of."""
    parts = [
        Part(draw.cell(f" {record.hostname}", bold=True)),
        Part(cells.status_cell(record, draw)),
        Part(cells.why_cell(record, draw), 2),
    ]
    if told is not None:
        when = ago(told.asked_at, draw.now)
        words = f"answered {when} " if told.answered else f"did not answer {when} "
        parts.append(Part(draw.cell(words, "muted" if told.answered else "warn"), 1, right=True))
    return parts


def facts(record: WorkerRecord, told: WorkerTold | None, draw: DrawContext, width: int) -> Text:
    """Draw what is known of it besides what stands in tables and charts."""
    load = " ".join(f"{value:.2f}" for value in record.loadavg or ())
    shown: list[Fact] = [
        ("busy", cells.load_cell(record, draw)),
        ("reserved", _number(record.reserved, draw)),
        ("processed", _number(record.processed, draw)),
        ("succeeded", _number(record.succeeded, draw)),
        ("failed", _number(record.failed, draw, cells.failed_role(record))),
        ("success", _known(cells.success_cell(record, draw), cells.success_share(record))),
        ("average", _seconds(record.avg_runtime_s, draw)),
        ("p95", _seconds(record.p95_runtime_s, draw)),
        ("pool", None if record.pool is None else draw.cell(record.pool)),
        ("slots", _number(record.concurrency, draw)),
        ("prefetch", _number(record.prefetch_count, draw)),
        ("load", draw.cell(load) if load else None),
        (
            "peak memory of the parent" if record.sampled_at is None else "memory",
            _known(cells.memory_cell(record, draw), record.memory_bytes),
        ),
        ("CPU", _known(use.cpu_cell(record, draw), use.cpu_percent(record, draw.now))),
        ("processes", _number(record.children, draw)),
        ("pid", None if record.pid is None else draw.cell(str(record.pid))),
        ("pool pids", _pids(told, draw)),
        ("clock", _known(cells.skew_cell(record, draw), record.clock_skew_s)),
        ("Celery", _known(cells.version_cell(record, draw), record.celery_version)),
        ("agent", _agent(record, draw)),
        ("boot", None if record.boot is None else draw.cell(record.boot, "muted")),
        ("task events", _known(cells.events_cell(record, draw), record.task_events)),
        ("up", None if record.started_at is None else draw.cell(_up(record, draw))),
        ("queues", _known(cells.queues_cell(record, draw), record.queues)),
    ]
    return flow(shown, draw, width, most_lines=6)


def charts(
    record: WorkerRecord,
    points: Sequence[TrendPoint],
    draw: DrawContext,
    width: int,
    *,
    roomy: bool,
) -> Text:
    """Draw how it fared over the last half hour: as charts where there is room, else as lines."""
    active = [(point.at, point.active) for point in points]
    done = rates([(point.at, point.processed) for point in points])
    load = [(point.at, point.loadavg) for point in points]
    if len(points) < 2:
        return draw.cell("How it fares over time shows here within half a minute.", "muted")
    if roomy and width >= 70:
        since = points[0].at
        half = (width - 2) // 2
        slots = float(record.concurrency or 1)
        left = _chart("running", active, half, draw, since, slots, "running")
        right = _chart("tasks/s", done, width - 2 - half, draw, since, 0.1, "waiting")
        return Text("\n").join(
            Text.assemble(a, "  ", b, end="") for a, b in zip(left, right, strict=True)
        )
    room = max(10, min(60, width - _LABEL - _VALUE - len(_WHEN)))
    lines = [
        _line("running", active, float(record.concurrency or 1), "running", room, draw, "{:.0f}"),
        _line("tasks/s", done, 0.1, "waiting", room, draw, "{:.2f}"),
        _line("load", load, 1.0, "held", room, draw, "{:.2f}"),
    ]
    lines[0].append_text(draw.cell(_WHEN, "muted"))
    return Text("\n").join(lines)


def _line(
    label: str,
    points: Sequence[tuple[float, float | None]],
    high: float,
    role: str,
    room: int,
    draw: DrawContext,
    form: str,
) -> Text:
    last = next((value for _, value in reversed(points) if value is not None), None)
    line = draw.empty().append_text(draw.cell(label.ljust(_LABEL), "muted"))
    line.append_text(
        sparkline(sliced(points, draw.now, TREND_S, room), room, role, draw, high=high)
    )
    return line.append_text(draw.cell(f" {form.format(last)}" if last is not None else ""))


def _chart(
    label: str,
    points: Sequence[tuple[float, float | None]],
    width: int,
    draw: DrawContext,
    since: float,
    high: float,
    role: str,
) -> list[Text]:
    count = max(10, width - 8)
    start = draw.now - TREND_S
    step = TREND_S / count
    values = sliced(points, draw.now, TREND_S, count)
    series = Series(
        name=label,
        role=role,
        points=[(start + n * step, start + (n + 1) * step, v) for n, v in enumerate(values)],
    )
    chart = Chart(start=start, end=draw.now, series=[series], since=since, least_high=high)
    heading = draw.cell(f"{label}, last 30 min".ljust(width)[:width], "muted")
    return [heading, *draw_chart(chart, width, CHART_LINES, draw)]


# The cells of what it holds


def held_cell(row: HeldTold, draw: DrawContext) -> Text:
    """Draw whether it runs, is reserved or waits for its time."""
    glyph, plain, word, role = HELD[row.held]
    return draw.cell(f"{draw.glyph(glyph, plain)} {word}", role)


def since_cell(row: HeldTold, draw: DrawContext) -> Text:
    """Draw how long it runs, or when it is due."""
    if row.held == "active":
        if row.started_at is None:
            return draw.nothing()
        return draw.cell(ticking(draw.now - row.started_at))
    return draw.nothing() if row.eta is None else draw.cell(ago(row.eta, draw.now), "waiting")


def arguments_cell(row: HeldTold, draw: DrawContext) -> Text:
    """Draw the arguments as the worker tells them."""
    known = (row.args, row.kwargs)
    texts = [text for text in known if text not in (None, "", "{}", "[]", "()")]
    return (
        draw.cell(" ".join(map(str, texts)), "muted") if known != (None, None) else draw.nothing()
    )


def setting_text(value: Any) -> str:
    """Return the value of a setting as one would write it."""
    return value if isinstance(value, str) else repr(value)


def _number(value: float | None, draw: DrawContext, role: str = "foreground") -> Text | None:
    return None if value is None else cells.number_cell(value, draw, role)


def _seconds(value: float | None, draw: DrawContext) -> Text | None:
    return None if value is None else draw.cell(duration(value))


def _known(cell: Text, value: object) -> Text | None:
    return None if value is None else cell


def _pids(told: WorkerTold | None, draw: DrawContext) -> Text | None:
    if told is None or not told.pool_pids:
        return None
    shown = ", ".join(map(str, told.pool_pids[:8]))
    more = len(told.pool_pids) - 8
    return draw.cell(shown + (f" and {more} more" if more > 0 else ""))


def _agent(record: WorkerRecord, draw: DrawContext) -> Text | None:
    """Draw version and abilities of its agent; what it lost is said."""
    if not record.agent:
        return None if record.status == "offline" else draw.cell("none", "muted")
    text = draw.cell(record.agent)
    if record.capabilities:
        text.append_text(draw.cell(f" ({', '.join(record.capabilities)})", "muted"))
    if record.agent_dropped:
        text.append_text(draw.cell(f" lost {counted(record.agent_dropped, 'record')}", "warn"))
    return text


def _up(record: WorkerRecord, draw: DrawContext) -> str:
    assert record.started_at is not None
    since = exact(record.started_at, draw.zone).partition(".")[0]
    if record.status == "offline":
        return f"was started {since}"
    return f"{coarse(draw.now - record.started_at)}, since {since}"

"""The cells of a worker. Pure: a record in, text out."""

from __future__ import annotations

from typing import NamedTuple

from rich.text import Text

from umbel_backend.records import WorkerRecord
from umbel_console.render.context import DrawContext
from umbel_console.render.time import ago, coarse, duration


class StatusLook(NamedTuple):
    """The signs of one status."""

    glyph: str
    plain: str
    role: str


LOOKS = {
    "online": StatusLook("●", "*", "good"),
    "late": StatusLook("◔", "?", "warn"),
    "not answering": StatusLook("◌", "?", "warn"),
    "draining": StatusLook("↓", "v", "held"),
    "offline": StatusLook("✗", "x", "bad"),
}


def status_cell(record: WorkerRecord, draw: DrawContext) -> Text:
    """Draw the status with its glyph."""
    look = LOOKS[record.status]
    return draw.cell(f"{draw.glyph(look.glyph, look.plain)} {record.status}", look.role)


def number_cell(value: float | None, draw: DrawContext, role: str = "foreground") -> Text:
    """Draw a count."""
    return draw.nothing() if value is None else draw.cell(f"{value:,.0f}", role)


def load_cell(record: WorkerRecord, draw: DrawContext) -> Text:
    """Draw how many of its slots are busy."""
    if record.active is None and record.concurrency is None:
        return draw.nothing()
    busy = "?" if record.active is None else str(record.active)
    slots = "?" if record.concurrency is None else str(record.concurrency)
    full = record.concurrency is not None and (record.active or 0) >= record.concurrency
    return draw.cell(f"{busy}/{slots}", "warn" if full else "foreground")


def success_cell(record: WorkerRecord, draw: DrawContext) -> Text:
    """Draw the share of successes since Umbel watches, rounded down."""
    ended = record.succeeded + record.failed
    if not ended:
        return draw.nothing()
    share = int(1000 * record.succeeded / ended) / 10
    return draw.cell(f"{share:.1f}%", "foreground" if not record.failed else "warn")


def average_cell(record: WorkerRecord, draw: DrawContext) -> Text:
    """Draw the mean runtime."""
    mean_s = record.avg_runtime_s
    return draw.nothing() if mean_s is None else draw.cell(duration(mean_s))


def loadavg_cell(record: WorkerRecord, draw: DrawContext) -> Text:
    """Draw the machine's load over a minute."""
    if not record.loadavg:
        return draw.nothing()
    return draw.cell(f"{record.loadavg[0]:.2f}", "muted")


def heartbeat_cell(record: WorkerRecord, draw: DrawContext) -> Text:
    """Draw how long ago it was heard of."""
    if record.heartbeat_at is None:
        return draw.nothing()
    return draw.cell(ago(record.heartbeat_at, draw.now), "muted")


def uptime_cell(record: WorkerRecord, draw: DrawContext) -> Text:
    """Draw how long it is up."""
    if record.started_at is None or record.status == "offline":
        return draw.nothing()
    return draw.cell(coarse(draw.now - record.started_at), "muted")


def queues_cell(record: WorkerRecord, draw: DrawContext) -> Text:
    """Draw what it consumes from."""
    if record.queues is None:
        return draw.nothing()
    return draw.cell(", ".join(record.queues) or "none")


def pool_cell(record: WorkerRecord, draw: DrawContext) -> Text:
    """Draw the kind of pool."""
    return draw.nothing() if record.pool is None else draw.cell(record.pool, "muted")


def events_cell(record: WorkerRecord, draw: DrawContext) -> Text:
    """Draw whether it sends task events."""
    if record.task_events is None:
        return draw.nothing()
    return draw.cell("on", "muted") if record.task_events else draw.cell("off", "warn")

"""The cells of a worker. Pure: a record in, text out."""

from __future__ import annotations

import math
from typing import NamedTuple

from rich.text import Text

from umbel_backend.records import WorkerRecord
from umbel_console.render.context import DrawContext
from umbel_console.render.time import ago, coarse, duration, ticking
from umbel_console.render.words import failing_role


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
    twice = f" {draw.glyph('×', 'x')}2" if record.is_doubled(draw.now) else ""
    words = f"{draw.glyph(look.glyph, look.plain)} {record.status}{twice}"
    return draw.cell(words, "warn" if twice else look.role)


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
    """Draw the share of successes since it is watched, rounded down."""
    share = success_share(record)
    if share is None:
        return draw.nothing()
    return draw.cell(f"{int(1000 * share) / 10:.1f}%", failed_role(record))


def failure_cell(record: WorkerRecord, draw: DrawContext) -> Text:
    """Draw the share of failures since it is watched, rounded up."""
    share = success_share(record)
    if share is None:
        return draw.nothing()
    failed = math.ceil(1000 * (1 - share) - 1e-9) / 10
    return draw.cell(f"{failed:.1f}%", failed_role(record) if record.failed else "muted")


def failed_role(record: WorkerRecord) -> str:
    """Return the role in which its failures are drawn."""
    share = success_share(record)
    return "foreground" if share is None else failing_role(1 - share)


def success_share(record: WorkerRecord) -> float | None:
    """Return the share of successes among the ends that were seen, from 0 to 1; None without any."""
    ended = record.succeeded + record.failed
    return record.succeeded / ended if ended else None


def average_cell(record: WorkerRecord, draw: DrawContext) -> Text:
    """Draw the mean runtime."""
    return seconds_cell(record.avg_runtime_s, draw)


def seconds_cell(seconds: float | None, draw: DrawContext) -> Text:
    """Draw a measured length."""
    return draw.nothing() if seconds is None else draw.cell(duration(seconds))


def memory_cell(record: WorkerRecord, draw: DrawContext) -> Text:
    """Draw the most memory its parent process ever had; its children are not told."""
    return draw.nothing() if record.memory_bytes is None else draw.cell(size(record.memory_bytes))


def skew_cell(record: WorkerRecord, draw: DrawContext) -> Text:
    """Draw by how much its clock is ahead of ours."""
    skew_s = record.clock_skew_s
    if skew_s is None:
        return draw.nothing()
    role = "bad" if abs(skew_s) >= 16 else "warn" if abs(skew_s) >= 1 else "muted"
    return draw.cell(f"{skew_s:+.2f}s" if abs(skew_s) < 100 else f"{skew_s:+,.0f}s", role)


def version_cell(record: WorkerRecord, draw: DrawContext) -> Text:
    """Draw the version of its Celery."""
    return draw.cell(record.celery_version, "muted") if record.celery_version else draw.nothing()


def size(size_bytes: float) -> str:
    """Return a number of bytes in the unit that fits: ``75 MB``."""
    value = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if value < 999.5:
            return f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


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


_WHY = {
    "late": "no heartbeat for {age}",
    "not answering": "silent for {age}, but connected: busy or stopped",
    "offline": "last heard of {age} ago",
}


def why_cell(record: WorkerRecord, draw: DrawContext) -> Text:
    """Draw why its status is what it is; of one that is well, when it was heard of."""
    if record.heartbeat_at is None:
        return draw.cell("never heard of", "muted")
    if record.is_doubled(draw.now):
        return draw.cell("two workers have this name", "warn")
    age = ticking(draw.now - record.heartbeat_at)
    words = _WHY.get(record.status, "heard {age} ago").format(age=age)
    if record.status == "offline" and record.stopped_at is not None:
        words = f"went away {ago(record.stopped_at, draw.now)}"
    return draw.cell(words, "muted")

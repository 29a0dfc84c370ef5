"""Ticks that people find round, and where values and instants stand on an axis. Pure numbers and words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal

from umbel_console.render.time import DAY, HOUR, MINUTE

_LOG_TICKS_S = (0.001, 0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3_600.0, 36_000.0, 360_000.0)
_TIME_STEPS_S = (
    *(n * MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * HOUR for n in (1, 2, 3, 6, 12)),
    *(n * DAY for n in (1, 2, 7)),
)


@dataclass(frozen=True, slots=True)
class Scale:
    """The vertical axis: from which value to which, and what is written beside it."""

    low: float
    high: float
    ticks: tuple[float, ...]
    kind: Literal["linear", "log"] = "linear"

    def share(self, value: float) -> float:
        """Return how high ``value`` stands, 0 at the bottom and 1 at the top."""
        if self.kind == "log":
            value = max(value, self.low)
            return min(1.0, math.log(value / self.low) / math.log(self.high / self.low))
        return max(0.0, min(1.0, (value - self.low) / (self.high - self.low)))


def linear_scale(highest: float, rows: int) -> Scale:
    """Return a scale from 0 to a round number at or above ``highest``, for ``rows`` lines.

    A scale of two steps has a tick half way; it is left out where there are fewer than four lines.
    """
    high = round_up(highest)
    halves = (0.0, high / 2, high) if rows >= 4 else (0.0, high)
    return Scale(0.0, high, halves)


def log_scale(lowest: float, highest: float) -> Scale:
    """Return a scale of durations whose ends are round ones around ``lowest`` and ``highest``."""
    first = max((t for t in _LOG_TICKS_S if t <= lowest), default=_LOG_TICKS_S[0])
    last = min((t for t in _LOG_TICKS_S if t >= highest), default=_LOG_TICKS_S[-1])
    if last <= first:
        last = next((t for t in _LOG_TICKS_S if t > first), first * 10)
    ticks = tuple(t for t in _LOG_TICKS_S if first <= t <= last)
    return Scale(first, last, ticks, "log")


def round_up(value: float) -> float:
    """Return the least of 1, 2, 4, 5, 10 times a power of ten that is not below ``value``."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    for step in (1, 2, 4, 5, 10):
        if step * power >= value * (1 - 1e-9):
            return float(step * power)
    return 10 * power


def number_label(value: float) -> str:
    """Return ``value`` in at most five cells: ``0``, ``0.5``, ``120``, ``1.2k``, ``40M``."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        # What would be written as a thousand of the smaller unit is one of this.
        if value >= unit * 0.9995:
            return f"{value / unit:.3g}{name}"
    return f"{value:.3g}"


def duration_label(seconds: float) -> str:
    """Return a duration in at most five cells: ``5ms``, ``0.2s``, ``10s``, ``4m``, ``1h``."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.2g}ms"
    if seconds < 99.5:
        return f"{seconds:.2g}s"
    if seconds < 5_970:
        return f"{seconds / 60:.2g}m"
    return f"{seconds / 3_600:.3g}h"


def time_ticks(start: float, end: float, zone: tzinfo | None, most: int) -> list[tuple[float, str]]:
    """Return at most ``most`` round instants of ``[start, end]`` with what is written below them."""
    span = end - start
    step = next((s for s in _TIME_STEPS_S if span / s <= max(1, most)), _TIME_STEPS_S[-1])
    midnight = _local(start, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    ticks: list[tuple[float, str]] = []
    at = midnight
    # Counted in local time, so that a tick stands at noon also after the clocks were changed.
    while (instant := at.timestamp()) <= end:
        if instant >= start:
            ticks.append((instant, f"{at:%a %d}" if step >= DAY else f"{at:%H:%M}"))
        at = _later(at, step, zone)
    return ticks


def sparse(places: Sequence[tuple[int, str]], width: int) -> list[tuple[int, str]]:
    """Keep those labels (cell, text) that stand inside ``width`` cells without touching another."""
    kept: list[tuple[int, str]] = []
    free_from = 0
    for cell, text in places:
        begin = cell - len(text) // 2
        if begin >= free_from and begin + len(text) <= width:
            kept.append((begin, text))
            free_from = begin + len(text) + 1
    return kept


def _later(at: datetime, step_s: int, zone: tzinfo | None) -> datetime:
    if step_s >= DAY:
        following = at.replace(tzinfo=None) + timedelta(seconds=step_s)
        return following.astimezone() if zone is None else following.replace(tzinfo=zone)
    return _local(at.timestamp() + step_s, zone)


def _local(instant: float, zone: tzinfo | None) -> datetime:
    return datetime.fromtimestamp(instant, UTC).astimezone(zone)

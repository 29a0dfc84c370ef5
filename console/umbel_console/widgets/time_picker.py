"""Stretches of time to choose from, and the reading of those one types, as ``since`` and ``until``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from umbel_backend.filters.edit import FilterText
from umbel_backend.filters.tree import Instant
from umbel_backend.filters.values import INSTANT_HELP, read_instant


@dataclass(frozen=True, slots=True)
class Preset:
    """A stretch of time with a name."""

    label: str
    since: str
    until: str | None = None
    """What stands behind the two fields of a filter; None leaves the field out."""

    def span(self, now: float) -> tuple[float, float]:
        """Return the instants it holds, from the first to just behind the last."""
        since, until = read_instant(self.since), self.until and read_instant(self.until)
        low = -math.inf if since is None else since.span(">=", now)[0]
        return low, end_of(until, now) if isinstance(until, Instant) else 1e11


PRESETS: Final = (
    Preset("last 15 min", "15m"),
    Preset("last hour", "1h"),
    Preset("last 6 hours", "6h"),
    Preset("last 24 hours", "24h"),
    Preset("last 7 days", "7d"),
    Preset("today (UTC)", "today"),
    Preset("yesterday (UTC)", "yesterday", "yesterday"),
)
"""Days begin at midnight UTC, as they do in every filter."""


def end_of(until: Instant, now: float) -> float:
    """Return where ``until`` ends: a day is included whole."""
    return until.span("<=" if until.is_day else "<", now)[1]


def chosen_times(text: FilterText) -> tuple[str | None, str | None]:
    """Return what ``since`` and ``until`` ask for in a filter; None for what is not asked."""
    return text.value("since"), text.value("until")


def chosen_preset(text: FilterText) -> Preset | None:
    """Return the preset that a filter asks for, if it is one."""
    since, until = chosen_times(text)
    return next((p for p in PRESETS if (p.since, p.until) == (since, until)), None)


def with_preset(text: FilterText, preset: Preset) -> str:
    """Return the filter's text with ``preset``, or without it if it stands there already."""
    if chosen_preset(text) is preset:
        return FilterText(text.replaced("since", None)).replaced("until", None)
    return FilterText(text.replaced("since", preset.since)).replaced("until", preset.until)


@dataclass(frozen=True, slots=True)
class TimeAnswer:
    """What is to be said of a time while one types it."""

    words: str
    is_right: bool


def read_time(typed: str, field: str, text: FilterText, now: float) -> TimeAnswer:
    """Tell which moment ``typed`` is as the ``since`` or ``until`` of a filter, or what is wrong.

    Args:
        typed: What was typed so far; nothing drops the bound.
        field: ``since`` or ``until``.
        text: The filter, whose other bound must lie on the other side.
        now: Unix seconds.
    """
    if not typed.strip():
        return TimeAnswer("Nothing typed: enter leaves this side open.", True)
    instant = read_instant(typed.strip())
    if instant is None:
        return TimeAnswer(f"This is no time; {INSTANT_HELP}.", False)
    at = instant.start(now)
    if at > now and field == "since":
        return TimeAnswer("This is still to come: nothing can have happened since.", False)
    since, until = chosen_times(text)
    other = read_instant((until if field == "since" else since) or "")
    if other is not None:
        low, high = (at, end_of(other, now))
        if field == "until":
            low, high = other.start(now), end_of(instant, now)
        if low >= high:
            return TimeAnswer("The range ends before it begins.", False)
    return TimeAnswer(f"{_moment(at, instant)}, {_ago(now - at)}", True)


def _moment(at: float, instant: Instant) -> str:
    try:
        written = datetime.fromtimestamp(at, UTC)
    except (ValueError, OverflowError, OSError):
        return "long ago"
    if instant.is_day:
        return f"{written.date().isoformat()}, all day UTC"
    return f"{written.replace(tzinfo=None).isoformat(' ', 'seconds')} UTC"


def _ago(seconds: float) -> str:
    if seconds < 0:
        return "to come"
    for name, size in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number:,} {name}{'' if number == 1 else 's'} ago"
    return "now"

"""Writes instants as `umbel_backend.wire.iso` does, a million at a time."""

from __future__ import annotations

from collections.abc import Callable

from umbel_backend import wire

_MINUTES_KEPT = 20_000
_REST = tuple(f"{number // 1000:02d}.{number % 1000:03d}Z" for number in range(60_000))
"""Seconds and milliseconds of a minute."""


def iso_maker() -> Callable[[float | None], str | None]:
    """Return a `wire.iso` that remembers how the minutes it met are written."""
    minutes: dict[float, str] = {}

    def remember(instant: float, minute: float) -> str | None:
        if minute > 0.0:
            if len(minutes) >= _MINUTES_KEPT:
                minutes.clear()
            minutes[minute] = str(wire.iso(minute * 60.0))[:-7]
        return wire.iso(instant)

    def iso(instant: float | None) -> str | None:
        if instant is None:
            return None
        minute = instant // 60.0
        try:
            # `wire.iso` rounds to microseconds and then cuts to milliseconds.
            return minutes[minute] + _REST[int((instant - minute * 60.0) * 1000.0 + 0.0005)]
        except (KeyError, IndexError):
            return remember(instant, minute)

    return iso

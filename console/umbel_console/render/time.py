"""Instants and durations in words: relative in tables, exact in detail."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

MINUTE, HOUR, DAY = 60, 3_600, 86_400


def duration(seconds: float) -> str:
    """Return a measured length with the digits that matter: ``0.21s``, ``48.3s``, ``2m 14s``."""
    if seconds < 0:
        return "0.00s"
    if seconds < 9.995:
        return f"{seconds:.2f}s"
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    return ticking(seconds)


def ticking(seconds: float) -> str:
    """Return a length that still grows, in whole seconds: ``3s``, ``2m 14s``, ``3h 02m``."""
    whole = max(0, int(seconds))
    if whole < MINUTE:
        return f"{whole}s"
    if whole < HOUR:
        return f"{whole // MINUTE}m {whole % MINUTE:02}s"
    if whole < DAY:
        return f"{whole // HOUR}h {whole % HOUR // MINUTE:02}m"
    return f"{whole // DAY}d {whole % DAY // HOUR:02}h"


def coarse(seconds: float) -> str:
    """Return a length in its largest unit: ``3s``, ``4m``, ``2h``, ``5d``."""
    whole = max(0, int(seconds))
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "m")):
        if whole >= unit:
            return f"{whole // unit}{name}"
    return f"{whole}s"


def ago(instant: float, now: float) -> str:
    """Return how long ago ``instant`` was, or ``in 8s`` if it is to come."""
    if instant > now + 0.5:
        return f"in {coarse(instant - now)}"
    return f"{coarse(now - instant)} ago"


def exact(instant: float, zone: tzinfo | None) -> str:
    """Return date, time to the millisecond and offset: ``2026-11-01 12:00:00.120 +00:00``."""
    local = _local(instant, zone)
    offset = local.strftime("%z")
    return f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03} {offset[:3]}:{offset[3:5]}"


def clock(instant: float, zone: tzinfo | None, *, millis: bool = False) -> str:
    """Return the time of day: ``12:00:00``, or ``12:00:00.120`` with ``millis``."""
    local = _local(instant, zone)
    text = f"{local:%H:%M:%S}"
    return f"{text}.{local.microsecond // 1000:03}" if millis else text


def moment(instant: float, now: float, zone: tzinfo | None) -> str:
    """Return the time of day, with the date in front unless it is today's."""
    local, today = _local(instant, zone), _local(now, zone)
    if local.date() == today.date():
        return f"{local:%H:%M:%S}"
    return f"{local:%Y-%m-%d %H:%M:%S}"


def _local(instant: float, zone: tzinfo | None) -> datetime:
    try:
        return datetime.fromtimestamp(instant, UTC).astimezone(zone)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)

"""Reading the values behind a colon: numbers, durations and instants.

Each reader returns None for what it cannot read; who asked knows the position and complains.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from umbel_backend.filters.tree import Instant, Quantity

LARGEST_NUMBER: Final = 2**31 - 1
LONGEST_S: Final = 100 * 365.25 * 86_400
"""No duration is longer than a hundred years."""

DURATION_HELP: Final = "a duration is written 500ms, 30s, 5m, 2h, 3d, 1w or 1h30m"
INSTANT_HELP: Final = (
    "a time is written 2h (that long ago), 2026-11-01, 2026-11-01T12:30, now, today or yesterday"
)

_UNIT_S: Final[Mapping[str, float]] = {
    "ms": 0.001,
    "s": 1.0,
    "m": 60.0,
    "h": 3_600.0,
    "d": 86_400.0,
    "w": 604_800.0,
}
_INTEGER = re.compile(r"-?[0-9]{1,15}")
_SECONDS = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,15})?")
_PART = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)(ms|[smhdw])")
_DURATION = re.compile(f"(?:{_PART.pattern})+")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
    r"(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})?"
)


def read_number(text: str, levels: Mapping[str, int]) -> Quantity | None:
    """Read a whole number of at most `LARGEST_NUMBER`, or the word for one of ``levels``."""
    if text.lower() in levels:
        return Quantity(float(levels[text.lower()]), text.lower())
    if not _INTEGER.fullmatch(text) or abs(int(text)) > LARGEST_NUMBER:
        return None
    return Quantity(float(text), text)


def read_duration(text: str) -> Quantity | None:
    """Read ``1h30m`` or a plain number of seconds, of at most `LONGEST_S`."""
    if _SECONDS.fullmatch(text):
        seconds = float(text)
    elif _DURATION.fullmatch(text.lower()):
        seconds = sum(float(n) * _UNIT_S[unit] for n, unit in _PART.findall(text.lower()))
    else:
        return None
    return Quantity(seconds, text.lower()) if seconds <= LONGEST_S else None


def read_instant(text: str) -> Instant | None:
    """Read a time; a duration needs its unit here, because a bare number could be anything."""
    word = text.lower()
    if word == "now":
        return Instant("ago", 0.0, word)
    if word in ("today", "yesterday"):
        return Instant("days ago", float(word == "yesterday"), word)
    if not _SECONDS.fullmatch(text) and (ago := read_duration(text)):
        return Instant("ago", ago.value, word)
    if _DATE.fullmatch(text):
        start = _moment(text)
        return None if start is None else Instant("day", start, text)
    if _DATE_TIME.fullmatch(text):
        moment = _moment(text)
        return None if moment is None else Instant("at", moment, text.upper().replace(" ", "T"))
    return None


def _moment(text: str) -> float | None:
    try:
        read = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()

"""Reads what an operator writes of a task that is to be run: priority, times, tags. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from umbel_backend.errors import InvalidValue
from umbel_backend.filters.values import read_duration, read_instant


def read_priority(name: str, text: str, levels: Mapping[str, int]) -> int:
    """Return the number of a priority.

    Args:
        name: What the operator calls it, for the sentence about a mistake.
        text: A number, or the word for a level.
        levels: What the words stand for on this broker.

    Raises:
        InvalidValue: It is neither.
    """
    if text.lower() in levels:
        return levels[text.lower()]
    if not text.isascii() or not text.isdecimal() or int(text[:4]) > 255:
        raise InvalidValue(
            f"{name} is {text!r}; it is a number from 0 to 255, or high, normal or low."
        )
    return int(text)


def read_time_ahead(name: str, text: str, now: float) -> float:
    """Return an instant to come, Unix seconds: one that is named, or so much later than ``now``.

    Raises:
        InvalidValue: It is no time, or over.
    """
    later = read_duration(text)
    if later is not None:
        return now + later.value
    instant = read_instant(text)
    if instant is None or instant.is_relative:
        raise InvalidValue(f"{name} is {text!r}; write 2026-11-01T12:30, or 90s, 5m, 2h for later.")
    if instant.start(now) <= now:
        raise InvalidValue(f"{name} is {text!r}, which is over.")
    return instant.start(now)


def read_tags(name: str, given: Iterable[str]) -> dict[str, str]:
    """Return tags written as ``key=value``.

    Raises:
        InvalidValue: One is not written so.
    """
    tags = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise InvalidValue(f"{name} is {text!r}; write it as key=value.")
        tags[key] = value
    return tags

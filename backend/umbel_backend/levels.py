"""The levels of log lines: Python's numbers and the words for them."""

from __future__ import annotations

LEVELS: tuple[tuple[int, str], ...] = (
    (50, "CRITICAL"),
    (40, "ERROR"),
    (30, "WARNING"),
    (20, "INFO"),
    (10, "DEBUG"),
)
"""The highest first."""

_WORDS = {number: word for number, word in LEVELS}
_NUMBERS = {word: number for number, word in LEVELS} | {"WARN": 30, "FATAL": 50, "NOTSET": 0}
_MOST = 1_000


def level_word(level: int) -> str:
    """Return Python's word for a level; one that has none is written as its number."""
    return _WORDS.get(level) or str(level)


def level_number(text: str) -> int | None:
    """Return the number of a level given by its word, whatever the case, or by a number; else None."""
    text = text.strip()
    if text.isascii() and text.isdecimal() and int(text[:9]) < _MOST:
        return int(text)
    return _NUMBERS.get(text.upper())

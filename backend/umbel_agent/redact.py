"""Hides the values of secret-looking names in reprs, JSON, tracebacks and URLs, before anything is kept.

Works on text because that is all an event carries: it never evaluates or parses what it reads, and
when in doubt it hides too much rather than too little.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "***"

REDACTED_NAMES = (
    "password",
    "passwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "authorization",
    "cookie",
)
"""A value is hidden when its name contains one of these, whatever the case."""

_OPENERS = {"(": ")", "[": "]", "{": "}"}
_URL_PASSWORD = re.compile(r"(?<=://)([^\s:/@'\"]*):([^\s/@'\"]+)@")


class Redactor:
    """Replaces the value of every name that contains one of ``names``, ignoring case."""

    def __init__(self, names: Iterable[str]) -> None:
        names = [name.lower() for name in names]
        self._words = tuple(names)
        words = "|".join(re.escape(name) for name in names)
        # The end of a name, quoted or bare, then `=` or `:`; the value is found by `value_end`. What
        # comes before does not matter, and bounding what comes after keeps long words linear.
        self._name = (
            re.compile(rf"(?:{words})[\w.-]{{0,64}}(\\*['\"]?)\s*(?:=>|[=:])\s*", re.IGNORECASE)
            if words
            else None
        )

    def redact(self, text: str) -> str:
        """Return ``text`` with secret values replaced by ``***``; the same object if it has none."""
        if "://" in text:
            text = _URL_PASSWORD.sub(rf"\1:{HIDDEN}@", text)
        if self._name is None:
            return text
        # Nearly every text is innocent, and looking for plain words is many times the faster.
        lowered = text.lower()
        for word in self._words:
            if word in lowered:
                break
        else:
            return text
        match = self._name.search(text)
        if match is None:
            return text
        parts: list[str] = []
        done = 0
        while match is not None:
            parts.append(text[done : match.end()])
            done = value_end(text, match.end())
            parts.append(_hidden_like(text, match.end(), match[1]))
            match = self._name.search(text, done)
        parts.append(text[done:])
        return "".join(parts)


def _hidden_like(text: str, start: int, quote: str) -> str:
    # JSON must stay JSON: a hidden value after a quoted name is quoted as the name is.
    return f"{quote}{HIDDEN}{quote}" if quote and start < len(text) else HIDDEN


def value_end(text: str, start: int) -> int:
    """Return where the value that begins at ``start`` ends: a bracketed or quoted whole, or a word."""
    end = len(text)
    position = start
    # Prefixes of a literal: b'…', r'…', datetime.date(…)
    while position < end and (text[position].isalnum() or text[position] in "_."):
        position += 1
    if position >= end:
        return end
    opener = text[position]
    if opener in "'\"":
        return _quoted_end(text, position)
    if opener == "\\":
        return _escaped_quoted_end(text, position)
    if opener in _OPENERS:
        return _bracketed_end(text, position)
    # A bare value may hold spaces ("Authorization: Bearer abc"): it ends at a delimiter or a line's end.
    while position < end and text[position] not in ",;&)]}'\"\n":
        position += 1
    return position


def _quoted_end(text: str, start: int) -> int:
    quote = text[start]
    position = start + 1
    while position < len(text):
        if text[position] == "\\":
            position += 2
            continue
        if text[position] == quote:
            return position + 1
        position += 1
    return len(text)


def _escaped_quoted_end(text: str, start: int) -> int:
    """Skip a value quoted inside another quoted text: ``\\"hunter2\\"``."""
    position = start
    while position < len(text) and text[position] == "\\":
        position += 1
    closing = text[start : position + 1]
    found = text.find(closing, position + 1)
    return len(text) if found < 0 else found + len(closing)


def _bracketed_end(text: str, start: int) -> int:
    depth: list[str] = []
    position = start
    while position < len(text):
        character = text[position]
        if character in "'\"":
            position = _quoted_end(text, position)
            continue
        if character in _OPENERS:
            depth.append(_OPENERS[character])
        elif depth and character == depth[-1]:
            depth.pop()
            if not depth:
                return position + 1
        position += 1
    return len(text)

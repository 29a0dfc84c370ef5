"""Makes a text from outside safe to store and to draw: bounded, without control characters."""

from __future__ import annotations

import json
import re

CUT = "…"
"""Ends a text that was cut here."""

# C0 and C1 controls but tab and newline, lone surrogates, and what reorders or hides text.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def clean(text: str, limit: int) -> str:
    """Return ``text`` of at most ``limit`` characters, unsafe ones written as escapes (``\\x1b``).

    Escapes may make the text longer than ``limit`` by a bounded factor; it is cut before, so that a
    huge text costs nothing.
    """
    if len(text) > limit:
        text = text[: limit - 1] + CUT
    if text.isprintable():
        return text
    return _UNSAFE.sub(_escape, text)


def clean_json(text: str, limit: int) -> str:
    """Return JSON ``text`` as `clean` does, but with escapes that leave it JSON of the same value.

    A text that had to be cut is JSON no longer; it ends with `CUT`.
    """
    if len(text) > limit:
        text = text[: limit - 1] + CUT
    if text.isprintable():
        return text
    return _UNSAFE.sub(_escape_in_json, text)


class Recurring(dict[str, str]):
    """Clean forms of texts that come again and again, such as names of hosts: ``recurring[text]``.

    Every event then shares one text, instead of holding its own.

    Args:
        limit: Most characters, as of `clean`.
    """

    _KEPT = 10_000

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def __missing__(self, text: str) -> str:
        cleaned = clean(text, self._limit)
        if len(text) <= self._limit:
            if len(self) >= self._KEPT:
                self.clear()
            self[text] = cleaned
        return cleaned


def _escape_in_json(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1]


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"

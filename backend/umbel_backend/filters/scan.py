"""Cutting a filter text into words, quotes and values, with positions, and complaining about them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NoReturn

from umbel_backend.errors import InvalidFilter
from umbel_backend.filters.tree import Pattern

LONGEST_TEXT: Final = 10_000
LONGEST_VALUE: Final = 1_000
"""Characters of one value: LIKE, GLOB and index limits of the databases are far above it."""

FIELD_HEAD: Final = re.compile(
    r"([A-Za-z][A-Za-z0-9_]*(?:\.[^\s:<>=()\",*]*)?)(:(?:>=|<=|>|<)?|>=|<=|>|<)"
)
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Value:
    """One value as it stands in the text."""

    pattern: Pattern
    start: int
    end: int


class Scanner:
    """A position in a filter text and the means to move it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        if len(text) > LONGEST_TEXT:
            self.fail(
                f"The filter is {len(text)} characters long, at most {LONGEST_TEXT} are allowed",
                LONGEST_TEXT,
                len(text),
            )
        if found := _UNSTORABLE.search(text):
            self.fail("This character cannot occur in a task", found.start(), found.end())

    def fail(self, problem: str, start: int, end: int) -> NoReturn:
        """Raise `InvalidFilter` for the characters from ``start`` up to ``end``."""
        raise InvalidFilter(self.text, start, end - start, problem)

    @property
    def char(self) -> str:
        """The character at the position, empty at the end."""
        return self.text[self.at : self.at + 1]

    def skip_space(self) -> None:
        """Move to the next character that is not white space."""
        while self.char.isspace():
            self.at += 1

    def take_keyword(self, keyword: str) -> bool:
        """Move behind ``keyword`` if it stands here as a word of its own."""
        end = self.at + len(keyword)
        if not self.text.startswith(keyword, self.at):
            return False
        if end < len(self.text) and not (self.text[end].isspace() or self.text[end] in "()"):
            return False
        self.at = end
        return True

    def take_value(self, ends: str) -> Value:
        """Read one value up to white space, ``)`` or one of ``ends``; quotes keep all of them.

        ``*`` is a wildcard inside quotes too, where ``\\*``, ``\\"`` and ``\\\\`` stand for the
        characters themselves.
        """
        start, parts = self.at, [""]
        while (char := self.char) and not char.isspace() and char != ")" and char not in ends:
            if char == "(":
                self.fail(
                    "Put a text that contains ( in double quotes; several values are separated by"
                    " commas",
                    self.at,
                    self.at + 1,
                )
            if char == '"':
                self._take_quoted(parts)
                continue
            self._add(parts, char)
            self.at += 1
        if (size := sum(map(len, parts)) + len(parts) - 1) > LONGEST_VALUE:
            self.fail(
                f"A value has at most {LONGEST_VALUE} characters, this one {size}",
                start,
                self.at,
            )
        return Value(Pattern(_without_doubles(parts)), start, self.at)

    def _take_quoted(self, parts: list[str]) -> None:
        opened = self.at
        self.at += 1
        while self.char != '"':
            if not self.char:
                self.fail("This quote is never closed", opened, len(self.text))
            escaped = self.text[self.at + 1 : self.at + 2]
            if self.char == "\\" and escaped and escaped in '"\\*':
                parts[-1] += escaped
                self.at += 2
            else:
                self._add(parts, self.char)
                self.at += 1
        self.at += 1

    def _add(self, parts: list[str], char: str) -> None:
        if char == "*":
            parts.append("")
        else:
            parts[-1] += char


def _without_doubles(parts: list[str]) -> tuple[str, ...]:
    """Return ``parts`` without those that are empty only because two wildcards stand together."""
    if len(parts) <= 2:
        return tuple(parts)
    return (parts[0], *(part for part in parts[1:-1] if part), parts[-1])

"""The escape key of a terminal that sends a bare ESC, with another key close behind it."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from textual import events
from textual._xterm_parser import XTermParser
from textual.driver import Driver

ESC = "\x1b"
INTRODUCERS = frozenset("[O")
"""What makes the beginning of a key's code of ESC. Others begin answers that nobody here asks for."""
WORD_KEYS = frozenset("bf\x7f")
"""With ESC before them alt+b, alt+f and alt+backspace, by which a line is edited."""


class EscapeParser(XTermParser):
    """Reads ESC and a character as two keys.

    A terminal sends the same for alt and a character. Textual makes alt of it, or drops the ESC: of
    ``esc`` and ``j`` that arrive together, as they do over a slow line, nothing would be left.
    """

    kept: frozenset[str] = WORD_KEYS
    """Characters with which ESC stays alt."""

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[events.Key]:
        second = sequence[1:]
        if (
            len(sequence) == 2
            and sequence[0] == ESC
            and second not in INTRODUCERS
            and second not in self.kept
        ):
            yield events.Key("escape", ESC)
            yield from super()._sequence_to_key_events(second)
        else:
            yield from super()._sequence_to_key_events(sequence, alt)


def read_escape(driver: type[Driver]) -> None:
    """Let ``driver`` read keys by `EscapeParser`, if it reads them from a terminal."""
    for module in {sys.modules[each.__module__] for each in driver.__mro__}:
        if hasattr(module, "XTermParser"):
            module.XTermParser = EscapeParser  # type: ignore[attr-defined]


def keep_alt(bindings: Iterable[str]) -> None:
    """Leave alt to the characters that a user's key map binds with it.

    Args:
        bindings: Keys, with commas between, as Textual spells them.
    """
    keys = (key.strip() for binding in bindings for key in binding.split(","))
    own = {key.removeprefix("alt+") for key in keys if key.startswith("alt+")}
    EscapeParser.kept = WORD_KEYS | own

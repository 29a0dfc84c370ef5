"""Text from tasks made safe and cut to measure; everything a screen shows of a task passes here.

Task data is untrusted: what a terminal would obey, reorder or hide is shown as an escape. The door
of the event path escapes too; this is the last gate, and the only one for what came another way.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from rich.cells import cell_len, get_character_cell_size
from rich.text import Span, Text

TAB_WIDTH = 4

# Printable for Python, yet hidden, or drawn in a width on which terminals do not agree: variation
# selectors, joiners, the Hangul and Khmer fillers, tag-like marks, the letters of flags, skin tones.
_UNSEEN = frozenset(
    chr(code)
    for code in (
        0x034F,
        0x115F,
        0x1160,
        0x17B4,
        0x17B5,
        0x3164,
        0xFFA0,
        *range(0x180B, 0x1810),
        *range(0xFE00, 0xFE10),
        *range(0xE0100, 0xE01F0),
        *range(0x1F1E6, 0x1F200),
        *range(0x1F3FB, 0x1F400),
    )
)
_MARKS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0610-\u061a\u064b-\u065f"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
)
_PILE = re.compile(f"([{_MARKS}]{{4}})([{_MARKS}]+)")
"""More marks on one letter than any language writes: some terminals draw them over other lines."""
_CARRIER = "\u25cc"
"""The dotted circle, on which a mark is written that has no letter before it."""


def clean_cell(text: str, *, unicode: bool = True) -> str:
    """Return ``text`` as one line in which every character is seen and none is obeyed.

    Line ends become ``⏎``, odd spaces a space, control, direction, zero-width and unassigned
    characters their Python escape. Without ``unicode`` only ASCII remains.
    """
    if text.isascii() and text.isprintable():
        return text
    if not unicode:
        return text.translate(_SHOWN_ASCII)
    if not (text.isprintable() and _UNSEEN.isdisjoint(text)):
        text = text.translate(_SHOWN)
    if not text or text.isascii():
        return text
    if _PILE.search(text):
        text = _PILE.sub(_shown_pile, text)
    return text if get_character_cell_size(text[0]) else _CARRIER + text


def clean_block(text: str, *, unicode: bool = True) -> str:
    """Return ``text`` like `clean_cell`, but keep its lines; tabs become spaces."""
    lines = text.replace("\r\n", "\n").expandtabs(TAB_WIDTH).split("\n")
    return "\n".join(clean_cell(line, unicode=unicode) for line in lines)


def cut(text: str, width: int, *, unicode: bool = True) -> str:
    """Return ``text`` in at most ``width`` terminal cells; ``…`` at the end says it was longer."""
    if width <= 0:
        return ""
    if (len(text) if text.isascii() else cell_len(text)) <= width:
        return text
    mark = "…" if unicode else "~"
    room = width - 1
    if text.isascii():
        return text[:room] + mark
    kept: list[str] = []
    for character in text:
        room -= get_character_cell_size(character)
        if room < 0:
            break
        kept.append(character)
    return "".join(kept) + mark


def shortened(text: Text, width: int, *, unicode: bool = True) -> Text:
    """Return ``text`` in at most ``width`` cells, with a sign if it was longer, in its own styles."""
    short = cut(text.plain, width, unicode=unicode)
    if short == text.plain:
        return text
    # Rich fails on a span that ends beyond its text.
    spans = [
        Span(span.start, min(span.end, len(short)), span.style)
        for span in text.spans
        if span.start < len(short)
    ]
    return Text(short, style=text.style, no_wrap=True, end="", spans=spans)


def cut_head(text: str, width: int, *, unicode: bool = True) -> str:
    """Return ``text`` like `cut`, but keep its tail."""
    if width_of(text) <= width:
        return text
    room = width - 1
    kept: list[str] = []
    for character in reversed(text):
        room -= get_character_cell_size(character)
        if room < 0:
            break
        kept.append(character)
    while kept and not get_character_cell_size(kept[-1]):
        # Its letter is cut off: it would be drawn on the sign.
        kept.pop()
    return ("…" if unicode else "~") + "".join(reversed(kept)) if width > 0 else ""


def width_of(text: str) -> int:
    """Return how many terminal cells ``text`` takes."""
    return len(text) if text.isascii() else cell_len(text)


def _shown(character: str) -> str:
    if character == "\n":
        return "⏎"
    if character in _UNSEEN:
        return _escape(character)
    if character.isprintable():
        return character
    if unicodedata.category(character) == "Zs":
        return " "
    return _escape(character)


def _shown_pile(match: re.Match[str]) -> str:
    return match[1] + match[2].translate(_ESCAPED)


def _shown_ascii(character: str) -> str:
    if character.isascii() and character.isprintable():
        return character
    return _escape(character)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


class _Table(dict[int, str]):
    """A table for `str.translate` that is filled with what comes: a hostile text is long.

    Args:
        shown: Tells how a character is shown.
    """

    _KEPT = 10_000

    def __init__(self, shown: Callable[[str], str]) -> None:
        super().__init__()
        self._shown = shown

    def __missing__(self, code: int) -> str:
        if len(self) >= self._KEPT:
            self.clear()
        shown = self[code] = self._shown(chr(code))
        return shown


_SHOWN, _SHOWN_ASCII, _ESCAPED = _Table(_shown), _Table(_shown_ascii), _Table(_escape)

"""Text from tasks made safe and cut to measure; everything a screen shows of a task passes here.

Task data is untrusted: what a terminal would obey, reorder or hide is shown as an escape. The door
of the event path escapes too; this is the last gate, and the only one for what came another way.
"""

from __future__ import annotations

import unicodedata

from rich.cells import cell_len, get_character_cell_size

TAB_WIDTH = 4

# Printable for Python, yet they change how wide a terminal draws the character before them, or
# carry hidden text: variation selectors, joiners, the Hangul and Khmer fillers, tag-like marks.
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
    )
)


def clean_cell(text: str, *, unicode: bool = True) -> str:
    """Return ``text`` as one line in which every character is seen and none is obeyed.

    Line ends become ``⏎``, odd spaces a space, control, direction, zero-width and unassigned
    characters their Python escape. Without ``unicode`` only ASCII remains.
    """
    if text.isascii():
        return (
            text
            if text.isprintable()
            else "".join(map(_shown_ascii if not unicode else _shown, text))
        )
    if not unicode:
        return "".join(map(_shown_ascii, text))
    if text.isprintable() and _UNSEEN.isdisjoint(text):
        return text
    return "".join(map(_shown, text))


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


def _shown_ascii(character: str) -> str:
    if character.isascii() and character.isprintable():
        return character
    return _escape(character)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")

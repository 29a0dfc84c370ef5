"""A text to be read: lines of any length, broken into rows for a width, drawn row by row.

Only the rows on screen are cut out of their lines, so that a long text costs no more than a short one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from rich.cells import get_character_cell_size
from rich.text import Text

from umbel_backend.events.text import clean
from umbel_console.render.context import DrawContext
from umbel_console.render.text import clean_block

MOST_CHARACTERS = 65_536
"""Longest text shown of one thing; what is longer is cut, and says so."""
MOST_LINES = 4_000


@dataclass(frozen=True, slots=True)
class DocLine:
    """One line of a document."""

    text: Text
    """Cleaned, without line ends."""
    hang: int = 0
    """Cells by which its second and later rows are indented."""
    key: str | None = None
    """What it stands for, if it can be opened: the id of a task."""
    prose: bool = False
    """Broken between words; what is not prose is broken where the row is full."""


def said(text: str, draw: DrawContext, role: str = "muted", *, bold: bool = False) -> DocLine:
    """Return a sentence of ours."""
    return DocLine(draw.cell(text, role, bold=bold), prose=True)


def blank() -> DocLine:
    """Return an empty line."""
    return DocLine(Text(end=""))


def block(
    text: str, draw: DrawContext, role: str = "foreground", *, hang: int = 2
) -> list[DocLine]:
    """Return a foreign text of several lines: cleaned, bounded, the cut said."""
    lines, sign = bounded(text, draw)
    style = draw.palette.style(role)
    shown = [DocLine(Text(line, style=style, end=""), hang) for line in lines]
    return shown if sign is None else [*shown, sign]


def bounded(text: str, draw: DrawContext) -> tuple[list[str], DocLine | None]:
    """Return the lines of ``text``, cleaned, and what says how much of it is left out."""
    # The door's way of escaping first: it is much faster for a text full of control characters.
    escaped = clean(text[:MOST_CHARACTERS].replace("\r\n", "\n"), MOST_CHARACTERS)
    lines = clean_block(escaped, unicode=draw.unicode).split("\n")
    left_out = len(text) - MOST_CHARACTERS
    more_lines = len(lines) - MOST_LINES
    if more_lines > 0:
        del lines[MOST_LINES:]
        left_out = max(0, left_out) + more_lines
        return lines, said(f"cut here: {more_lines:,} or more lines are not shown", draw, "warn")
    if left_out > 0:
        return lines, said(f"cut here: {left_out:,} characters are not shown", draw, "warn")
    return lines, None


class Layout:
    """Lines broken into rows of one width.

    Args:
        lines: From the top.
        width: Cells of a row, at least 1.
    """

    def __init__(self, lines: Sequence[DocLine], width: int) -> None:
        self.lines = lines
        self._most_hang = max(1, width) // 2
        self._breaks = [_breaks(line, max(1, width)) for line in lines]
        self._ends = list(accumulate(len(breaks) for breaks in self._breaks))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def line_at(self, row: int) -> int:
        """Return the index of the line that ``row`` is part of."""
        return bisect_right(self._ends, row)

    def row_of(self, line: int) -> int:
        """Return the first row of ``line``."""
        return self._ends[line] - len(self._breaks[line])

    def row(self, number: int) -> Text:
        """Return one row, drawn."""
        index = self.line_at(number)
        line, breaks = self.lines[index], self._breaks[index]
        part = number - self.row_of(index)
        if len(breaks) == 1:
            return line.text
        end = breaks[part + 1] if part + 1 < len(breaks) else len(line.text)
        piece = line.text[breaks[part] : end]
        piece.end = ""
        if line.prose:
            piece.rstrip()
        if part and line.hang:
            piece.pad_left(min(line.hang, self._most_hang))
        return piece


def joined(lines: Iterable[DocLine]) -> str:
    """Return what the lines read, for tests and for copying."""
    return "\n".join(line.text.plain for line in lines)


def _breaks(line: DocLine, width: int) -> list[int]:
    """Return the index of the first character of every row."""
    plain = line.text.plain
    hang = min(line.hang, width // 2)
    if len(plain) * 2 <= width:
        return [0]
    if line.prose:
        return _prose_breaks(plain, width, hang)
    if plain.isascii():
        if len(plain) <= width:
            return [0]
        return [0, *range(width, len(plain), max(1, width - hang))]
    breaks, room = [0], width
    for index, character in enumerate(plain):
        cells = get_character_cell_size(character)
        if cells > room:
            breaks.append(index)
            room = width - hang
        room -= cells
    return breaks


def _prose_breaks(plain: str, width: int, hang: int) -> list[int]:
    breaks, room, start, last_blank = [0], width, 0, -1
    used = index = 0
    while index < len(plain):
        character = plain[index]
        used += get_character_cell_size(character)
        if used > room and character != " " and index > start:
            index = last_blank + 1 if last_blank > start else index
            breaks.append(index)
            # What is carried over is measured anew: a row that hangs has less room.
            start, room, used = index, width - hang, 0
            continue
        if character == " ":
            last_blank = index
        index += 1
    return breaks

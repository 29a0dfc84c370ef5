"""A text to be read: lines of any length, broken into rows for a width, drawn row by row.

Only the rows on screen are cut out of their lines, so that a long text costs no more than a short one.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from rich.cells import get_character_cell_size
from rich.style import Style
from rich.text import Span, Text

from umbel_backend.records import TaskRecord
from umbel_console.render.context import DrawContext
from umbel_console.render.text import clean_block

MOST_CHARACTERS = 65_536
"""Longest text shown of one thing; what is longer is cut, and says so."""
MOST_WRITTEN = 100_000
"""The same with the escapes written out, each of which takes the place of one character."""
MOST_LINES = 4_000


@dataclass(frozen=True, slots=True)
class DocLine:
    """One line of a document."""

    content: Text | str
    """Cleaned, without line ends. As a plain string it costs nothing until it is seen."""
    hang: int = 0
    """Cells by which its second and later rows are indented."""
    key: str | None = None
    """What it stands for, if it can be opened: the id of a task."""
    prose: bool = False
    """Broken between words; what is not prose is broken where the row is full."""
    style: Style | None = None
    """Of a plain string."""

    @property
    def text(self) -> Text:
        """The line as it is drawn."""
        return self.part(0, len(self.content)) if isinstance(self.content, str) else self.content

    @property
    def plain(self) -> str:
        """What the line reads."""
        return self.content if isinstance(self.content, str) else self.content.plain

    def part(self, start: int, end: int) -> Text:
        """Return some characters of the line, drawn."""
        content = self.content
        if isinstance(content, str):
            return Text(content[start:end], style=self.style or "", no_wrap=True, end="")
        # Rich's own slice makes texts of what is before and after it too.
        spans = [
            Span(max(0, span.start - start), min(end, span.end) - start, span.style)
            for span in content.spans
            if span.start < end and span.end > start
        ]
        plain = content.plain[start:end]
        return Text(plain, style=content.style, no_wrap=True, end="", spans=spans)


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
    shown = [DocLine(line, hang, style=style) for line in lines]
    return shown if sign is None else [*shown, sign]


def bounded(text: str, draw: DrawContext) -> tuple[list[str], DocLine | None]:
    """Return the lines of ``text``, cleaned, and what says how much of it is left out."""
    shown = text[:MOST_CHARACTERS].replace("\r\n", "\n").split("\n", MOST_LINES)
    rest = shown.pop() if len(shown) > MOST_LINES else None
    cleaned = clean_block("\n".join(shown), unicode=draw.unicode)
    lines = cleaned[:MOST_WRITTEN].split("\n")
    left_out = max(0, len(text) - MOST_CHARACTERS) + max(0, len(cleaned) - MOST_WRITTEN)
    if rest is not None and len(cleaned) <= MOST_WRITTEN:
        more = rest.count("\n") + 1
        return lines, said(f"cut here: {more:,} or more lines are not shown", draw, "warn")
    if left_out > 0:
        return lines, said(f"cut here: {left_out:,} characters are not shown", draw, "warn")
    return lines, None


class Kept:
    """The last document made, for who draws the same one again every second.

    Args:
        make: Makes it from a record and the means of drawing.
        of: What of a record it depends on.
    """

    def __init__(
        self,
        make: Callable[[TaskRecord, DrawContext], list[DocLine]],
        of: Callable[[TaskRecord], tuple[object, ...]],
    ) -> None:
        self._make = make
        self._of = of
        self._key: tuple[object, ...] | None = None
        self._lines: list[DocLine] = []

    def __call__(self, record: TaskRecord, draw: DrawContext) -> list[DocLine]:
        """Return the document; the very same list as long as nothing it depends on changed."""
        key = (*self._of(record), draw.palette, draw.unicode)
        if key != self._key:
            self._key, self._lines = key, self._make(record, draw)
        return self._lines


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
        end = breaks[part + 1] if part + 1 < len(breaks) else len(line.plain)
        piece = line.part(breaks[part], end)
        if line.prose:
            piece.rstrip()
        if part and line.hang:
            piece.pad_left(min(line.hang, self._most_hang))
        return piece


def joined(lines: Iterable[DocLine]) -> str:
    """Return what the lines read, for tests and for copying."""
    return "\n".join(line.plain for line in lines)


SIMPLE = re.compile("[ -~\xa1-\xac\xae-\u02ff\u0391-\u03a1\u03a3-\u0482\u2500-\u2595–—…✗✓▸→]*")
"""A text of characters that are all one cell wide."""


class _Widths(dict[str, int]):
    """Cells of the characters that came by."""

    def __missing__(self, character: str) -> int:
        cells = self[character] = get_character_cell_size(character)
        return cells


_widths = _Widths()
_MOST_WIDTHS = 20_000


def _breaks(line: DocLine, width: int) -> Sequence[int]:
    """Return the index of the first character of every row."""
    plain = line.plain
    hang = min(line.hang, width // 2)
    if len(plain) * 2 <= width:
        return (0,)
    if line.prose:
        return _prose_breaks(plain, width, hang)
    if plain.isascii() or SIMPLE.fullmatch(plain):
        if len(plain) <= width:
            return (0,)
        return (0, *range(width, len(plain), max(1, width - hang)))
    return _wide_breaks(plain, width, hang)


def _wide_breaks(plain: str, width: int, hang: int) -> list[int]:
    if len(_widths) > _MOST_WIDTHS:
        _widths.clear()
    ends = list(accumulate(map(_widths.__getitem__, plain)))
    breaks, room, start, length = [0], width, 0, len(plain)
    while True:
        before = ends[start - 1] if start else 0
        # A character wider than the row stands there all the same.
        start = max(start + 1, bisect_right(ends, before + room, start))
        if start >= length:
            return breaks
        breaks.append(start)
        room = width - hang


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

"""Log lines as rows of a terminal: time, level in words and colour, logger, and the text, broken or cut.

Where another run of the task begins, a row says so.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from rich.cells import get_character_cell_size
from rich.text import Text

from umbel_backend.levels import level_word
from umbel_backend.records import LogLine
from umbel_console.render.context import DrawContext
from umbel_console.render.log_runs import words_above_each
from umbel_console.render.text import clean_block, cut, cut_head, width_of
from umbel_console.render.time import clock

ROLES: tuple[tuple[int, str], ...] = (
    (40, "bad"),
    (30, "warn"),
    (20, "foreground"),
)
"""From which level on a line is drawn in which role; the highest first, the rest is muted."""
LEAST = (0, 20, 30, 40)
"""The levels one can ask for at least, in the order the key goes through them."""

_CLOCK = 12
_LEVEL = 8
_LOGGER = 22
_NARROW = 100
"""Below this width neither milliseconds nor the logger find room."""
MOST_ROWS = 8
"""Rows of one line of a log where lines are broken; what is longer is cut and says so."""
MOST_SHOWN = 40
"""Line ends within one record that are shown, a traceback's say."""


def level_role(level: int) -> str:
    """Return the role a level is drawn in."""
    return next((role for number, role in ROLES if level >= number), "muted")


class LogLayout:
    """Log lines broken into rows; adding some at either end costs no more than those.

    Args:
        width: Cells of a row.
        unicode: False on a terminal that shows ASCII only.
        wraps: Break long lines; else cut them.
    """

    def __init__(self, width: int, *, unicode: bool, wraps: bool) -> None:
        self.width = max(20, width)
        self.unicode = unicode
        self.wraps = wraps
        self.hang = _lead_width(self.width)
        self._room = max(8, self.width - self.hang)
        self._lines: Sequence[LogLine] = ()
        self._counts: dict[int, int] = {}
        self._above: dict[int, str] = {}
        self._ends: list[int] = []
        self._rows: dict[int, list[str]] = {}

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def show(self, lines: Sequence[LogLine]) -> None:
        """Lay out ``lines`` instead; lines that were there before are not looked at again."""
        counts: dict[int, int] = {}
        for line in lines:
            key = id(line)
            counts[key] = self._counts.get(key) or len(self._broken(line))
        # The lines are held, so that no id can come to mean another line.
        self._lines, self._counts = lines, counts
        self._rows.clear()
        self._above = {n: words for n, words in enumerate(words_above_each(lines)) if words}
        above = self._above
        self._ends = list(
            accumulate(counts[id(line)] + (n in above) for n, line in enumerate(lines))
        )

    def line_at(self, row: int) -> int:
        """Return the index of the line that ``row`` is part of."""
        return bisect_right(self._ends, row)

    def row_of(self, index: int) -> int:
        """Return the first row of a line."""
        return self._ends[index - 1] if index > 0 else 0

    def row(self, number: int, draw: DrawContext, words: str = "", *, here: int = -1) -> Text:
        """Draw one row.

        Args:
            number: Of the row.
            draw: The means.
            words: What is searched for; marked where it stands.
            here: Index of the line the search stands at.
        """
        index = self.line_at(number)
        line = self._lines[index]
        part = number - self.row_of(index)
        if index in self._above:
            if not part:
                return self._rule(self._above[index], draw)
            part -= 1
        rows = self._rows.get(index)
        if rows is None:
            rows = self._rows[index] = self._broken(line)
        role = level_role(line.level)
        text = self._lead(line, draw) if not part else Text(" " * self.hang, end="", no_wrap=True)
        begin = len(text.plain)
        text.append(rows[part], draw.palette.style(role if role != "muted" else "foreground"))
        if words:
            style = draw.palette.style("accent", bold=True, reverse=index == here)
            style = style if index == here else draw.palette.style("accent", bold=True)
            _mark(text, begin, words, style)
        return text

    def _rule(self, words: str, draw: DrawContext) -> Text:
        dash = draw.glyph("─", "-")
        text = draw.empty().append(dash * 2, draw.muted)
        text.append(" ").append_text(draw.cell(words, "accent")).append(" ")
        left = self.width - width_of(text.plain)
        return text.append(dash * max(0, left), draw.muted)

    def _lead(self, line: LogLine, draw: DrawContext) -> Text:
        narrow = self.width < _NARROW
        text = draw.empty().append_text(
            draw.cell(clock(line.at, draw.zone, millis=not narrow), "muted")
        )
        word = level_word(line.level)[:_LEVEL]
        text.append(" ").append_text(draw.cell(word.ljust(_LEVEL), level_role(line.level)))
        if not narrow:
            # What tells loggers apart is their end.
            name = cut_head(draw.cell(line.logger).plain, _LOGGER, unicode=self.unicode)
            pad = " " * (_LOGGER - width_of(name))
            text.append(" ").append(name + pad, draw.muted)
        return text.append(" ")

    def _broken(self, line: LogLine) -> list[str]:
        """Return the rows of a line's text, cleaned."""
        shown = clean_block(line.text.rstrip("\n"), unicode=self.unicode).split("\n")
        if len(shown) > MOST_SHOWN:
            more = len(shown) - MOST_SHOWN
            shown = [*shown[:MOST_SHOWN], f"{self._sign} {more:,} more rows are not shown"]
        if not self.wraps:
            return [cut(each, self._room, unicode=self.unicode) for each in shown]
        return [row for each in shown for row in self._wrapped(each)]

    def _wrapped(self, text: str) -> list[str]:
        room = self._room
        if len(text) <= room and text.isascii():
            return [text]
        rows = _pieces(text, room, MOST_ROWS + 1)
        if len(rows) > MOST_ROWS:
            left = len(text) - sum(map(len, rows[: MOST_ROWS - 1]))
            said = f"{self._sign} {left:,} more characters"
            rows = [*rows[: MOST_ROWS - 1], said]
        return rows

    @property
    def _sign(self) -> str:
        return "…" if self.unicode else "..."


def _lead_width(width: int) -> int:
    if width < _NARROW:
        return 8 + 1 + _LEVEL + 1
    return _CLOCK + 1 + _LEVEL + 1 + _LOGGER + 1


def _pieces(text: str, room: int, most: int) -> list[str]:
    """Cut ``text`` into at most ``most`` rows of ``room`` cells."""
    if text.isascii():
        return [text[at : at + room] for at in range(0, max(1, min(len(text), room * most)), room)]
    rows: list[str] = []
    start, left = 0, room
    for index, character in enumerate(text):
        cells = get_character_cell_size(character)
        if cells > left:
            rows.append(text[start:index])
            if len(rows) == most:
                return rows
            start, left = index, room
        left -= cells
    return [*rows, text[start:]]


def _mark(text: Text, begin: int, words: str, style: object) -> None:
    plain, wanted = text.plain.casefold(), words.casefold()
    at = plain.find(wanted, begin)
    while at >= 0:
        text.stylize(style, at, at + len(wanted))  # type: ignore[arg-type]
        at = plain.find(wanted, at + len(wanted))

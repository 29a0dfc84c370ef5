"""Draws the lines of a record table and remembers them, so that a line is drawn only once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from enum import IntFlag
from typing import Generic

from msgspec import Struct
from rich.style import Style
from rich.text import Text
from textual.strip import Strip

from umbel_console.render.context import DrawContext
from umbel_console.render.text import cut, width_of
from umbel_console.widgets.columns import Column, Place, R, lay_out
from umbel_console.widgets.row_strip import row_strip, text_strip

LEAD = 3
"""Cells left of the first column: cursor, mark, space."""
_CACHED_STRIPS = 2_000


class Look(IntFlag):
    """What a row is besides its record."""

    CURSOR = 1
    MARKED = 2
    RANGED = 4
    """It lies in the range that is being marked."""
    ACTIVE = 8
    """It is under the cursor of a table that has the keys."""


class Sort(Struct, frozen=True):
    """What a table is ordered by."""

    column: str
    descending: bool

    def arrow(self, draw: DrawContext) -> str:
        """Return the sign of the direction: down is the largest first."""
        return draw.glyph("↓", "v") if self.descending else draw.glyph("↑", "^")


class _Drawn(Struct, frozen=True):
    record: object
    moment: Hashable
    strip: Strip


class Painter(Generic[R]):
    """Draws header and rows at one width and in one set of colours.

    Args:
        columns: In the order they stand.
        key: What identifies a record.
        moment: What of a record's line depends on the time; a line is drawn anew when it changes.
        banner: Draws a row over the whole line, or returns None for one with cells.
    """

    def __init__(
        self,
        columns: Sequence[Column[R]],
        key: Callable[[R], str],
        moment: Callable[[R, float], Hashable],
        banner: Callable[[R, DrawContext], Text | None],
    ) -> None:
        self.columns = columns
        """Those to show, as far as there is room; `fit` lays them out."""
        self._key = key
        self._moment = moment
        self.banner = banner
        self.places: list[Place[R]] = []
        """The columns that fit, and where they stand right of `LEAD`."""
        self._width = 1
        self.base = Style.null()
        self._blank = Strip.blank(0)
        self._strips: dict[tuple[str, Look], _Drawn] = {}
        self._whole: dict[tuple[int, bool], tuple[Strip, Strip]] = {}
        """Lines with their last cell, beside those without; by the latter's identity."""

    def fits(self, width: int, base: Style) -> bool:
        """Return whether what was drawn so far is right for ``width`` cells in the colours ``base``."""
        return self._width == max(2, width) and self.base == base

    def fit(self, width: int, base: Style) -> None:
        """Draw for ``width`` cells in the colours ``base`` from now on; the last cell is the thumb's."""
        self._strips.clear()
        self._whole.clear()
        self._width = max(2, width)
        self.base = base
        self._blank = Strip.blank(self._width - 1, base)
        self.places = lay_out(self.columns, self.room)

    @property
    def room(self) -> int:
        """Cells the columns share."""
        return max(1, self._width - LEAD - 1)

    def header(self, sort: Sort | None, draw: DrawContext) -> Strip:
        """Draw the line of labels; the column the rows are ordered by has an arrow."""
        cells = []
        for place in self.places:
            label = place.column.label
            if sort is not None and sort.column == place.column.key:
                arrow = sort.arrow(draw)
                label = cut(label, place.width - 1, unicode=draw.unicode) + arrow
                cells.append(draw.cell(label, "accent", bold=True))
            else:
                cells.append(draw.cell(label, "muted", bold=True))
        lead = Text(" " * LEAD, end="")
        return row_strip(
            lead, self.places, cells, self._width, base=self.base, unicode=draw.unicode
        )

    def row(self, record: R, look: Look, draw: DrawContext) -> Strip:
        """Draw ``record`` without the thumb, or return the line drawn before."""
        key = self._key(record)
        moment = self._moment(record, draw.now)
        drawn = self._strips.get((key, look))
        if drawn is not None and drawn.record is record and drawn.moment == moment:
            return drawn.strip
        strip = self._row(record, look, draw)
        if len(self._strips) >= _CACHED_STRIPS:
            self._strips.clear()
        self._strips[key, look] = _Drawn(record, moment, strip)
        return strip

    def with_thumb(self, line: Strip | None, shown: bool, draw: DrawContext) -> Strip:
        """Add the scroll thumb's cell to a line; None is an empty one."""
        if line is None:
            line = self._blank
        known = self._whole.get((id(line), shown))
        if known is not None:
            return known[1]
        bar = draw.cell(draw.glyph("▐", "|") if shown else " ", "muted")
        whole = Strip.join([line, text_strip(bar, 1, self.base)])
        if len(self._whole) >= _CACHED_STRIPS:
            self._whole.clear()
        self._whole[id(line), shown] = line, whole
        return whole

    def words(self, text: str, draw: DrawContext, height: int) -> list[Strip]:
        """Draw a sentence over as many lines as it needs, ``height`` at most, after an empty one."""
        room = max(10, self._width - 2 * LEAD)
        lines: list[str] = [""]
        for word in draw.cell(text).plain.split(" "):
            if width_of(lines[-1]) + 1 + width_of(word) > room:
                lines.append("")
            lines[-1] = cut(f"{lines[-1]} {word}".strip(), room, unicode=draw.unicode)
        if len(lines) > max(1, height - 1):
            del lines[max(1, height - 1) :]
            sign = draw.glyph("…", "~")
            lines[-1] = cut(lines[-1], room - 2, unicode=draw.unicode).rstrip(sign) + sign
        drawn = [draw.cell(" " * LEAD + line, "muted") for line in ("", *lines)]
        return [text_strip(line, self._width, self.base) for line in drawn][:height]

    def blank(self) -> Strip:
        """Return an empty line."""
        return Strip.blank(self._width, self.base)

    def _row(self, record: R, look: Look, draw: DrawContext) -> Strip:
        width = self._width - 1
        banner = self.banner(record, draw)
        if banner is not None:
            places: list[Place[R]] = [Place(self.places[0].column, 0, width - LEAD)]
            cells = [banner]
        else:
            places = self.places
            cells = [place.column.render(record, draw, place.width) for place in places]
        return row_strip(
            _lead(look, draw),
            places,
            cells,
            width,
            base=self.base,
            unicode=draw.unicode,
            over=draw.palette.cursor if Look.ACTIVE in look else None,
        )


def thumb(top: int, total: int, height: int) -> range:
    """Return on which of ``height`` lines the scroll thumb stands; on none if all rows are seen."""
    if total <= height or height < 1:
        return range(0)
    length = max(1, height * height // total)
    start = round(top * (height - length) / (total - height))
    return range(start, start + length)


def _lead(look: Look, draw: DrawContext) -> Text:
    if not look:
        return Text(" " * LEAD, end="")
    lead = draw.empty()
    lead.append_text(draw.cell(draw.glyph("▌", ">") if Look.CURSOR in look else " ", "accent"))
    marked = "*" if look & (Look.MARKED | Look.RANGED) else " "
    role = "accent" if Look.MARKED in look else "warn"
    return lead.append(f"{marked} ", draw.palette.style(role, bold=True))

"""Charts of block and braille characters: what was not seen is left open, not drawn as zero.

A chart is as many lines as there is room for, each exactly as wide; the last two are the axis of time
and its labels. Signs tell series apart, colours only help: an area is made of blocks, a line of
dots, lines that never cross are named at their ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.style import Style
from rich.text import Text

from umbel_console.render import axis
from umbel_console.render.axis import Scale
from umbel_console.render.context import DrawContext
from umbel_console.render.text import cut, width_of
from umbel_console.render.time import moment

Point = tuple[float, float, float | None]
"""From when, until when, and the value; None where it is not known."""

EIGHTHS = "▁▂▃▄▅▆▇█"
ASCII_EIGHTHS = "..::##"
_DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
"""Braille dots of the left and the right half of a cell, from the bottom."""
_ASCII_LINES = "*o+"
LEAST_ROWS = 2
"""Least lines of a plot, without its axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One quantity over time."""

    name: str
    role: str
    points: Sequence[Point]
    """In order of time, without overlaps."""
    kind: Literal["area", "line"] = "area"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What is to be drawn; areas come before lines."""

    start: float
    end: float
    series: Sequence[Series]
    gaps: Sequence[tuple[float, float]] = ()
    """Stretches in which something may have been missed."""
    since: float | None = None
    """Since when there is a record at all; None before the first."""
    label: Callable[[float], str] = axis.number_label
    """Writes a value beside the axis, in at most six cells."""
    log: bool = False
    named: bool = False
    """The lines' names stand at their right ends."""
    least_high: float = 1.0
    """The scale goes up to this at least."""


@dataclass(slots=True)
class _Cell:
    char: str = " "
    style: Style | None = None


class _Plot:
    """The cells between the axes, line 0 on top."""

    def __init__(
        self, chart: Chart, scale: Scale, width: int, rows: int, draw: DrawContext
    ) -> None:
        self.chart, self.scale, self.draw = chart, scale, draw
        self.width, self.rows = width, rows
        self.cells = [[_Cell() for _ in range(width)] for _ in range(rows)]
        self._gap = [covered_cells(chart.gaps, *self._edges(x)) for x in range(width)]

    def _edges(self, x: float, part: float = 1.0) -> tuple[float, float]:
        each = (self.chart.end - self.chart.start) / self.width
        begin = self.chart.start + x * each
        return begin, begin + each * part

    def is_open(self, x: int) -> bool:
        """Whether nothing can be said about column ``x``."""
        since = self.chart.since
        return self._gap[x] or since is None or self._edges(x)[1] <= since

    def shade(self) -> None:
        """Draw the gaps."""
        style = self.draw.palette.quiet("warn")
        sign = self.draw.glyph("░", "/")
        for x in range(self.width):
            if self._gap[x]:
                for line in self.cells:
                    line[x] = _Cell(sign, style)

    def area(self, series: Series) -> None:
        """Fill the cells below the values; a value of zero is seen as such."""
        fills = EIGHTHS if self.draw.unicode else ASCII_EIGHTHS
        style, muted = self.draw.palette.quiet(series.role), self.draw.muted
        for x in range(self.width):
            value = None if self.is_open(x) else mean(series.points, *self._edges(x))
            if value is None:
                continue
            height = self.scale.share(value) * self.rows * len(fills)
            level = max(1, round(height)) if value > 0 else 0
            if not level:
                self.cells[-1][x] = _Cell(self.draw.glyph(EIGHTHS[0], "_"), muted)
            for y in range(self.rows - 1, -1, -1):
                if level <= 0:
                    break
                self.cells[y][x] = _Cell(fills[min(level, len(fills)) - 1], style)
                level -= len(fills)

    def line(self, series: Series, number: int) -> int | None:
        """Draw dots along the values; returns the line of the last one, None without any."""
        if not self.draw.unicode:
            return self._ascii_line(series, number)
        dots: dict[tuple[int, int], int] = {}
        last: int | None = None
        height = 4 * self.rows
        for sub in range(2 * self.width):
            x = sub // 2
            value = None if self.is_open(x) else between(series.points, *self._edges(sub / 2, 0.5))
            if value is None:
                last = None
                continue
            level = min(height - 1, int(self.scale.share(value) * height))
            near = level if last is None else last + (level > last) - (level < last)
            for dot in range(min(near, level), max(near, level) + 1):
                place = (self.rows - 1 - dot // 4, x)
                dots[place] = dots.get(place, 0) | _DOTS[sub % 2][dot % 4]
            last = level
        for (y, x), bits in dots.items():
            self._put(y, x, chr(0x2800 + bits), series.role)
        ends = [(x, y) for y, x in dots]
        return max(ends)[1] if ends else None

    def _ascii_line(self, series: Series, number: int) -> int | None:
        end: int | None = None
        for x in range(self.width):
            value = None if self.is_open(x) else between(series.points, *self._edges(x))
            if value is not None:
                share = self.scale.share(value)
                end = self.rows - 1 - min(self.rows - 1, int(share * self.rows))
                self.cells[end][x] = _Cell(
                    _ASCII_LINES[number % len(_ASCII_LINES)], self.draw.palette.style(series.role)
                )
        return end

    def _put(self, y: int, x: int, char: str, role: str) -> None:
        """Draw over what is there: carved into a full block, joined with other dots."""
        below = self.cells[y][x]
        style = self.draw.palette.style(role)
        if "\u2800" < below.char <= "\u28ff":
            char = chr(ord(below.char) | ord(char))
        elif below.char in EIGHTHS[4:]:
            style = (below.style or Style.null()) + Style(reverse=True)
        self.cells[y][x] = _Cell(char, style)

    def say(self, words: str) -> None:
        """Write ``words`` into the part before the record begins, where there is room."""
        room = next((x for x in range(self.width) if not self.is_open(x)), self.width)
        room = min(room, next((x for x in range(self.width) if self._gap[x]), self.width))
        words = self.draw.cell(words).plain
        if width_of(words) + 2 > room:
            return
        y, begin = (self.rows - 1) // 2, (room - width_of(words)) // 2
        for x, char in enumerate(words, begin):
            self.cells[y][x] = _Cell(char, self.draw.muted)

    def text(self, y: int) -> Text:
        """Return one line, its cells joined where they look the same."""
        line = Text(end="", no_wrap=True)
        run, style = "", None
        for cell in self.cells[y]:
            if cell.style is not style and run:
                line.append(run, style)
                run = ""
            run, style = run + cell.char, cell.style
        return line.append(run, style)


def draw_chart(chart: Chart, width: int, height: int, draw: DrawContext) -> list[Text]:
    """Draw ``chart`` in exactly ``height`` lines of ``width`` cells."""
    rows = height - 2
    if rows < LEAST_ROWS or width < 20:
        return words_block("No room for this chart.", width, height, draw)
    scale = _scale(chart, rows)
    labels = _labels(chart, scale, rows)
    gutter = max(width_of(label) for label in labels.values()) + 1
    aside = max((width_of(name) for name in _names(chart)), default=-1) + 1 if chart.named else 0
    plot = _Plot(chart, scale, max(8, width - gutter - 1 - aside), rows, draw)
    for series in chart.series:
        if series.kind == "area":
            plot.area(series)
    plot.shade()
    ends = [
        plot.line(series, number)
        for number, series in enumerate(s for s in chart.series if s.kind == "line")
    ]
    if chart.since is not None and chart.since > chart.start:
        plot.say(f"no record before {moment(chart.since, draw.now, draw.zone)}")
    names = _placed(chart, ends, rows) if chart.named else {}
    lines = []
    for y in range(rows):
        line = draw.empty().append_text(draw.cell(labels.get(y, "").rjust(gutter - 1), "muted"))
        line.append(draw.glyph(" ┤" if y in labels else " │", " |")[-2:], draw.muted)
        line.append_text(plot.text(y))
        if y in names:
            line.append_text(draw.cell(f" {names[y][0]}", names[y][1]))
        lines.append(fitted(line, width))
    return [*lines, *_time_axis(chart, plot, gutter, width, draw)]


def sparkline(
    values: Sequence[float | None], width: int, role: str, draw: DrawContext, *, high: float = 0.0
) -> Text:
    """Draw ``values`` in one line of ``width`` cells; zero is a thin line, None is left open.

    Args:
        values: At equal steps; where several fall on a cell the highest counts.
        width: Cells there are.
        role: Of the values above zero.
        draw: The means of drawing.
        high: What a full cell stands for; the highest value if that is more.
    """
    fills = EIGHTHS if draw.unicode else ASCII_EIGHTHS
    top = max([high, *(value for value in values if value is not None)])
    style, line = draw.palette.quiet(role), Text(end="", no_wrap=True)
    for x in range(width):
        begin = x * len(values) // width
        end = max(begin + 1, -(-(x + 1) * len(values) // width))
        known = [value for value in values[begin:end] if value is not None]
        if not known:
            line.append(" ")
        elif max(known) <= 0:
            line.append(draw.glyph(EIGHTHS[0], "_"), draw.muted)
        else:
            level = max(1, round(max(known) / top * len(fills)))
            line.append(fills[level - 1], style)
    return line


def words_block(words: str, width: int, height: int, draw: DrawContext) -> list[Text]:
    """Write ``words`` over as many of ``height`` lines as they need, a little below the top."""
    room = max(10, width - 4)
    lines: list[str] = [""]
    for word in draw.cell(words).plain.split(" "):
        if len(lines[-1]) + 1 + len(word) > room and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    top = max(0, min(1, height - len(lines)))
    shown = [""] * top + lines
    return [
        fitted(draw.cell(f"  {shown[y]}" if y < len(shown) else "", "muted"), width)
        for y in range(height)
    ]


def fitted(line: Text, width: int) -> Text:
    """Return ``line`` cut or filled to exactly ``width`` cells."""
    taken = width_of(line.plain)
    if taken > width:
        line.truncate(width, overflow="crop")
    elif taken < width:
        line.append(" " * (width - taken))
    return line


def mean(points: Sequence[Point], start: float, end: float) -> float | None:
    """Return the mean of what is known in ``[start, end)``, by time; None if nothing is."""
    length = total = 0.0
    for begins, ends, value in points:
        overlap = min(end, ends) - max(start, begins)
        if value is not None and overlap > 0:
            length += overlap
            total += overlap * value
    return total / length if length else None


def between(points: Sequence[Point], start: float, end: float) -> float | None:
    """Return the value half way from ``start`` to ``end``, on a straight line from point to point."""
    at = (start + end) / 2
    for number, (begins, ends, value) in enumerate(points):
        if not begins <= at < ends:
            continue
        if value is None or end - start > ends - begins:
            return mean(points, start, end)
        centre = (begins + ends) / 2
        other = number + (1 if at > centre else -1)
        if not 0 <= other < len(points) or points[other][2] is None:
            return value
        there = (points[other][0] + points[other][1]) / 2
        beside = points[other][2]
        assert beside is not None
        return value + (beside - value) * (at - centre) / (there - centre)
    return None


def covered_cells(stretches: Sequence[tuple[float, float]], start: float, end: float) -> bool:
    """Whether half of ``[start, end)`` or more lies in ``stretches``."""
    length = sum(max(0.0, min(end, b) - max(start, a)) for a, b in stretches)
    return length >= (end - start) / 2


def _scale(chart: Chart, rows: int) -> Scale:
    known = [value for series in chart.series for _, _, value in series.points if value is not None]
    if chart.log:
        above = [value for value in known if value > 0]
        return axis.log_scale(min(above, default=0.1), max(above, default=1.0))
    return axis.linear_scale(max([chart.least_high, *known]), rows)


def _labels(chart: Chart, scale: Scale, rows: int) -> dict[int, str]:
    """Place the ticks on lines, from the ends inwards; one that meets another is left out."""
    placed: dict[int, str] = {}
    ticks = list(scale.ticks)
    for tick in [ticks[0], ticks[-1], *ticks[1:-1]]:
        y = rows - 1 - min(rows - 1, int(scale.share(tick) * rows))
        if y not in placed:
            placed[y] = chart.label(tick)
    return placed


def _names(chart: Chart) -> list[str]:
    return [_name(chart, series) for series in chart.series if series.kind == "line"]


def _name(chart: Chart, series: Series) -> str:
    last = next((value for _, _, value in reversed(series.points) if value is not None), None)
    return series.name if last is None else f"{series.name} {chart.label(last)}"


def _placed(chart: Chart, ends: Sequence[int | None], rows: int) -> dict[int, tuple[str, str]]:
    """Write each line's name where it ends, one below the other where they meet."""
    lines = [series for series in chart.series if series.kind == "line"]
    placed: dict[int, tuple[str, str]] = {}
    order = sorted(
        ((end, number) for number, end in enumerate(ends) if end is not None),
        key=lambda pair: (pair[0], -pair[1]),
    )
    free_from = 0
    for left, (end, number) in zip(range(len(order), 0, -1), order, strict=True):
        y = max(free_from, min(end, rows - left))
        if y >= rows:
            break
        placed[y] = _name(chart, lines[number]), lines[number].role
        free_from = y + 1
    return placed


def _time_axis(chart: Chart, plot: _Plot, gutter: int, width: int, draw: DrawContext) -> list[Text]:
    """Draw the line below the plot, with ticks and the marks of short gaps, and the labels under it."""
    span, cells = chart.end - chart.start, plot.width
    ticks = [
        (min(cells - 1, int((at - chart.start) / span * cells)), text)
        for at, text in axis.time_ticks(chart.start, chart.end, draw.zone, max(2, cells // 9))
    ]
    kept = axis.sparse(ticks, cells)
    marked = {begin + len(text) // 2 for begin, text in kept}
    gaps = {
        x
        for start, end in chart.gaps
        for x in range(
            max(0, int((start - chart.start) / span * cells)),
            min(cells, int((end - chart.start) / span * cells) + 1),
        )
    }
    rule, tick, gap = draw.glyph("─", "-"), draw.glyph("┬", "+"), draw.glyph("╳", "x")
    line = draw.empty().append(" " * gutter + draw.glyph("└", "+"), draw.muted)
    for x in range(cells):
        sign = gap if x in gaps else tick if x in marked else rule
        line.append(sign, draw.palette.style("warn") if x in gaps else draw.muted)
    below = " " * (gutter + 1)
    for begin, text in kept:
        below = below.ljust(gutter + 1 + begin) + text
    unicode = draw.unicode
    return [
        fitted(line, width),
        fitted(draw.cell(cut(below, width, unicode=unicode), "muted"), width),
    ]

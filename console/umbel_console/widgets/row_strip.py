"""Turns cells into one line of the terminal; the only place where a table makes segments."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.strip import Strip

from umbel_console.render.text import cut_head, shortened, width_of
from umbel_console.widgets.columns import Place, R

_CONSOLE = Console(width=500, color_system=None, markup=False, highlight=False, emoji=False)
"""Only asked to resolve a text's spans into segments; it writes nothing."""


def row_strip(
    lead: Text,
    places: Sequence[Place[R]],
    cells: Sequence[Text],
    width: int,
    *,
    base: Style,
    unicode: bool,
    over: Style | None = None,
) -> Strip:
    """Draw ``lead`` and ``cells`` at their ``places``, exactly ``width`` cells wide.

    Args:
        lead: What stands left of the first column, at its own width.
        places: Where each cell stands, counted from the end of ``lead``.
        cells: One text a place.
        width: Cells of the whole line.
        base: The widget's own colours.
        unicode: Whether ``…`` may mark what was cut.
        over: Style laid over the line, such as the cursor's background.
    """
    segments = _segments(lead)
    start = at = width_of(lead.plain)
    for place, cell in zip(places, cells, strict=True):
        cell, taken = _cut(cell, place, unicode)
        begin = start + place.x
        if place.column.align == "right":
            begin += place.width - taken
        _fill(segments, begin - at)
        segments.extend(_segments(cell))
        at = begin + taken
    _fill(segments, width - at)
    segments = [Segment(text, _laid(base, style, over)) for text, style, _ in segments]
    return Strip(segments, max(width, at)).crop(0, width)


def text_strip(text: Text, width: int, base: Style, over: Style | None = None) -> Strip:
    """Draw ``text`` from the left, cut or filled to ``width`` cells, with ``over`` laid over it."""
    segments = [Segment(part, _laid(base, style, over)) for part, style, _ in _segments(text)]
    return Strip(segments).adjust_cell_length(width, _laid(base, None, over))


def changed_span(before: Strip, after: Strip) -> tuple[int, int] | None:
    """Return from which to which cell two strips of one width differ; None if they do not."""
    if before is after:
        return None
    old, new = list(before), list(after)
    shortest = min(len(old), len(new))
    start = head = 0
    while head < shortest and old[head] == new[head]:
        start += width_of(new[head].text)
        head += 1
    if head == len(old) == len(new):
        return None
    end, tail = after.cell_length, 0
    while tail < shortest - head and old[-1 - tail] == new[-1 - tail]:
        end -= width_of(new[-1 - tail].text)
        tail += 1
    return start, max(end, start + 1)


def _cut(cell: Text, place: Place[R], unicode: bool) -> tuple[Text, int]:
    """Return ``cell`` in at most the cells of its ``place``, and how many it takes."""
    taken = width_of(cell.plain)
    if taken <= place.width:
        return cell, taken
    if place.column.keep == "tail" and not cell.spans:
        short = cut_head(cell.plain, place.width, unicode=unicode)
        cell = Text(short, style=cell.style, no_wrap=True, end="")
    else:
        cell = shortened(cell, place.width, unicode=unicode)
    return cell, width_of(cell.plain)


def _fill(segments: list[Segment], cells: int) -> None:
    """Add ``cells`` blanks; to the last segment if it can take them, as each one costs bytes."""
    if cells <= 0:
        return
    if segments:
        text, style, _ = segments[-1]
        if style is None or not (style.reverse or style.bgcolor or style.underline):
            segments[-1] = Segment(text + " " * cells, style)
            return
    segments.append(Segment(" " * cells))


def _segments(text: Text) -> list[Segment]:
    if not text.plain:
        return []
    if not text.spans:
        return [Segment(text.plain, _style_of(text))]
    return [segment for segment in text.render(_CONSOLE, end="") if segment.text]


def _style_of(text: Text) -> Style | None:
    style = text.style
    return style if isinstance(style, Style) else (Style.parse(style) if style else None)


def _laid(base: Style, style: Style | None, over: Style | None) -> Style:
    laid = base if style is None else base + style
    # What is reversed (LOST) keeps its own background: it must be seen on the cursor's row too.
    if over is None or laid.reverse:
        return laid
    if over.reverse:
        # Each colour reversed would make a patchwork of the row.
        return base + Style(bold=laid.bold, meta=laid.meta) + over
    return laid + over

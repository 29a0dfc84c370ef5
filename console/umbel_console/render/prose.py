"""Sentences over several rows: broken between words, with a sign where there is no room for the rest."""

from __future__ import annotations

from rich.text import Text

from umbel_console.render.context import DrawContext
from umbel_console.render.document import DocLine, Layout
from umbel_console.render.text import cut, width_of


def wrapped(text: Text, width: int, most: int, draw: DrawContext, *, hang: int = 0) -> list[Text]:
    """Break ``text`` between words into at most ``most`` rows; ``…`` at the end says it goes on.

    Args:
        text: One line, cleaned.
        width: Cells of a row.
        most: Rows there is room for, at least 1.
        draw: The means.
        hang: Cells by which the second and later rows are indented.
    """
    width = max(1, width)
    layout = Layout([DocLine(text, hang, prose=True)], width)
    rows = [layout.row(number) for number in range(min(len(layout), max(1, most)))]
    if len(layout) > len(rows):
        mark = draw.glyph("…", "~")
        kept = cut(rows[-1].plain, width - 1, unicode=draw.unicode)
        last = rows[-1]
        last.plain = kept if kept.endswith(mark) else kept + mark
        assert width_of(last.plain) <= width
    return rows


def paragraph(rows: list[Text]) -> Text:
    """Return ``rows`` as one text for a widget that breaks nothing itself."""
    joined = Text("\n", end="").join(rows)
    joined.no_wrap = True
    return joined

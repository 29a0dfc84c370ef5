"""Facts with their names, flowing over as many lines as they need. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from umbel_console.render.context import DrawContext
from umbel_console.render.text import cut, width_of

GAP = 3

Fact = tuple[str, Text | None]
"""Its name and what it is; None leaves it out, because it is not known."""


def flow(facts: Sequence[Fact], draw: DrawContext, width: int, *, most_lines: int = 4) -> Text:
    """Draw facts one after the other, none broken in two; what finds no place is cut with a sign."""
    lines: list[Text] = [draw.empty()]
    for name, value in facts:
        if value is None:
            continue
        piece = draw.empty()
        piece.append_text(draw.cell(f"{name} ", "muted")).append_text(value)
        taken = width_of(lines[-1].plain)
        if taken and taken + GAP + width_of(piece.plain) > width:
            lines.append(draw.empty())
            taken = 0
        if taken:
            lines[-1].append(" " * GAP)
        lines[-1].append_text(piece)
    drawn = [_cut(line, width, draw) for line in lines[:most_lines]]
    if len(lines) > most_lines:
        drawn[-1] = _cut(drawn[-1], width - 2, draw).append_text(
            draw.cell(draw.glyph(" …", " ~"), "muted")
        )
    return Text("\n").join(drawn)


def _cut(line: Text, width: int, draw: DrawContext) -> Text:
    if width_of(line.plain) <= width:
        return line
    kept = len(cut(line.plain, width, unicode=draw.unicode)) - 1
    short = line[:kept]
    short.append(draw.glyph("…", "~"))
    return short

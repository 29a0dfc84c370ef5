"""Why a task does not run yet, one sentence a cause, each with how sure it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from umbel_console.render.context import DrawContext
from umbel_console.render.document import DocLine, Layout, said
from umbel_console.render.time import ago, clock, ticking
from umbel_console.services import WhyAnswer

if TYPE_CHECKING:
    from umbel_backend.broker.why_waiting import Cause

HEAD = "why it does not run: "


def why(answer: WhyAnswer | None, draw: DrawContext, *, can_ask: bool) -> list[DocLine]:
    """Draw the causes; before the first answer, that it is being asked.

    Args:
        answer: What was found out; None so far.
        draw: The means.
        can_ask: False where there is nobody to ask.
    """
    if not can_ask:
        return [said(f"{HEAD}cannot be told, nobody can be asked here", draw)]
    if answer is None:
        return [said(f"{HEAD}asking broker and workers", draw)]
    age_s = draw.now - answer.asked_at
    told = "just asked" if age_s < 2 else f"asked {ago(answer.asked_at, draw.now)}"
    return [said(f"{HEAD}{told}", draw), *(_cause(cause, draw) for cause in answer.causes)]


def rows(lines: list[DocLine], width: int, most: int, draw: DrawContext) -> list[Text]:
    """Break ``lines`` into at most ``most`` rows; a sign says what is left out."""
    layout = Layout(lines, width)
    if len(layout) <= most:
        return [layout.row(number) for number in range(len(layout))]
    shown = [layout.row(number) for number in range(max(1, most - 1))]
    left = len(lines) - layout.line_at(most - 2) - 1
    noun = "cause" if left == 1 else "causes"
    more = f"{left} more {noun}, all in the part Why" if left > 0 else "all of it in the part Why"
    return [*shown, draw.cell(f"{draw.glyph('…', '...')} {more}", "muted")]


def _cause(cause: Cause, draw: DrawContext) -> DocLine:
    sign, role = {
        "known": (draw.glyph("▸", ">"), "foreground"),
        "likely": ("~", "foreground"),
        "unknown": ("?", "warn"),
    }[cause.certainty]
    text = Text(end="").append_text(draw.cell(f"{sign} ", "accent", bold=True))
    if cause.certainty == "likely":
        text.append_text(draw.cell("likely: ", "muted"))
    text.append_text(draw.cell(cause.sentence, role))
    if cause.until is not None:
        left = cause.until - draw.now
        when = f"in {ticking(left + 0.999)}" if left > 0 else ago(cause.until, draw.now)
        text.append_text(draw.cell(f" ({clock(cause.until, draw.zone)}, {when})", "warn"))
    return DocLine(text, 2, prose=True)

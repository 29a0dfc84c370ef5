"""Draws what a task takes, as the form that runs it shows it under the task's name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from umbel_console.render.context import DrawContext
from umbel_console.render.prose import wrapped

if TYPE_CHECKING:
    from umbel_backend.acts.signature import Signature

_MOST_PARAMETERS = 2
"""Rows for what it takes; all else that is known has one."""


def help_rows(
    signatures: Sequence[Signature], seen: str, width: int, most: int, draw: DrawContext
) -> list[Text]:
    """Return what is known of a task that workers know, what helps most first.

    Args:
        signatures: As agents told them; may be empty.
        seen: The arguments that it was seen with last; empty if it was not seen.
        width: Cells of a row.
        most: Rows there is room for.
        draw: The means.
    """
    rows: list[Text] = []
    lines: list[Text] = []
    for signature in signatures[:1]:
        takes = draw.cell(f"takes {signature.text()}")
        rows += wrapped(takes, width, min(_MOST_PARAMETERS, most), draw)
        if len(signatures) > 1:
            count = len(signature.workers)
            words = f"in {count} worker{'s' if count != 1 else ''}; others have different code"
            lines.append(draw.cell(words, "warn"))
        if signature.words:
            lines.append(draw.cell(signature.words, "muted"))
    if seen:
        lines.append(draw.cell(f"seen last with {seen}", "muted"))
    if not rows and not lines:
        lines.append(draw.cell("workers know it", "muted"))
    return [*rows, *(row for line in lines for row in wrapped(line, width, 1, draw))][:most]

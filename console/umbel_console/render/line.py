"""One line of chrome made of parts that give way to each other when the terminal is narrow."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from rich.text import Text

from umbel_console.render.text import shortened, width_of


class Part(Struct, frozen=True):
    """A piece of a line that is shown whole or not at all."""

    text: Text
    rank: int = 0
    """0 always stays; among the others the highest goes first."""
    right: bool = False
    """It stands at the right end."""


def fit(parts: Sequence[Part], width: int, *, gap: int = 2, unicode: bool = True) -> Text:
    """Lay ``parts`` out in exactly ``width`` cells, dropping the least important until they fit.

    Args:
        parts: In their order.
        width: Cells of the line.
        gap: Cells between two parts.
        unicode: Whether ``…`` may mark what was cut.
    """
    kept = [part for part in parts if part.text.plain]
    while len(kept) > 1 and _length(kept, gap) > width:
        worst = max(kept, key=lambda part: part.rank)
        if worst.rank == 0:
            break
        kept.remove(worst)
    left = _joined([part for part in kept if not part.right], gap)
    right = _joined([part for part in kept if part.right], gap)
    space = width - width_of(left.plain) - width_of(right.plain)
    if space < 0:
        left = shortened(left, width - width_of(right.plain), unicode=unicode)
        space = max(0, width - width_of(left.plain) - width_of(right.plain))
    left.append(" " * space)
    left.append_text(right)
    return shortened(left, width, unicode=unicode)


def _length(parts: Sequence[Part], gap: int) -> int:
    return sum(width_of(part.text.plain) for part in parts) + gap * (len(parts) - 1)


def _joined(parts: Sequence[Part], gap: int) -> Text:
    line = Text(no_wrap=True, end="")
    for number, part in enumerate(parts):
        if number:
            line.append(" " * gap)
        line.append_text(part.text)
    return line

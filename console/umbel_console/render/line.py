"""One line of chrome made of parts that give way to each other when the terminal is narrow."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from rich.style import Style
from rich.text import Text

from umbel_console.render.context import DrawContext
from umbel_console.render.text import shortened, width_of

_LEAST = 8
"""Cells of a part below which it is not narrowed."""


class Part(Struct, frozen=True):
    """A piece of a line that is shown whole or not at all."""

    text: Text
    rank: int = 0
    """0 always stays; among the others the highest goes first."""
    right: bool = False
    """It stands at the right end."""


def part_title(name: str, shown: bool, count: int, role: str, draw: DrawContext) -> Text:
    """Return the title of a part of a detail, in brackets if it is the one ``shown``.

    It is as wide in either case, so that nothing beside it moves.
    """
    figure = f"{count:,} " if count else ""
    text = draw.empty()
    text.append_text(draw.cell(f"[{name}] " if shown else f" {name} ", role, bold=shown))
    text.append_text(draw.cell(figure, "muted"))
    text.stylize(Style(meta={"does": f"part.{name}"}))
    return text if shown else text.append(" ")


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
    kept = _narrowed(kept, _length(kept, gap) - width, unicode)
    left = _joined([part for part in kept if not part.right], gap)
    right = _joined([part for part in kept if part.right], gap)
    space = width - width_of(left.plain) - width_of(right.plain)
    if space < 0:
        left = shortened(left, width - width_of(right.plain), unicode=unicode)
        space = max(0, width - width_of(left.plain) - width_of(right.plain))
    left.append(" " * space)
    left.append_text(right)
    return shortened(left, width, unicode=unicode)


def _narrowed(parts: list[Part], excess: int, unicode: bool) -> list[Part]:
    """Take ``excess`` cells from the longest part: a name of any length must not hide what follows it."""
    if excess <= 0 or len(parts) < 2:
        return parts
    number = max(range(len(parts)), key=lambda n: width_of(parts[n].text.plain))
    part = parts[number]
    room = max(_LEAST, width_of(part.text.plain) - excess)
    short = shortened(part.text, room, unicode=unicode)
    return [*parts[:number], Part(short, part.rank, part.right), *parts[number + 1 :]]


def _length(parts: Sequence[Part], gap: int) -> int:
    return sum(width_of(part.text.plain) for part in parts) + gap * (len(parts) - 1)


def _joined(parts: Sequence[Part], gap: int) -> Text:
    line = Text(no_wrap=True, end="")
    for number, part in enumerate(parts):
        if number:
            line.append(" " * gap)
        line.append_text(part.text)
    return line

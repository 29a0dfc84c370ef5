"""Plain aligned columns for people: fitted to a terminal, whole when piped."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from umbel_console.cli.output import is_utf8, plain, print_line, styled
from umbel_console.render.text import cut, width_of

Row = TypeVar("Row")

_GAP = "  "


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """One column of a listing."""

    title: str
    text: Callable[[Row], str | None]
    """The cell; None is shown as a dash."""
    right: bool = False
    """Align to the right, for numbers."""
    least: int = 0
    """Cells it may be cut to on a narrow terminal; 0 keeps it whole."""
    rank: int = 0
    """On a narrow terminal columns are dropped from the highest rank down; rank 0 stays."""
    style: Callable[[Row], dict[str, Any]] = field(default=lambda _row: {})


def print_table(columns: Sequence[Column[Row]], rows: Iterable[Row]) -> None:
    """Print ``rows`` under the titles of ``columns``.

    Without rows nothing is printed: why there are none is a note on stderr. A line is never
    wrapped: on a terminal cells are cut and columns dropped until it fits, in a pipe nothing is.
    """
    listed = list(rows)
    if not listed:
        return
    dash = "–" if is_utf8(sys.stdout) else "-"
    cells = [[_cell(column.text(row), dash) for column in columns] for row in listed]
    widths = [
        max([width_of(column.title), *(width_of(line[i]) for line in cells)])
        for i, column in enumerate(columns)
    ]
    shown = list(range(len(columns)))
    if sys.stdout.isatty():
        shown, widths = _fitted(columns, widths, shutil.get_terminal_size().columns)
    last = shown[-1] if shown else 0
    print_line(
        _line(
            [
                (c.title, widths[i], c.right, i == last, {"bold": True})
                for i, c in enumerate(columns)
                if i in shown
            ]
        )
    )
    for row, line in zip(listed, cells, strict=True):
        print_line(
            _line(
                [
                    (line[i], widths[i], columns[i].right, i == last, columns[i].style(row))
                    for i in shown
                ]
            )
        )


def _cell(text: str | None, dash: str) -> str:
    return plain(text) if text else dash


def _line(cells: Sequence[tuple[str, int, bool, bool, dict[str, Any]]]) -> str:
    parts = []
    for text, width, right, is_last, style in cells:
        text = cut(text, width, unicode=is_utf8(sys.stdout))
        pad = " " * (width - width_of(text))
        text = styled(text, **style)
        parts.append(pad + text if right else text if is_last else text + pad)
    return _GAP.join(parts).rstrip()


def _fitted(
    columns: Sequence[Column[Row]], widths: list[int], room: int
) -> tuple[list[int], list[int]]:
    """Choose the columns to show in ``room`` cells, and how wide each is."""
    shown = list(range(len(columns)))

    def total(sizes: Sequence[int]) -> int:
        return sum(sizes[i] for i in shown) + len(_GAP) * (len(shown) - 1)

    least = [min(w, c.least) if c.least else w for c, w in zip(columns, widths, strict=True)]
    while total(least) > room and any(columns[i].rank for i in shown):
        shown.remove(max(shown, key=lambda i: columns[i].rank))
    widths = list(widths)
    for i in sorted(shown, key=lambda i: widths[i] - least[i], reverse=True):
        over = total(widths) - room
        if over <= 0:
            break
        widths[i] = max(least[i], widths[i] - over)
    return shown, widths


def print_facts(facts: Iterable[tuple[str, str | None]]) -> None:
    """Print names and values below each other; a value of None is left out."""
    known = [(name, value) for name, value in facts if value is not None]
    width = max((width_of(name) for name, _ in known), default=0)
    for name, value in known:
        pad = " " * (width - width_of(name))
        print_line(f"{styled(name, dim=True)}{pad}  {plain(value)}".rstrip())

"""Draws what a terminal showed as SVG: one moment as a still, several as a film."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

import pyte
from pyte.screens import Char
from rich.cells import cell_len
from rich.color import Color, ColorType
from rich.style import Style
from textual.strip import Strip

CELL_W, CELL_H, MARGIN = 8.4, 18.0, 14.0
FONT = "'DejaVu Sans Mono', Menlo, Consolas, monospace"
NAMED: Mapping[str, str] = {
    "black": "#1c2127",
    "red": "#d75f5f",
    "green": "#79b56b",
    "brown": "#d9b44a",
    "blue": "#6ea8ea",
    "magenta": "#c98bc9",
    "cyan": "#4fc6cb",
    "white": "#d3dae1",
}
"""The colours pyte names, as a terminal of today shows them."""
BRIGHT: Mapping[str, str] = {
    "black": "#7f8b97",
    "red": "#ef6b6b",
    "green": "#9ccc65",
    "brown": "#f0cc66",
    "blue": "#8ec0ff",
    "magenta": "#e0a8e0",
    "cyan": "#6fe0e5",
    "white": "#ffffff",
}


@dataclass(frozen=True, slots=True)
class Look:
    """Colours and weight of a run of cells."""

    colour: str
    ground: str
    bold: bool
    underlined: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """What the terminal showed at one moment: per line, runs of text with their look."""

    columns: int
    lines: tuple[tuple[tuple[int, str, Look], ...], ...]
    """Each run with the column it begins at."""


def frame_of(screen: pyte.Screen, *, colour: str, ground: str) -> Frame:
    """Return what ``screen`` shows; ``colour`` and ``ground`` stand for the terminal's defaults."""
    lines = []
    for y in range(screen.lines):
        row = screen.buffer[y]
        cells = [(x, row[x], _look(row[x], colour, ground)) for x in range(screen.columns)]
        lines.append(tuple(_runs(cells)))
    return Frame(screen.columns, tuple(lines))


def frame_of_strips(strips: Sequence[Strip], *, colour: str, ground: str) -> Frame:
    """Return what ``strips``, a screen of Textual's, show; the colours stand for the defaults."""
    lines = []
    for strip in strips:
        runs, at = [], 0
        for segment in strip:
            if not segment.text:
                continue
            runs.append((at, segment.text, _styled(segment.style or Style(), colour, ground)))
            at += cell_len(segment.text)
        lines.append(tuple(runs))
    return Frame(strips[0].cell_length if strips else 0, tuple(lines))


def still(frame: Frame, *, ground: str, title: str) -> str:
    """Return ``frame`` as an SVG document."""
    return _document(frame, ground, title, "", _drawn(frame, ground))


def film(frames: Sequence[tuple[float, Frame]], *, ground: str, title: str, hold_s: float) -> str:
    """Return ``frames`` as an SVG document that plays them for ever.

    Args:
        frames: Each with the second it begins at, in order; the first at 0.
        ground: The colour behind all of it.
        title: What it shows, for those who cannot see it.
        hold_s: How long the last stays.
    """
    total_s = frames[-1][0] + hold_s
    ends = [at for at, _ in frames[1:]] + [total_s]
    rules, groups = [], []
    for number, ((start, frame), end) in enumerate(zip(frames, ends, strict=True)):
        first, last = 100 * start / total_s, 100 * end / total_s
        rules.append(
            f"@keyframes f{number}{{0%{{visibility:{'visible' if not number else 'hidden'}}}"
            f"{first:.3f}%{{visibility:visible}}{last:.3f}%,100%{{visibility:hidden}}}}"
            f"#f{number}{{visibility:hidden;animation:f{number} {total_s:.2f}s step-end infinite}}"
        )
        groups.append(f'<g id="f{number}">{_drawn(frame, ground)}</g>')
    return _document(frames[0][1], ground, title, "".join(rules), "".join(groups))


def _look(cell: Char, colour: str, ground: str) -> Look:
    front = _colour(cell.fg, colour)
    back = _colour(cell.bg, ground)
    if cell.reverse:
        front, back = back, front
    return Look(front, back, cell.bold, cell.underscore)


def _colour(name: str, default: str) -> str:
    if name == "default":
        return default
    return NAMED.get(name.removeprefix("bright"), f"#{name}" if len(name) == 6 else default)


def _styled(style: Style, colour: str, ground: str) -> Look:
    front, back = _named(style.color, colour), _named(style.bgcolor, ground)
    if style.reverse:
        front, back = back, front
    if style.dim:
        front = _between(front, back)
    return Look(front, back, bool(style.bold), bool(style.underline))


def _named(colour: Color | None, default: str) -> str:
    if colour is None or colour.type is ColorType.DEFAULT:
        return default
    if colour.type is ColorType.STANDARD and colour.number is not None:
        shown = NAMED if colour.number < 8 else BRIGHT
        return list(shown.values())[colour.number % 8]
    return colour.get_truecolor().hex


def _between(front: str, back: str) -> str:
    """Return ``front`` as terminals draw it dim."""
    pairs = ((int(front[n : n + 2], 16), int(back[n : n + 2], 16)) for n in (1, 3, 5))
    return "#" + "".join(f"{round(0.6 * f + 0.4 * b):02x}" for f, b in pairs)


def _runs(cells: Sequence[tuple[int, Char, Look]]) -> Iterator[tuple[int, str, Look]]:
    for look, group in groupby(cells, key=lambda cell: cell[2]):
        found = list(group)
        yield found[0][0], "".join(cell.data for _, cell, _ in found), look


def _drawn(frame: Frame, ground: str) -> str:
    parts = []
    for y, runs in enumerate(frame.lines):
        top = MARGIN + y * CELL_H
        for x, text, look in runs:
            left, wide = MARGIN + x * CELL_W, cell_len(text) * CELL_W
            if look.ground != ground:
                parts.append(
                    f'<rect x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{CELL_H:g}" '
                    f'fill="{look.ground}"/>'
                )
            # Each piece gets a place of its own: not every viewer keeps several spaces.
            for piece in re.finditer(r"\S+(?: \S+)*", text):
                before = cell_len(text[: piece.start()])
                parts.append(_words(left + before * CELL_W, top, piece.group(), look))
    return "".join(parts)


def _words(left: float, top: float, text: str, look: Look) -> str:
    weight = ' font-weight="bold"' if look.bold else ""
    line = ' text-decoration="underline"' if look.underlined else ""
    # The length is given, so that columns stand in line whatever font there is.
    return (
        f'<text x="{left:.1f}" y="{top + CELL_H * 0.74:.1f}" textLength="{cell_len(text) * CELL_W:.1f}" '
        f'fill="{look.colour}"{weight}{line}>{escape(text)}</text>'
    )


def _document(frame: Frame, ground: str, title: str, rules: str, body: str) -> str:
    wide = frame.columns * CELL_W + 2 * MARGIN
    high = len(frame.lines) * CELL_H + 2 * MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:g} {high:g}" '
        f'width="{wide:g}" height="{high:g}" role="img">'
        f"<title>{escape(title)}</title>"
        f"<style>text{{font:14px {FONT};white-space:pre}}{rules}</style>"
        f'<rect width="100%" height="100%" rx="8" fill="{ground}"/>{body}</svg>\n'
    )

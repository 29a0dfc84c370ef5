"""A traceback as one reads it: own frames bright, those of libraries dim, the error set off."""

from __future__ import annotations

import re

from rich.text import Text

from umbel_console.render.context import DrawContext
from umbel_console.render.document import DocLine, blank, bounded, said

_FRAME = re.compile(r'^(\s*File )(".*?")(, line )(\d+)(, in )(.*)$')
_LIBRARY = re.compile(
    r"[/\\](?:site|dist)-packages[/\\]|[/\\]lib[/\\]python\d|<frozen |[/\\]Lib[/\\]"
)
_ERROR = re.compile(r"^[A-Za-z_][\w.]*(?:Error|Exception|Warning|Exit|Interrupt|Timeout|Group)?\b")
_BETWEEN = ("The above exception was", "During handling of the above")
_GUTTER = 2
_LONG = 1_000
"""Characters from which a line is of one colour."""


def traceback(text: str | None, draw: DrawContext) -> list[DocLine]:
    """Draw a traceback as Celery sent it.

    The last frame of code that is not a library's is marked, and so is every line that names an
    exception.
    """
    if not text:
        return [said("No traceback: the task did not raise, or none was sent.", draw)]
    raw, sign = bounded(text.rstrip(), draw)
    own = _own_frames(raw)
    marked = max(own, default=-1)
    lines: list[DocLine] = []
    bright = False
    ended = _error_starts(raw)
    for number, line in enumerate(raw):
        frame = _FRAME.match(line)
        if frame is not None:
            bright = number in own
            lines.append(_frame(frame, draw, bright=bright, marked=number == marked))
        elif number in ended:
            last = number == max(ended)
            lines.append(_error(line, draw, last=last))
        elif line.startswith(_BETWEEN):
            lines.append(_row(line, "warn", draw))
        elif line.startswith("Traceback ") or not line.strip():
            lines.append(_row(line, "muted", draw))
        elif line[:1] == " ":
            is_pointer = not line.strip(" ^~")
            role = "bad" if is_pointer and bright else "foreground" if bright else "muted"
            lines.append(_row(line, role, draw))
        else:
            lines.append(_row(line, "bad", draw))
    return lines if sign is None else [*lines, blank(), sign]


def _own_frames(lines: list[str]) -> set[int]:
    """Return the frames of the project's own code; all of them if every one is a library's."""
    frames = {number: match for number, line in enumerate(lines) if (match := _FRAME.match(line))}
    own = {number for number, match in frames.items() if not _LIBRARY.search(match[2])}
    return own or set(frames)


def _error_starts(lines: list[str]) -> set[int]:
    """Return the first line of each exception: not indented, below frames."""
    found: set[int] = set()
    below_frames = False
    for number, line in enumerate(lines):
        if line.startswith((" ", "\t")):
            below_frames = True
        elif line.startswith("Traceback ") or line.startswith(_BETWEEN):
            below_frames = False
        elif below_frames and _ERROR.match(line):
            found.add(number)
            below_frames = False
    if not found and lines and lines[-1][:1].strip():
        found.add(len(lines) - 1)
    return found


def _frame(frame: re.Match[str], draw: DrawContext, *, bright: bool, marked: bool) -> DocLine:
    plain = draw.palette.style("foreground" if bright else "muted")
    strong = draw.palette.style("accent", bold=True) if bright else plain
    text = Text(end="")
    text.append(draw.glyph("▸ ", "> ") if marked else " " * _GUTTER, strong)
    styles = (draw.muted, plain, draw.muted, strong, draw.muted, strong)
    for part, style in zip(frame.groups(), styles, strict=True):
        text.append(part, style)
    return DocLine(text, _GUTTER + 4)


def _error(line: str, draw: DrawContext, *, last: bool) -> DocLine:
    mark = draw.glyph("✗ ", "x ")
    if len(line) > _LONG:
        return DocLine(mark + line, _GUTTER + 2, style=draw.palette.style("bad", bold=last))
    name, colon, message = line.partition(":")
    text = Text(end="")
    text.append(mark, draw.palette.style("bad", bold=last))
    text.append(name, draw.palette.style("bad", bold=True))
    text.append(f"{colon}{message}", draw.palette.style("bad", bold=last))
    return DocLine(text, _GUTTER + 2)


def _row(line: str, role: str, draw: DrawContext) -> DocLine:
    return DocLine(" " * _GUTTER + line, _GUTTER + 4, style=draw.palette.style(role))

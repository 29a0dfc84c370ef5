"""Values of tasks laid out to be read: JSON and Python literals over several lines, others as they are.

Nothing is evaluated: a repr is read by `ast.literal_eval`, within bounds, or not at all.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from umbel_console.render.context import DrawContext
from umbel_console.render.document import MOST_LINES, DocLine, block, said
from umbel_console.render.text import clean_block

Dialect = Literal["json", "python"]

MOST_READ = 12_000
"""Longest repr that is read as a literal; reading one takes about a microsecond a character."""
MOST_DECODED = 80_000
"""Longest JSON that is read; that is fifty times as fast."""
_DEEPEST = 24
"""Beyond this depth a value stands on one line."""
_FLAT = 72
"""A container that fits in so many cells stands on one line."""
_LONG = 1_000
"""A line longer than this stands below its name."""
_UNREADABLE = (ValueError, SyntaxError, MemoryError, RecursionError, SystemError, TypeError)

NOTHING = object()
"""Returned for a text that is no literal; None is a value."""


def literal(text: str) -> Any:
    """Return the value of a Python literal; `NOTHING` if ``text`` is none, or too long to be read."""
    if len(text) > MOST_READ or not text.strip():
        return NOTHING
    try:
        return ast.literal_eval(text)
    except _UNREADABLE:
        return NOTHING


def parsed(text: str, exact: bool) -> tuple[Any, Dialect]:
    """Return the value behind ``text`` and how to write it; `NOTHING` if it can only be shown.

    Args:
        text: JSON if ``exact``, else a repr of Celery's, which may have been cut.
        exact: As in `umbel_backend.records`.
    """
    if exact and len(text) <= MOST_DECODED:
        try:
            return json.loads(text), "json"
        except _UNREADABLE:
            return NOTHING, "json"
    value = NOTHING if exact else literal(text)
    return value, "python"


def laid_out(value: Any, dialect: Dialect) -> list[str] | None:
    """Return ``value`` over as many lines as it takes; None if it cannot be written."""
    try:
        lines: list[str] = []
        for line in _lines(value, dialect, 0, "", ""):
            lines.append(line)
            if len(lines) > MOST_LINES:
                break
        return lines
    except _UNREADABLE:
        return None


def named(
    name: str, text: str, value: Any, dialect: Dialect, draw: DrawContext, wide: int = 0
) -> list[DocLine]:
    """Draw ``name = value``, the value over several lines if it is large.

    Args:
        name: Empty for a value that stands alone.
        text: The value as it came; shown if it is no literal.
        value: What `parsed` made of it.
        dialect: How to write it.
        draw: The means.
        wide: Cells to fill the name up to.
    """
    lines = None if value is NOTHING else laid_out(value, dialect)
    if lines is None:
        shown = block(text, draw)
    else:
        cut = len(lines) > MOST_LINES
        style = draw.palette.style("foreground")
        shown = [
            DocLine(line, _indent(line) + 2, style=style)
            for raw in lines[:MOST_LINES]
            for line in clean_block(raw, unicode=draw.unicode).split("\n")
        ]
        if cut:
            shown.append(said("cut here: there are more lines", draw, "warn"))
    if not name:
        return shown
    head = draw.empty().append_text(draw.cell(name, "accent"))
    head.append(" " * max(0, wide - len(head.plain)) + " = ", draw.muted)
    first = shown[0]
    if len(first.plain) > _LONG:
        return [DocLine(head), *shown]
    return [DocLine(head.append_text(first.text), min(len(head.plain), 4)), *shown[1:]]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _lines(value: Any, dialect: Dialect, depth: int, before: str, after: str) -> Iterator[str]:
    """Yield the lines of ``value`` with ``before`` in front of the first and ``after`` at the end."""
    indent = "  " * depth
    is_container = isinstance(value, dict | list | tuple | set | frozenset) and len(value) > 0
    if not is_container or depth >= _DEEPEST or _is_short(value):
        flat = _flat(value, dialect)
        if not is_container or depth >= _DEEPEST or len(flat) <= _FLAT:
            yield f"{indent}{before}{flat}{after}"
            return
    opening, closing = _brackets(value)
    yield f"{indent}{before}{opening}"
    members = list(_members(value, dialect))
    for number, (key, member) in enumerate(members):
        comma = "," if number < len(members) - 1 else ""
        yield from _lines(member, dialect, depth + 1, key, comma)
    yield f"{indent}{closing}{after}"


def _is_short(value: Any) -> bool:
    """Whether it is worth trying to write it on one line: a large container is walked once only."""
    return len(value) <= _FLAT // 3 and all(
        not isinstance(each, dict | list | tuple | set | frozenset) or len(each) <= 4
        for each in (value.values() if isinstance(value, dict) else value)
    )


def _flat(value: Any, dialect: Dialect) -> str:
    return json.dumps(value, ensure_ascii=False) if dialect == "json" else repr(value)


def _brackets(value: Any) -> tuple[str, str]:
    if isinstance(value, dict):
        return "{", "}"
    if isinstance(value, tuple):
        return "(", ",)" if len(value) == 1 else ")"
    if isinstance(value, list):
        return "[", "]"
    return ("frozenset({", "})") if isinstance(value, frozenset) else ("{", "}")


def _members(value: Any, dialect: Dialect) -> Iterable[tuple[str, Any]]:
    if isinstance(value, dict):
        return ((f"{_flat(key, dialect)}: ", member) for key, member in value.items())
    return (("", member) for member in value)

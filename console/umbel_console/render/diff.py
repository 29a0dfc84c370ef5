"""What was changed in a text, line by line. Pure."""

from __future__ import annotations

from difflib import SequenceMatcher

from umbel_console.render.context import DrawContext
from umbel_console.render.document import DocLine, said
from umbel_console.render.text import clean_cell

MOST_LINES = 4_000
"""Longest text that is compared line by line."""


def difference(before: str, after: str, draw: DrawContext) -> list[DocLine]:
    """Draw the lines that differ, with the sign of a difference; one sentence if none does."""
    old, new = before.splitlines(), after.splitlines()
    if max(len(old), len(new)) > MOST_LINES:
        return [said("It is too long to tell what was changed.", draw, "warn")]
    lines = []
    for tag, from_, to, at, until in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        lines += [_line("-", text, "bad", draw) for text in old[from_:to]]
        lines += [_line("+", text, "good", draw) for text in new[at:until]]
    return lines or [said("Nothing was changed.", draw)]


def _line(sign: str, text: str, role: str, draw: DrawContext) -> DocLine:
    style = draw.palette.style(role)
    return DocLine(f"{sign} {clean_cell(text, unicode=draw.unicode)}", 2, style=style)

"""The exact message of a task as its agent kept it, to be read: facts, headers, properties, body. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.text import Text

from umbel_backend.records import KeptMessage, TaskRecord
from umbel_console.render.context import DrawContext
from umbel_console.render.document import MOST_CHARACTERS, DocLine, blank, block, said
from umbel_console.render.time import exact
from umbel_console.render.worker import size

_BYTES_A_ROW = 16
_MOST_BYTES = 1_024
"""Bytes of a body shown as numbers; more would not be read by anybody."""
_READABLE = ("application/json", "application/x-json", "text/")


def message_kept(
    kept: KeptMessage | None, draw: DrawContext, record: TaskRecord | None = None
) -> list[DocLine]:
    """Draw everything of a message; of none, or of one that was withheld, say so.

    Args:
        kept: The message; None if there is none.
        draw: The means.
        record: Its task; an old one's message may have been deleted.
    """
    if kept is None:
        is_old = record is not None and record.state_at < draw.now - 86_400.0
        or_else = ", or it was deleted for its age (message_days)" if is_old else ""
        return [said(f"Its exact message is not kept: no agent told of it{or_else}.", draw)]
    lines = [
        said(f"Its exact message, {state(kept)}:", draw, "foreground"),
        blank(),
        _fact("received", exact(kept.kept_at, draw.zone), draw),
        _fact("content type", kept.content_type, draw),
        _fact("encoding", kept.content_encoding, draw),
        _fact("size", None if kept.size_bytes is None else size(kept.size_bytes), draw),
    ]
    for name, values in (("headers", kept.headers), ("properties", kept.properties)):
        lines += [blank(), said(f"{name}:", draw), *block(_as_json(values), draw, hang=4)]
    return [*lines, blank(), *_body(kept, draw)]


def state(kept: KeptMessage) -> str:
    """Return what is kept of a message, as a phrase."""
    if kept.withheld:
        return f"whose body was not kept: {kept.withheld}"
    if kept.body is None:
        return "whose body was not kept"
    return "kept sealed: only who has the key can read its body" if kept.sealed else "kept whole"


def is_text(kept: KeptMessage) -> bool:
    """Whether the body is a text by its content type."""
    return not kept.sealed and (kept.content_type or "").startswith(_READABLE)


def _body(kept: KeptMessage, draw: DrawContext) -> list[DocLine]:
    body = kept.body
    if body is None:
        return []
    if is_text(kept):
        try:
            text = body[: MOST_CHARACTERS * 4].decode("utf-8")
        except UnicodeDecodeError:
            text = body[: MOST_CHARACTERS * 4].decode("utf-8", "backslashreplace")
        return [said("body:", draw), *block(text, draw, hang=4)]
    words = "body, as bytes; it is not decoded here:"
    return [said(words, draw), *_bytes(body, draw)]


def _bytes(body: bytes, draw: DrawContext) -> list[DocLine]:
    lines = []
    for at in range(0, min(len(body), _MOST_BYTES), _BYTES_A_ROW):
        row = body[at : at + _BYTES_A_ROW]
        text = Text(end="").append_text(draw.cell(f"{at:04x}  ", "muted"))
        text.append_text(draw.cell(row.hex(" ").ljust(3 * _BYTES_A_ROW)))
        seen = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(DocLine(text.append_text(draw.cell(f" {seen}", "muted")), 6))
    left = len(body) - _MOST_BYTES
    if left > 0:
        lines.append(said(f"cut here: {left:,} bytes are not shown", draw, "warn"))
    return lines


def _fact(name: str, value: str | None, draw: DrawContext) -> DocLine:
    text = Text(end="").append_text(draw.cell(f"  {name:<14}", "muted"))
    return DocLine(text.append_text(draw.nothing() if value is None else draw.cell(value)), 16)


def _as_json(values: Mapping[str, Any]) -> str:
    try:
        return json.dumps(values, ensure_ascii=False, indent=2, default=str)
    except (ValueError, RecursionError, TypeError) as error:
        return f"They cannot be written as JSON: {type(error).__name__}."

"""A task as data: its public record as JSON, and the events this console saw of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import copy
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.text import Text

from umbel_backend import wire
from umbel_backend.events.model import Event
from umbel_backend.records import KeptMessage, TaskRecord
from umbel_console.render.context import DrawContext
from umbel_console.render.document import MOST_CHARACTERS, DocLine, blank, block, said
from umbel_console.render.message_kept import message_kept
from umbel_console.render.text import clean_cell
from umbel_console.render.time import clock

_UNREADABLE = (ValueError, OverflowError, RecursionError, TypeError, OSError)


def as_json(record: TaskRecord) -> str:
    """Return the record as ``umbel task ID --json`` prints it, or a sentence why it cannot be written."""
    try:
        public = wire.task(record)
        try:
            return msgspec.json.format(msgspec.json.encode(public), indent=2).decode()
        except _UNREADABLE:
            # Ten times as slow, it takes numbers beyond 64 bits and lone surrogates too.
            return json.dumps(public, ensure_ascii=False, indent=2)
    except _UNREADABLE as error:
        return f"It cannot be written as JSON: {type(error).__name__}."


def raw(
    record: TaskRecord,
    events: Sequence[Event],
    seen: int,
    draw: DrawContext,
    kept: KeptMessage | None = None,
) -> list[DocLine]:
    """Draw the record as JSON, the events, then its exact message as far as it was kept.

    Args:
        record: The task.
        events: The last ones seen of it since its detail was opened.
        seen: How many there were.
        draw: The means.
        kept: Its exact message, or why there is none; None if nothing is known of it.
    """
    lines = [said("The record, as umbel task ID --json prints it; y copies it.", draw), blank()]
    lines += block(as_json(_shortened(record)), draw, hang=4)
    lines += [blank(), said(_events_words(len(events), seen), draw), blank()]
    for event in events:
        lines.append(_event(event, draw))
    return [*lines, *([blank()] if events else []), *message_kept(kept, draw, record)]


def _shortened(record: TaskRecord) -> TaskRecord:
    """Return the record with texts no longer than can be shown; they say where they were cut."""
    long = [
        name
        for name in (
            "args",
            "kwargs",
            "result",
            "exception",
            "traceback",
            "name",
            "queue",
            "worker",
        )
        if len(getattr(record, name) or "") > MOST_CHARACTERS
    ]
    if not long:
        return record
    short = copy(record)
    for name in long:
        setattr(short, name, getattr(record, name)[:MOST_CHARACTERS] + " ... cut here")
    return short


def _events_words(kept: int, seen: int) -> str:
    if not seen:
        return "No event of it came since this detail was opened; earlier ones are not kept."
    noun = "event" if seen == 1 else "events"
    words = f"{seen:,} {noun} of it came since this detail was opened; earlier ones are not kept."
    return words if kept == seen else f"{words} The last {kept:,}:"


def _event(event: Event, draw: DrawContext) -> DocLine:
    text = Text(end="").append_text(
        draw.cell(f"{clock(event.arrived_at, draw.zone, millis=True)}  ", "muted")
    )
    text.append_text(draw.cell(event.type, "accent")).append("  ")
    given = {
        name: value
        for name, value in msgspec.structs.asdict(event).items()
        if name not in ("type", "id") and value not in (None, "", False)
    }
    told = clean_cell(_one_line(given), unicode=draw.unicode)
    return DocLine(text.append(told, draw.palette.style("foreground")), 2)


def _one_line(given: dict[str, Any]) -> str:
    for name in ("at", "arrived_at"):
        try:
            given[name] = datetime.fromtimestamp(given[name], UTC).isoformat()
        except (KeyError, *_UNREADABLE):
            continue
    try:
        return json.dumps(given, ensure_ascii=False, default=msgspec.to_builtins)[:4_000]
    except _UNREADABLE:
        return "it cannot be written"

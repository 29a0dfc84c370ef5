"""What ``y`` can copy of a record: its id, its name, its arguments, the whole row as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from umbel_backend.records import Gap, MessageRecord, QueueRecord, TaskRecord, WorkerRecord
from umbel_console.render.text import clean_cell
from umbel_console.screens.menu import Choice

MOST_BYTES = 74_000
"""Most that is copied at once: longer OSC 52 sequences are dropped by xterm and others."""

_UNSAFE = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


def copy_choices(record: object, marked: int, filter_text: str) -> list[Choice]:
    """Return what can be copied of ``record``, of the marks and of the filter that holds."""
    choices = [Choice("id", "i", _word(record), "y copies it too")]
    if isinstance(record, TaskRecord | MessageRecord):
        choices.append(Choice("name", "n", "task name"))
        choices.append(Choice("arguments", "a", "arguments", _cut_note(record)))
    choices.append(Choice("row", "r", "row as JSON"))
    if marked:
        choices.append(Choice("marks", "m", f"{marked:,} marked", "one a line"))
    if filter_text:
        choices.append(Choice("filter", "f", "filter", clean_cell(filter_text)))
    return choices


def copied(what: str, record: object, key: str, marks: Sequence[str], filter_text: str) -> str:
    """Return the text for the choice ``what``; it has no character that a terminal obeys."""
    match what:
        case "name":
            return clean_cell(str(getattr(record, "name", None) or ""))
        case "arguments":
            return _arguments(record)
        case "row":
            return _row(record)
        case "marks":
            return "\n".join(map(clean_cell, marks))
        case "filter":
            return clean_cell(filter_text)
        case _:
            return clean_cell(key)


def _word(record: object) -> str:
    return "id" if isinstance(record, TaskRecord | MessageRecord) else "name"


def _cut_note(record: TaskRecord | MessageRecord) -> str:
    if isinstance(record, TaskRecord) and not record.args_complete:
        return "as the event told them, maybe cut"
    return ""


def _arguments(record: object) -> str:
    parts = [getattr(record, "args", None), getattr(record, "kwargs", None)]
    return clean_cell(" ".join(str(part) for part in parts if part is not None))


def _row(record: object) -> str:
    text = json.dumps(_public(record), ensure_ascii=False)
    if "NaN" in text or "Infinity" in text:
        # Some task's number has no JSON form.
        public = json.loads(text, parse_constant=lambda name: None)
        text = json.dumps(public, ensure_ascii=False)
    # Such characters occur in JSON's strings only, where their escape means the same.
    return _UNSAFE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def _public(record: object) -> Any:
    """Return ``record`` with the field names of the command line's ``--json``."""
    import msgspec

    from umbel_backend import wire

    match record:
        case TaskRecord():
            return wire.task(record)
        case WorkerRecord():
            return wire.worker(record)
        case QueueRecord():
            return wire.queue(record)
        case MessageRecord():
            return wire.message(record)
        case Gap():
            return wire.gap(record)
        case _:
            return msgspec.to_builtins(record)

"""Reads one result as Celery's backends store it: JSON with ``status``, ``result`` and the rest."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from umbel_backend import states
from umbel_backend.broker.answers import text, whole
from umbel_backend.events.fold import instant
from umbel_backend.events.text import clean, clean_json
from umbel_backend.records import Progress

TEXT_LIMIT = 65_536
"""Longest result, argument or traceback taken over, in characters."""

_CELERY_STATES = frozenset(states.ALL) | {"IGNORED"}
_HEAD = re.compile(rb'^\{"status": "([A-Za-z0-9_-]{1,50})"')
_DONE = re.compile(rb'"date_done": "([0-9T:.+Z-]{10,40})"')
_CURRENT = ("current", "done", "processed", "completed", "position", "progress")
_TOTAL = ("total", "count", "max", "of")
_PERCENT = ("percent", "percentage", "pct")
_NOTE = ("note", "message", "description", "status", "step", "stage")

NOT_JSON = "it is not JSON, and Umbel loads nothing else"
TOO_LARGE = "it is too large to be read"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """What the result backend says of one task; texts are as stored, bounded but not redacted."""

    id: str
    state: str
    """Any text: tasks may store states of their own. Empty if it could not be read."""
    result: str | None = None
    """JSON text of the return value; of SUCCESS only, and None where ``problem`` says why."""
    exception: str | None = None
    """``ValueError: bad row``; of FAILURE, RETRY and REVOKED."""
    traceback: str | None = None
    done_at: float | None = None
    retries: int | None = None
    name: str | None = None
    """This and what follows only with Celery's ``result_extended``."""
    worker: str | None = None
    queue: str | None = None
    """The routing key, as Celery stores it."""
    args: str | None = None
    kwargs: str | None = None
    parent_id: str | None = None
    group_id: str | None = None
    progress: Progress | None = None
    """What a state of the task's own carries, if it looks like a progress."""
    problem: str | None = None
    """Why the value is not known, as a phrase."""


class _Meta(msgspec.Struct):
    status: str
    result: msgspec.Raw = msgspec.Raw(b"null")
    traceback: Any = None
    date_done: Any = None
    retries: Any = None
    name: Any = None
    worker: Any = None
    queue: Any = None
    args: msgspec.Raw = msgspec.Raw(b"null")
    kwargs: msgspec.Raw = msgspec.Raw(b"null")
    parent_id: Any = None
    group_id: Any = None


_read = msgspec.json.Decoder(_Meta).decode
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)


def read_meta(task_id: str, raw: bytes) -> TaskResult:
    """Read what a key-value backend stores under the task's key."""
    try:
        meta = _read(raw)
    except _UNREADABLE:
        return TaskResult(id=task_id, state="", problem=NOT_JSON)
    return TaskResult(
        id=task_id,
        state=clean(meta.status, 50),
        **value_of(meta.status, bytes(meta.result)),
        traceback=long_text(meta.traceback),
        done_at=instant(meta.date_done) if isinstance(meta.date_done, str) else None,
        retries=whole(meta.retries),
        name=text(meta.name) or None,
        worker=text(meta.worker) or None,
        queue=text(meta.queue) or None,
        args=json_text(bytes(meta.args)),
        kwargs=json_text(bytes(meta.kwargs)),
        parent_id=text(meta.parent_id) or None,
        group_id=text(meta.group_id) or None,
    )


def read_ends(task_id: str, head: bytes, tail: bytes) -> TaskResult:
    """Read state and time from beginning and end of a value too large to be read whole."""
    status, done = _HEAD.match(head), _DONE.findall(tail)
    return TaskResult(
        id=task_id,
        state=status[1].decode() if status else "",
        done_at=instant(done[-1].decode()) if done else None,
        problem=TOO_LARGE,
    )


def value_of(state: str, raw: bytes) -> dict[str, Any]:
    """Return the fields of `TaskResult` that come from the stored value, by the state it is of."""
    if state == states.SUCCESS:
        result = json_text(raw, null="null")
        return {"result": result, "problem": None if result is not None else NOT_JSON}
    try:
        value = msgspec.json.decode(raw)
    except _UNREADABLE:
        return {"problem": NOT_JSON}
    if not isinstance(value, dict):
        return {}
    if "exc_type" in value:
        return {"exception": _exception(value)}
    return {} if state in _CELERY_STATES else {"progress": progress_in(value)}


def progress_in(meta: Mapping[str, Any]) -> Progress | None:
    """Return the progress that ``meta`` of ``update_state`` tells, in one of the usual spellings."""
    current, total = _first_number(meta, _CURRENT), _first_number(meta, _TOTAL)
    if total is None:
        percent = _first_number(meta, _PERCENT)
        if percent is None and (percent := _number(meta.get("progress"))) is None:
            return None
        is_share = "progress" in meta and isinstance(meta["progress"], float) and percent <= 1
        current, total = percent, 1.0 if is_share else 100.0
    if current is None or total <= 0 or current < 0:
        return None
    note = next((meta[name] for name in _NOTE if isinstance(meta.get(name), str)), "")
    return Progress(current=current, total=total, note=clean(note, 200))


def json_text(raw: bytes, null: str | None = None) -> str | None:
    """Return JSON as clean text; None if it is no JSON or too long, ``null`` for null."""
    try:
        decoded = raw.decode()
        msgspec.json.decode(raw)
    except _UNREADABLE:
        return None
    if decoded == "null":
        return null
    return clean_json(decoded, TEXT_LIMIT) if len(decoded) <= TEXT_LIMIT else None


def long_text(value: Any) -> str | None:
    """Return a traceback, the end of it if it is too long."""
    return clean(value[-TEXT_LIMIT:], TEXT_LIMIT) if isinstance(value, str) and value else None


def _exception(value: Mapping[str, Any]) -> str:
    name = text(value.get("exc_type")).rpartition(".")[2] or "Exception"
    message = value.get("exc_message")
    if isinstance(message, list):
        parts = [part if isinstance(part, str) else repr(part) for part in message]
        message = parts[0] if len(parts) == 1 else repr(tuple(message)) if parts else ""
    shown = clean(str(message), TEXT_LIMIT) if message not in (None, "") else ""
    return f"{name}: {shown}" if shown else name


def _first_number(meta: Mapping[str, Any], names: tuple[str, ...]) -> float | None:
    return next((n for name in names if (n := _number(meta.get(name))) is not None), None)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 2**62 and math.isfinite(value) else None

"""How far a task is: what it says by ``update_state``, and by `progress`."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from celery import states
from celery.app.task import Task

from umbel_agent import protocol
from umbel_agent.records import Redact, as_json, bounded
from umbel_agent.runs import current_run
from umbel_agent.safety import note_fault

STATE = "PROGRESS"
STORE_EVERY_S = 0.1
"""`progress` stores a task's progress in the result backend no more often."""

_CURRENT = ("current", "done", "processed", "completed", "finished", "position", "count", "n")
_TOTAL = ("total", "of", "steps", "total_steps", "size", "max")
_PERCENT = ("percent", "percentage", "pct", "percent_complete")
_NOTE = ("note", "message", "msg", "description", "status", "stage", "phase", "step_name", "step")
_OF_CELERY = frozenset({*states.ALL_STATES, states.REJECTED, states.IGNORED})


class Step:
    """The record of the last progress of a task; the one before is gone with it."""

    __slots__ = ("fields", "is_full", "key", "size")

    def __init__(self, task_id: str) -> None:
        self.key = (protocol.PROGRESS, task_id)
        self.size = 400
        self.fields: Mapping[str, Any] = {}
        self.is_full = False

    def add(self, more: Mapping[str, Any]) -> int:
        """Put ``more`` in the place of what was."""
        self.fields = more
        return 0

    def entry(self, redact: Redact) -> bytes:
        """Return the progress as JSON, its note without secrets."""
        written = dict(self.fields)
        for name in ("state", "note"):
            if written[name]:
                written[name] = redact(bounded(name, written[name]))
        return as_json(written)


Report = Callable[[str, str, object], None]
"""Takes the id of a task, its state, and what goes with that."""

_report: Report | None = None


def listen(report: Report | None) -> None:
    """Give the progress of all tasks of this process to ``report``; None stops that."""
    global _report
    _report = report
    if report is not None and not hasattr(Task.update_state, "umbel_agent_wraps"):
        Task.update_state = _wrapped(Task.update_state)


def _wrapped(update_state: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(update_state)
    def call(
        self: Any, task_id: Any = None, state: Any = None, meta: Any = None, **kwargs: Any
    ) -> Any:
        if _report is not None:
            try:
                _report(task_id or self.request.id, state, meta)
            except Exception:
                note_fault("reporting progress")
        return update_state(self, task_id=task_id, state=state, meta=meta, **kwargs)

    call.umbel_agent_wraps = update_state  # type: ignore[attr-defined]
    return call


def is_progress(state: object) -> bool:
    """Tell whether ``state`` is the app's own, and not one that Celery's events tell of."""
    return isinstance(state, str) and bool(state) and state not in _OF_CELERY


def steps(meta: object) -> tuple[float | None, float | None, str | None]:
    """Return how much is done, of how much, and the note, as far as ``meta`` says them.

    Understands the common names: ``current`` or ``done`` of ``total``; a percentage; ``progress`` as a
    fraction or a percentage; ``step`` of ``steps``; ``message``, ``status`` and the like for a note.
    """
    if isinstance(meta, str):
        return None, None, meta or None
    if not isinstance(meta, Mapping):
        number = _number(meta)
        return (number, 100.0, None) if number is not None else (None, None, None)
    note = _note(meta)
    total = _first(meta, _TOTAL)
    current = _first(meta, _CURRENT)
    if current is None:
        current = _first(meta, ("step",))
    if current is not None:
        return current, total, note
    percent = _first(meta, _PERCENT)
    if percent is not None:
        return percent, 100.0, note
    progress = _number(meta.get("progress"))
    if progress is None:
        return None, total, note
    if total is not None:
        return progress, total, note
    if isinstance(meta["progress"], float) and 0.0 <= progress <= 1.0:
        return round(progress * 100, 6), 100.0, note
    return progress, 100.0, note


def _first(meta: Mapping[Any, Any], names: tuple[str, ...]) -> float | None:
    for name in names:
        number = _number(meta.get(name))
        if number is not None:
            return number
    return None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return value if math.isfinite(value) and abs(value) < 1e15 else None
    except OverflowError:
        return None


def _note(meta: Mapping[Any, Any]) -> str | None:
    for name in _NOTE:
        value = meta.get(name)
        if isinstance(value, str) and value.strip():
            return value
    return None


def progress(current: float, total: float | None = None, note: str = "", **fields: Any) -> None:
    """Say how far the running task is, as often as is convenient.

    Goes into the agent's stream, and into the result backend as state ``PROGRESS`` at most ten times a
    second, and always when ``current`` reaches ``total``; not there, where the task stores no result. Does
    nothing outside of a task, and never raises.

    Args:
        current: How much is done, in any unit.
        total: Of how much; None if that is not known.
        note: What is being done now, in a few words.
        fields: More, kept in the result backend only.
    """
    try:
        run = current_run()
        if run is None:
            return
        meta = {"current": current, "total": total, "note": note, **fields}
        now = time.monotonic()
        is_last = total is not None and current >= total
        if _is_stored(run.task) and (is_last or now - run.progress_at >= STORE_EVERY_S):
            run.progress_at = now
            run.task.update_state(task_id=run.id, state=STATE, meta=meta)
        elif _report is not None:
            _report(run.id, STATE, meta)
    except Exception:
        note_fault("progress()")


def _is_stored(task: Any) -> bool:
    if type(task.backend).__name__ == "DisabledBackend":
        return False
    ignored = getattr(task.request, "ignore_result", None)
    return not (task.ignore_result if ignored is None else ignored)

"""What is known of a task's arguments, for an operator who edits them."""

from __future__ import annotations

import json
from dataclasses import dataclass

import sqlalchemy as sa

from umbel_backend.acts import resend
from umbel_backend.db.query import run
from umbel_backend.db.statements import messages, tasks
from umbel_backend.errors import NotFound


@dataclass(frozen=True, slots=True)
class Known:
    """The arguments of one task."""

    args_text: str
    """JSON text of an array where they are exact, else what is known, which may be cut; may be empty."""
    kwargs_text: str
    """JSON text of an object where they are exact, else what is known, which may be cut; may be empty."""
    is_exact: bool
    """Whether these are all of the arguments, as values."""
    why_not: str | None
    """Why they are not exact, a sentence; None where they are."""


def known_arguments(engine: sa.Engine, task_id: str) -> Known:
    """Return what history knows of the arguments of a task.

    Raises:
        NotFound: History does not know the task.
    """
    record = run(engine, tasks.by_ids([task_id])).get(task_id)
    if record is None:
        raise NotFound(f"History does not know a task {task_id!r}.")
    kept = run(engine, messages.of_task(task_id))
    args, kwargs = resend.known_arguments(record, kept)
    if args is not None and kwargs is not None:
        return Known(_text(args), _text(kwargs), True, None)
    why_not = resend.why_not_exact(kept)
    if why_not is None:
        kind = (kept.content_type if kept is not None else None) or "of no known kind"
        why_not = f"Its message is {kind}, which only workers can read"
    return Known(record.args or "", record.kwargs or "", False, f"{why_not}.")


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)

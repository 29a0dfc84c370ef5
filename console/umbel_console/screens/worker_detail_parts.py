"""The parts of a worker's own screen: what each shows of its answer, and why it may be empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from umbel_backend import states
from umbel_backend.records import TaskRecord
from umbel_console.render import worker_detail as drawing
from umbel_console.render.context import DrawContext
from umbel_console.render.line import Part, part_title
from umbel_console.screens.worker_detail_columns import Pair
from umbel_console.session import Session
from umbel_console.told import HeldTold, WorkerTold

PARTS = ("Tasks", "Queues", "Registered", "Settings")
QUESTIONS = {
    "Tasks": ("active", "reserved", "scheduled"),
    "Queues": ("active_queues",),
    "Registered": ("registered",),
    "Settings": ("conf",),
}
"""What a worker is asked for each part, in the words of Celery's control commands."""


def titles(shown: str, counts: Mapping[str, int], draw: DrawContext) -> list[Part]:
    """Return the names of the parts with their counts, the one ``shown`` in brackets."""
    return [
        Part(part_title(part, part == shown, counts[part], _role(part == shown), draw))
        for part in PARTS
    ]


def _role(shown: bool) -> str:
    return "accent" if shown else "foreground"


def rows(part: str, answer: WorkerTold | None) -> Sequence[Any]:
    """Return what a worker told for every part but Tasks; nothing until it answered."""
    if answer is None:
        return ()
    if part == "Queues":
        return answer.queues or ()
    if part == "Registered":
        counts = answer.processed or {}
        return [
            Pair(name, f"{counts[name]:,}" if name in counts else "0")
            for name in answer.registered or ()
        ]
    conf = answer.conf or {}
    return [Pair(name, drawing.setting_text(conf[name])) for name in sorted(conf)]


def held_by_events(session: Session, hostname: str) -> list[HeldTold]:
    """Return the tasks that a worker holds as far as events told."""
    return [
        HeldTold(
            held="active" if record.state == states.STARTED else "reserved",
            id=record.id,
            name=record.name,
            args=record.args,
            kwargs=record.kwargs,
            queue=record.queue,
            priority=record.priority,
            started_at=record.started_at,
            eta=record.eta,
        )
        for record in session.tasks.records()
        if record.worker == hostname and record.state in (states.STARTED, states.RECEIVED)
    ]


def record_of(row: HeldTold, hostname: str, now: float) -> TaskRecord:
    """Return what a worker told of a task as a record, for tasks of which no event told."""
    return TaskRecord(
        id=row.id,
        name=row.name,
        state=states.STARTED if row.held == "active" else states.RECEIVED,
        state_at=row.started_at or now,
        worker=hostname,
        queue=row.queue,
        args=row.args,
        kwargs=row.kwargs,
        started_at=row.started_at,
        eta=row.eta,
    )


def why_empty(part: str, answer: WorkerTold | None) -> str:
    """Say why a part has no rows.

    Args:
        part: One of `PARTS`.
        answer: The last answer, or the last silence; None while nothing came yet.
    """
    if answer is None:
        return "Asking the worker."
    if set(QUESTIONS[part]) <= set(answer.missing):
        return f"{answer.why_not or 'It left this question unanswered.'}"
    return {
        "Tasks": "It holds no task: nothing runs, nothing is reserved or scheduled.",
        "Queues": "It consumes from no queue.",
        "Registered": "It knows no task.",
        "Settings": "Every setting is Celery's default.",
    }[part]

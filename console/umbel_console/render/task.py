"""The cells of a task, and what its columns sort by. Pure: a record in, text out."""

from __future__ import annotations

from rich.text import Text

from umbel_backend import states
from umbel_backend.records import TaskRecord
from umbel_console.render.context import DrawContext
from umbel_console.render.progress import progress_cell
from umbel_console.render.time import ago, coarse, duration, moment, ticking

ID_SHOWN = 8
HOW = {"held": "held", "checkpoint": "checkpointed", "frozen": "frozen"}


def name_cell(record: TaskRecord, draw: DrawContext) -> Text:
    """Draw the task's name, or say that no event told it yet."""
    return draw.cell(record.name) if record.name else draw.cell("name not seen", "muted")


def id_cell(record: TaskRecord, draw: DrawContext) -> Text:
    """Draw the first characters of the id, enough to tell tasks apart by eye."""
    return draw.cell(record.id[:ID_SHOWN], "muted")


def worker_cell(record: TaskRecord, draw: DrawContext) -> Text:
    """Draw the node name; the ``celery@`` every default worker begins with is left out."""
    if record.worker is None:
        return draw.nothing()
    return draw.cell(record.worker.removeprefix("celery@"), "muted")


def queue_cell(record: TaskRecord, draw: DrawContext) -> Text:
    """Draw the queue."""
    return draw.cell(record.queue) if record.queue else draw.nothing()


def priority_cell(record: TaskRecord, draw: DrawContext) -> Text:
    """Draw the priority's level, or its number where that has no name."""
    if record.priority is None:
        return draw.nothing()
    level = draw.levels.get(record.priority)
    if level is None:
        return draw.cell(str(record.priority))
    short = {"normal": "norm"}.get(level, level)
    return draw.cell(short, "warn" if level == "high" else "muted")


def elapsed_s(record: TaskRecord, now: float) -> float | None:
    """Return the run time, so far or in the end; for a task that waits, how long it has waited."""
    if record.state == states.STARTED or (
        record.state == states.PAUSED and record.started_at is not None
    ):
        return None if record.started_at is None else max(0.0, now - record.started_at)
    if record.is_ready:
        if record.runtime_s is not None:
            return record.runtime_s
        if record.started_at is not None and record.finished_at is not None:
            return max(0.0, record.finished_at - record.started_at)
        return None
    came = record.sent_at if record.sent_at is not None else record.received_at
    return max(0.0, now - (came if came is not None else record.state_at))


def starts_in_s(record: TaskRecord, now: float) -> float | None:
    """Return how long a task with an ETA still has to wait for it; None if it has not."""
    if record.is_ready or record.state not in states.WAITING or record.eta is None:
        return None
    return record.eta - now if record.eta > now else None


def elapsed_cell(record: TaskRecord, draw: DrawContext) -> Text:
    """Draw the time a task runs or ran; waiting time is dim, a coming ETA reads ``in 8s``."""
    if not record.is_ready and record.state in states.WAITING:
        coming = starts_in_s(record, draw.now)
        if coming is not None:
            return draw.cell(f"in {coarse(coming + 0.999)}", "warn")
        return draw.cell(ticking(elapsed_s(record, draw.now) or 0.0), "muted")
    seconds = elapsed_s(record, draw.now)
    if seconds is None:
        return draw.nothing()
    return draw.cell(duration(seconds) if record.is_ready else ticking(seconds))


def runtime_cell(record: TaskRecord, draw: DrawContext) -> Text:
    """Draw the run time like `elapsed_cell`, but nothing for a task that was not started."""
    return draw.nothing() if record.started_at is None else elapsed_cell(record, draw)


def progress_or_problem_cell(record: TaskRecord, draw: DrawContext, width: int) -> Text:
    """Draw how far the task is, or, when it ended badly, why."""
    if record.state in (states.FAILURE, states.LOST, states.REJECTED):
        return draw.cell(record.exception, "bad") if record.exception else draw.nothing()
    if record.state in (states.RETRY, states.PENDING) and record.exception:
        return draw.cell(record.exception, "warn")
    if record.progress is None or record.is_ready:
        if record.state == states.PAUSED and record.paused_how:
            return draw.cell(HOW[record.paused_how], "held")
        return draw.nothing()
    if record.state == states.PAUSED:
        text = progress_cell(record.progress, None, draw, width, "held")
        if record.paused_how:
            text.append(f" {HOW[record.paused_how]}", draw.palette.style("held"))
        return text
    pace = draw.paces.get(record.id)
    return progress_cell(record.progress, elapsed_s(record, draw.now), draw, width, pace=pace)


def retries_cell(record: TaskRecord, draw: DrawContext) -> Text:
    """Draw how often the task was retried."""
    return draw.cell(str(record.retries), "foreground" if record.retries else "muted")


def arguments_text(record: TaskRecord, *, more: str = "…") -> str | None:
    """Return the arguments as one would write them in a call; None if nothing is known of them.

    Args:
        record: The task.
        more: Stands at the end where they were cut.
    """
    if record.args is None and record.kwargs is None:
        return None
    parts = (_bare(record.args, "()[]"), _bare(record.kwargs, "{}"))
    text = ", ".join(part for part in parts if part)
    return text if record.args_complete or text.endswith("...") else f"{text} {more}".lstrip()


def arguments_cell(record: TaskRecord, draw: DrawContext) -> Text:
    """Draw the arguments; ``…`` at the end says that Celery or a limit of ours cut them."""
    text = arguments_text(record, more=draw.glyph("…", "..."))
    return draw.nothing() if text is None else draw.cell(text, "muted")


def outcome_cell(record: TaskRecord, draw: DrawContext) -> Text:
    """Draw what became of the task: its result, or its exception."""
    if record.exception and record.state not in (states.SUCCESS, states.STARTED):
        return draw.cell(record.exception, "bad" if record.is_ready else "warn")
    if record.state == states.SUCCESS and record.result is not None:
        return draw.cell(record.result, "muted")
    return draw.nothing()


def when_cell(record: TaskRecord, draw: DrawContext) -> Text:
    """Draw how long ago the task entered its state."""
    return draw.cell(ago(record.state_at, draw.now), "muted")


def clock_cell(record: TaskRecord, draw: DrawContext) -> Text:
    """Draw the time of day the task entered its state, with the date unless it was today."""
    return draw.cell(moment(record.state_at, draw.now, draw.zone), "muted")


def _bare(text: str | None, brackets: str) -> str:
    if not text:
        return ""
    inner = text.strip()
    if inner[:1] in brackets and inner[-1:] in brackets and len(inner) >= 2:
        inner = inner[1:-1]
    return inner.rstrip(",").strip()

"""What is said about a log: how many lines there are, what is left out, and why there are none. Pure."""

from __future__ import annotations

from msgspec import Struct

from umbel_backend.levels import level_word
from umbel_backend.records import TaskRecord, WorkerRecord
from umbel_console.agent_words import HOW_TO_INSTALL, NO_STREAM, needs_agent
from umbel_console.render.context import DrawContext
from umbel_console.render.line import Part
from umbel_console.retention_words import log_too_old


def why_no_lines(
    record: TaskRecord | None,
    worker: WorkerRecord | None,
    least: int,
    *,
    is_read: bool,
    problem: str | None,
    has_stream: bool = True,
    kept_days: int = 0,
    now: float = 0.0,
) -> str:
    """Say in a sentence or two why there is no line to see.

    Args:
        record: The task; None if nothing is known of it.
        worker: Who has or had it, as far as it is known.
        least: The level that was asked for.
        is_read: The database was asked.
        problem: Why it could not be.
        has_stream: It is known in which Redis agents write.
        kept_days: For how many days lines are kept; 0 is for ever.
        now: Unix seconds.
    """
    if problem:
        return problem
    if not is_read:
        return "reading"
    if least:
        return f"No line of {level_word(least)} or above is kept of this task; v changes the level."
    if record is None:
        return "No line of this task is kept."
    if record.started_at is None and not record.is_ready:
        return "It has not started, so that it has logged nothing yet."
    if record.worker is not None and worker is not None and not worker.agent:
        if not has_stream:
            return NO_STREAM
        return f"Its log {needs_agent(record.worker)}. {HOW_TO_INSTALL}"
    if worker is not None and worker.capabilities and "logs" not in worker.capabilities:
        return f"No line of this task is kept: logs are switched off in the agent of {worker.hostname}."
    too_old = log_too_old(record, kept_days, now)
    if too_old is not None:
        return too_old
    if record.is_ready:
        return "No line of this task is kept: it logged none at the level its agent ships."
    return "No line yet. They show here as it logs or prints them."


class Standing(Struct, frozen=True, kw_only=True):
    """How the log that is read stands."""

    held: int = 0
    """Lines that can be scrolled to now."""
    count: int | None = None
    """Lines stored; None if that is not known."""
    from_first: bool = True
    """The first of the lines stored is among those held."""
    follows: bool = True
    """The end stays in sight."""
    is_over: bool = False
    """The task has ended, so that no line will come."""
    least: int = 0
    """The level that was asked for; 0 is all."""
    left_out: int = 0
    """Lines before the newest that came live and are neither stored yet nor kept by this console."""
    wraps: bool = True
    """Long lines are broken."""
    said: str = ""
    """What came of the last key."""
    problem: str | None = None
    """Why the database could not be read."""


def status(standing: Standing, draw: DrawContext) -> list[Part]:
    """Return what stands above the lines."""
    total = max(standing.held, standing.count or 0)
    parts = [Part(draw.cell(f" {total:,} {'line' if total == 1 else 'lines'}", "muted"), 1)]
    if standing.least:
        parts.append(Part(draw.cell(f"{level_word(standing.least)} and above", "accent"), 0))
    parts.append(_place(standing, draw))
    if standing.left_out:
        words = f"{standing.left_out:,} before the newest are not kept here"
        parts.append(Part(draw.cell(words, "warn"), 2))
    if not standing.wraps:
        parts.append(Part(draw.cell("long lines are cut, b breaks them", "muted"), 4))
    if not standing.from_first:
        parts.append(Part(draw.cell("g reads from the first line", "muted"), 5))
    if standing.said:
        parts.append(Part(draw.cell(f"{standing.said} ", "warn"), 0, right=True))
    elif standing.problem and standing.held:
        parts.append(Part(draw.cell(f"{standing.problem} ", "bad"), 0, right=True))
    return parts


def _place(standing: Standing, draw: DrawContext) -> Part:
    """Tell whether the end stays in sight."""
    if standing.is_over:
        return Part(
            draw.cell("at the end" if standing.follows else ". goes to the end", "muted"), 3
        )
    if standing.follows:
        return Part(draw.cell("following, . pauses", "running"), 0)
    return Part(draw.cell("paused, . follows", "warn", bold=True), 0)

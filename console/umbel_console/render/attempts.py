"""Every run of a task, with what ended it, and what an operator's retries made of it."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text

from umbel_backend import states
from umbel_backend.records import TaskRecord
from umbel_console.render.context import DrawContext
from umbel_console.render.document import DocLine, blank, said
from umbel_console.render.state import state_cell
from umbel_console.render.task import elapsed_s
from umbel_console.render.text import clean_block
from umbel_console.render.time import clock, ticking
from umbel_console.render.timeline import length

_INDENT = 5
_MOST_ATTEMPTS = 500
_REASON_LINES = 5
_LONGEST_NAME = 255


def attempts(
    record: TaskRecord, draw: DrawContext, repeats: Mapping[str, TaskRecord]
) -> list[DocLine]:
    """Draw every run with its outcome, the present one last, then the lineage of retries.

    Args:
        record: The task.
        draw: The means.
        repeats: Tasks of the retry lineage, as far as they are known, by id.
    """
    lines: list[DocLine] = []
    hidden = len(record.attempts) - _MOST_ATTEMPTS
    if hidden > 0:
        lines.append(said(f"{hidden:,} earlier runs are not shown", draw, "warn"))
    before: float | None = None
    for attempt in record.attempts[max(0, hidden) :]:
        head = _head(attempt.number, attempt.outcome, draw)
        _add_span(head, attempt.started_at, attempt.ended_at, before, draw)
        _add_worker(head, attempt.worker, draw)
        lines.append(DocLine(head, _INDENT, prose=True))
        lines += _reason(attempt.exception, "warn", draw)
        if attempt.policy is not None:
            after = length(attempt.delay_s or 0.0)
            words = f"retried after {after} by the policy {attempt.policy}"
            lines.append(DocLine(draw.cell(" " * _INDENT + words, "muted"), _INDENT, prose=True))
        before = attempt.ended_at
    lines += _present(record, before, draw)
    return lines + lineage(record, draw, repeats)


def lineage(
    record: TaskRecord, draw: DrawContext, repeats: Mapping[str, TaskRecord]
) -> list[DocLine]:
    """Draw which task this one repeats and which ones repeat it; each can be opened."""
    told = [("retry of", record.retry_of)] if record.retry_of else []
    told += [("retried as", task_id) for task_id in record.retried_as]
    lines = [blank()] if told else []
    for word, task_id in told:
        text = Text(end="").append_text(draw.cell(f"  {word} ", "muted"))
        text.append_text(draw.cell(task_id))
        known = repeats.get(task_id)
        if known is not None:
            text.append("  ").append_text(state_cell(known.state, draw))
            text.append_text(draw.cell(f"  {clock(known.state_at, draw.zone)}", "muted"))
        lines.append(DocLine(text, _INDENT, key=task_id))
    return lines


def _present(record: TaskRecord, before: float | None, draw: DrawContext) -> list[DocLine]:
    head = _head(len(record.attempts) + 1, record.state, draw)
    if record.started_at is None and not record.is_ready:
        head.append_text(draw.cell("  not started yet", "muted"))
    elif record.started_at is None:
        head.append_text(draw.cell("  ended without a start that was seen", "muted"))
    _add_span(head, record.started_at, record.finished_at, before, draw)
    if record.state == states.STARTED and record.started_at is not None:
        so_far = ticking(elapsed_s(record, draw.now) or 0.0)
        head.append_text(draw.cell(f"  {so_far} so far", "running"))
    _add_worker(head, record.worker, draw)
    failed = record.state not in (states.SUCCESS, states.STARTED)
    return [
        DocLine(head, _INDENT, prose=True),
        *(_reason(record.exception, "bad" if record.is_ready else "warn", draw) if failed else ()),
    ]


def _head(number: int, outcome: str, draw: DrawContext) -> Text:
    text = Text(end="").append_text(draw.cell(f"{number:>3}  ", "muted"))
    return text.append_text(state_cell(outcome, draw))


def _add_span(
    text: Text, start: float | None, end: float | None, before: float | None, draw: DrawContext
) -> None:
    if start is not None:
        text.append("  ").append_text(draw.cell(clock(start, draw.zone, millis=True)))
    if end is not None and start is not None:
        arrow = draw.glyph(" → ", " to ")
        text.append(arrow, draw.muted).append_text(draw.cell(clock(end, draw.zone, millis=True)))
        text.append_text(draw.cell(f"  ran {length(end - start)}", "muted"))
    if before is not None and start is not None:
        text.append_text(draw.cell(f"  {length(start - before)} after the one before", "muted"))


def _add_worker(text: Text, worker: str | None, draw: DrawContext) -> None:
    if worker:
        text.append("  ").append_text(draw.cell(worker[:_LONGEST_NAME], "muted"))


def _reason(exception: str | None, role: str, draw: DrawContext) -> list[DocLine]:
    if not exception:
        return []
    lines = clean_block(exception[:2_000], unicode=draw.unicode).split("\n")
    if len(lines) > _REASON_LINES:
        lines = [*lines[:_REASON_LINES], draw.glyph("…", "...")]
    style = draw.palette.style(role)
    return [DocLine(Text(" " * _INDENT + line, style=style, end=""), _INDENT) for line in lines]

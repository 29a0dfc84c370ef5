"""The rows of History: tasks as they were recorded, and each gap drawn over the line where it was."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from rich.text import Text

from umbel_backend.records import Gap, TaskRecord
from umbel_console.render.context import DrawContext
from umbel_console.render.time import moment
from umbel_console.screens import task_columns

Row = TaskRecord | Gap


def key_of(row: Row) -> str:
    """Return what identifies a row from one reading to the next."""
    return row.id if isinstance(row, TaskRecord) else f"gap {row.source} {row.started_at}"


def moment_of(row: Row, now: float) -> Hashable:
    """Return what a row shows of the clock: it is drawn anew when this is another one."""
    return task_columns.past_moment(row, now) if isinstance(row, TaskRecord) else row.ended_at


def gap_line(row: Row, draw: DrawContext) -> Text | None:
    """Draw a gap over the whole line; None for a task, which has columns."""
    if isinstance(row, TaskRecord):
        return None
    dash, dot = draw.glyph("╌", "-"), draw.glyph(" · ", ", ")
    start = moment(row.started_at, draw.now, draw.zone)
    if row.ended_at is None:
        span = f"gap since {start}"
    else:
        end = moment(row.ended_at, draw.now, draw.zone)
        span = f"gap {start} to {end}"
    lost = "tasks may be missing"
    if row.events_lost is not None:
        lost = f"{row.events_lost:,} {'event' if row.events_lost == 1 else 'events'} lost"
    words = dot.join((span, lost, row.reason, row.source))
    return draw.cell(f"{dash * 2} {words} {dash * 2}", "warn")


def merged(records: Sequence[TaskRecord], gaps: Sequence[Gap]) -> list[Row]:
    """Put each gap, the latest first, where its beginning belongs among the records."""
    rows: list[Row] = []
    waiting = list(gaps)
    for record in records:
        while waiting and waiting[0].started_at >= record.state_at:
            rows.append(waiting.pop(0))
        rows.append(record)
    return rows + waiting

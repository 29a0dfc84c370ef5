"""The depth of every queue and priority level over time: one thin line each, with a scale of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from umbel_console.render.charts import covered_cells, fitted, sparkline, words_block
from umbel_console.render.context import DrawContext
from umbel_console.render.text import cut, width_of
from umbel_console.stores.overview import QueueCourse, Reading

_FIGURE = 7
_LEVEL = 7


@dataclass(frozen=True, slots=True)
class _Row:
    queue: str
    level: str
    values: Sequence[int | None]
    last: int
    most: int


def depth_lines(
    past: Reading, now: Mapping[str, Mapping[str, int]], width: int, height: int, draw: DrawContext
) -> list[Text]:
    """Draw one line a queue and level, in exactly ``height`` lines.

    Args:
        past: The courses of the queues.
        now: What is ready now by queue and broker step, where the broker told.
        width: Cells there are.
        height: Lines there are.
        draw: The means of drawing.
    """
    rows = _rows(past, now, draw)
    if not rows:
        return words_block("No queue was read in this range.", width, height, draw)
    name = min(max(width_of(row.queue) for row in rows), max(8, width // 4))
    levels = _LEVEL if any(row.level for row in rows) and width >= 40 else 0
    course = width - name - levels - 2 * _FIGURE - 3 - (1 if levels else 0)
    head = " ".join(
        ["QUEUE".ljust(name), *(["LEVEL".ljust(levels)] if levels else []), " " * course]
    )
    head += " " + "NOW".rjust(_FIGURE) + " " + "MOST".rjust(_FIGURE)
    lines = [fitted(draw.cell(head, "muted", bold=True), width)]
    room = height - 1
    shown = rows if len(rows) <= room else rows[: max(0, room - 1)]
    lines += [_line(row, past, name, levels, course, width, draw) for row in shown]
    left = rows[len(shown) :]
    if left and room:
        waiting = sum(row.last for row in left)
        words = f"and {len(left)} more, {waiting:,} ready in them"
        lines.append(fitted(draw.cell(words, "muted"), width))
    blank = [draw.cell(" " * width) for _ in range(height - len(lines))]
    return [*lines, *blank][:height]


def _line(
    row: _Row, past: Reading, name: int, levels: int, course: int, width: int, draw: DrawContext
) -> Text:
    line = draw.cell(cut(row.queue, name, unicode=draw.unicode).ljust(name))
    line = draw.empty().append_text(line).append(" ")
    if levels:
        line.append_text(
            draw.cell(cut(row.level, levels, unicode=draw.unicode).ljust(levels), "muted")
        )
        line.append(" ")
    line.append_text(_course(row.values, past, course, draw))
    role = "foreground" if row.last else "muted"
    line.append(" ").append_text(
        draw.cell(f"{row.last:,}".rjust(_FIGURE), role, bold=bool(row.last))
    )
    line.append(" ").append_text(draw.cell(f"{row.most:,}".rjust(_FIGURE), "muted"))
    return fitted(line, width)


def _course(values: Sequence[int | None], past: Reading, width: int, draw: DrawContext) -> Text:
    """Draw a course, with the stretches in which nobody looked shaded."""
    line = sparkline(values, width, "waiting", draw)
    each = past.span_s / max(1, width)
    sign, warn = draw.glyph("░", "/"), draw.palette.quiet("warn")
    shaded = Text(end="", no_wrap=True)
    for x in range(width):
        begin = past.start + x * each
        if covered_cells(past.unseen, begin, begin + each):
            shaded.append(sign, warn)
        else:
            shaded.append_text(line[x])
    return shaded


def _rows(past: Reading, now: Mapping[str, Mapping[str, int]], draw: DrawContext) -> list[_Row]:
    rows = []
    for course in past.queues:
        found = [_row(course, step, now.get(course.name), draw) for step in course.by_priority]
        used = [row for row in found if row.most]
        # A queue that was empty all along is one line, whatever levels it has.
        rows += used or [_Row(course.name, "", _any(course), 0, 0)]
    return sorted(rows, key=lambda row: (-row.most, row.queue, row.level))


def _row(course: QueueCourse, step: str, now: Mapping[str, int] | None, draw: DrawContext) -> _Row:
    values = course.by_priority[step]
    known = [value for value in values if value is not None]
    last = now.get(step, 0) if now is not None else (known[-1] if known else 0)
    level = draw.levels.get(int(step), f"step {step}") if step.isdigit() else step
    return _Row(course.name, level, values, last, max([last, *known]))


def _any(course: QueueCourse) -> Sequence[int | None]:
    return next(iter(course.by_priority.values()), ())

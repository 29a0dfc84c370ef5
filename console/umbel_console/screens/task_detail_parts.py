"""What the detail of a task draws: the lines above its parts, and each part as a document.

Loaded with the first detail that is opened; the first frame has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from rich.text import Text

from umbel_backend import states
from umbel_backend.events.model import Event
from umbel_backend.records import KeptMessage, TaskRecord, WorkerRecord
from umbel_console.agent_words import needs_agent
from umbel_console.render import attempts, detail, detail_values, family, raw, timeline
from umbel_console.render.arguments_known import KnownArguments
from umbel_console.render.context import DrawContext
from umbel_console.render.document import DocLine, Layout, said
from umbel_console.render.line import Part, part_title
from umbel_console.render.traceback import traceback
from umbel_console.render.why import rows, why
from umbel_console.services import WhyAnswer

PARTS = ("Arguments", "Result", "Traceback", "Logs", "Attempts", "Family", "Raw")
_ROOMY = 12
"""Rows from which a step of the timeline gets one of its own."""
_arguments = KnownArguments()
WHY = "Why"
"""A part of tasks that wait."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a detail draws of one task."""

    record: TaskRecord
    members: Sequence[TaskRecord] | None = None
    """Of its workflow; None until they were read."""
    is_whole: bool = True
    """False if the workflow may have more members."""
    repeats: Mapping[str, TaskRecord] = {}
    """Tasks of the retry lineage that are known, by id."""
    events: Sequence[Event] = ()
    seen: int = 0
    """Events seen since the detail was opened."""
    answer: WhyAnswer | None = None
    can_ask: bool = False
    skew_s: float | None = None
    trouble: str | None = None
    """Why the database could not be read."""
    kept: KeptMessage | None = None
    """Its exact message, or why there is none; None if nothing is known of it."""
    worker: WorkerRecord | None = None
    """Who has or had it, as far as it is known."""


def waits(record: TaskRecord) -> bool:
    """Whether one may ask why the task does not run."""
    return not record.is_ready and record.state in states.WAITING


def parts_of(record: TaskRecord) -> tuple[str, ...]:
    """Return the names of the parts a task has."""
    return (*PARTS, WHY) if waits(record) else PARTS


def titles(known: Known, shown: str, draw: DrawContext) -> list[Part]:
    """Return the names of the parts, the one ``shown`` in brackets, those that hold nothing dim."""
    record = known.record
    has = {
        "Traceback": bool(record.traceback),
        "Attempts": bool(record.attempts or record.retry_of or record.retried_as),
        "Family": bool(known.members and len(known.members) > 1),
    }
    parts = []
    for number, name in enumerate(parts_of(record)):
        here = name == shown
        role = "accent" if here else "foreground" if has.get(name, True) else "muted"
        count = len(record.attempts) + 1 if name == "Attempts" and record.attempts else 0
        text = part_title(name, here, count, role, draw)
        parts.append(Part(text, 0 if here else number + 1))
    return parts


def head(known: Known, draw: DrawContext, width: int, most: int) -> list[Text]:
    """Draw timeline, deadlines, reasons for waiting and facts, in at most ``most`` rows.

    What gives way where there is little room says so, or is told in a part.
    """
    record = known.record
    compact = most < _ROOMY
    above = [
        timeline.heading(record, draw, width),
        *timeline.timeline(record, draw, width, compact=compact),
    ]
    for line in (
        timeline.deadlines(record, draw),
        detail.progress(record, draw, width),
        timeline.skew_warning(record.worker or "", known.skew_s, draw),
    ):
        if line is not None:
            above.append(line)
    facts = detail.facts(record, draw, width)
    problem = detail.problem(record, draw, width)
    below = [*facts, *problem]
    room = most - len(above) - len(below)
    earlier = timeline.attempts_line(record, draw, width)
    if len(earlier) <= (min(room, 1) if compact else max(room, 0)):
        above += earlier
        room -= len(earlier)
    elif room > 0 and earlier:
        words = f"{len(record.attempts):,} earlier runs, in the part Attempts"
        above.append(draw.cell(words, "muted"))
        room -= 1
    if waits(record):
        lines = why(known.answer, draw, can_ask=known.can_ask)
        above += rows(lines, width, max(2, room), draw)
    return [*above, *below]


def document(part: str, known: Known, draw: DrawContext) -> list[DocLine]:
    """Draw one part."""
    record = known.record
    if part == "Result":
        return detail_values.result(record, draw)
    if part == "Traceback":
        return traceback(record.traceback, draw)
    if part == "Attempts":
        return attempts.attempts(record, draw, known.repeats)
    if part == "Family":
        return _family(known, draw)
    if part == "Raw":
        return raw.raw(record, known.events, known.seen, draw, known.kept)
    if part == WHY:
        return why(known.answer, draw, can_ask=known.can_ask)
    return _arguments(record, known.kept, without_messages(known), draw)


def without_messages(known: Known) -> str | None:
    """Return ``needs umbel_agent in worker w1`` if its worker is known to have none; else None."""
    worker = known.worker
    return None if worker is None or worker.agent else needs_agent(worker.hostname)


def copied(part: str, record: TaskRecord) -> tuple[str, str]:
    """Return what copying takes from a part, and what that is called."""
    if part == "Raw":
        return raw.as_json(record), "the record as JSON"
    if part == "Traceback" and record.traceback:
        return record.traceback, "the traceback"
    if part == "Result" and (record.result or record.exception):
        failed = record.exception and record.state != states.SUCCESS
        return (
            (record.exception or "", "the exception")
            if failed
            else (
                record.result or "",
                "the result",
            )
        )
    if part == "Arguments" and (record.args or record.kwargs):
        return f"{record.args or '()'} {record.kwargs or '{}'}", "the arguments"
    return record.id, record.id


def _family(known: Known, draw: DrawContext) -> list[DocLine]:
    if known.members is None:
        return [said(known.trouble or "reading", draw, "bad" if known.trouble else "muted")]
    lines = family.family(known.record, known.members, draw, is_whole=known.is_whole)
    return lines if known.trouble is None else [*lines, said(known.trouble, draw, "bad")]


def fitted(lines: Sequence[Text], draw: DrawContext, width: int, most: int) -> Text:
    """Return ``lines`` as one text of at most ``most`` rows; lines that are too long are broken."""
    layout = Layout([DocLine(line, 2) for line in lines], width)
    broken = [layout.row(number) for number in range(min(len(layout), most))]
    if len(layout) > most:
        broken[-1] = draw.cell(f"{draw.glyph('…', '...')} all of it in the part Raw", "muted")
    text = Text("\n", end="").join(broken)
    text.no_wrap = True
    return text

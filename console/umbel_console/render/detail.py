"""One task in full: title, timeline, facts, arguments, result, traceback, attempts, family, fields."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from rich.text import Text

from umbel_backend import states, wire
from umbel_backend.records import TaskRecord
from umbel_console.render.context import DrawContext
from umbel_console.render.line import Part
from umbel_console.render.state import state_cell
from umbel_console.render.task import HOW, elapsed_s, name_cell
from umbel_console.render.text import clean_block, width_of
from umbel_console.render.time import clock, duration, exact, ticking

MOST_CHARACTERS = 200_000
"""Longest text shown of one part; what is longer is cut, and says so."""

CLOCKS_AGREE_S = 0.05

_FRAME = re.compile(r'^(\s*File )(".*")(, line )(\d+)(, in )(.*)$')
_ENDED = {
    states.SUCCESS: "succeeded",
    states.FAILURE: "failed",
    states.REVOKED: "revoked",
    states.REJECTED: "rejected",
    states.LOST: "lost",
}


def title(record: TaskRecord, draw: DrawContext) -> list[Part]:
    """Return name and state for the first line."""
    name = name_cell(record, draw)
    name.stylize("bold")
    after = f"after {record.retries} {'retry' if record.retries == 1 else 'retries'}"
    return [
        Part(Text(" ", end="").append_text(name)),
        Part(state_cell(record.state, draw)),
        Part(draw.cell(after if record.retries else "", "muted"), 1),
    ]


def timeline(record: TaskRecord, draw: DrawContext, width: int) -> Text:
    """Draw what happened when, with the times between: on one line if it fits, else one a line."""
    steps = _steps(record, draw)
    if not steps:
        return draw.cell("nothing is known of when", "muted")
    dash = draw.glyph("─", "-")
    line = Text(end="")
    for number, (word, when, between) in enumerate(steps):
        if number:
            line.append(f" {dash} {between} {dash} " if between else f" {dash} ", draw.muted)
        line.append_text(word).append(" ").append_text(when)
    if width_of(line.plain) <= width:
        return line
    wide = max(width_of(word.plain) for word, _, _ in steps)
    lines = []
    for word, when, between in steps:
        each = word.copy()
        each.append(" " * (wide - width_of(word.plain) + 2)).append_text(when)
        each.append(f"  {between}" if between else "", draw.muted)
        lines.append(each)
    return Text("\n", end="").join(lines)


def facts(record: TaskRecord, draw: DrawContext) -> Text:
    """Draw where it runs and what it belongs to."""
    told: list[tuple[str, object]] = [
        ("id", record.id),
        ("worker", record.worker),
        ("pid", record.pid),
        ("queue", record.queue),
        ("priority", _priority(record, draw)),
        ("expires", None if record.expires is None else clock(record.expires, draw.zone)),
        ("retry of", record.retry_of),
        ("retried as", ", ".join(record.retried_as) or None),
        ("paused", HOW.get(record.paused_how or "")),
        *((f"tag {key}", value) for key, value in record.tags.items()),
    ]
    line = Text(end="")
    for name, value in told:
        if value is None:
            continue
        if line.plain:
            line.append(draw.glyph(" · ", " | "), draw.muted)
        line.append_text(draw.cell(f"{name} ", "muted")).append_text(draw.cell(str(value)))
    return line


def arguments(record: TaskRecord, draw: DrawContext) -> Text:
    """Draw the arguments in full, saying first whether they are all there is."""
    if record.args is None and record.kwargs is None:
        return draw.cell(
            "Not seen: no event of this task carried its arguments (they come with task-sent and"
            " task-received).",
            "muted",
        )
    if record.args_exact:
        said = draw.cell("complete (read from the message itself)", "good")
    elif record.args_complete:
        said = draw.cell("complete (as Celery wrote them in an event)", "good")
    else:
        said = draw.cell("cut: Celery shortens long arguments in its events", "warn")
    text = draw.empty().append_text(said).append("\n")
    if not record.args_exact:
        text.append("\n").append_text(_named("args", record.args or "()", draw))
        return text.append("\n").append_text(_named("kwargs", record.kwargs or "{}", draw))
    for name, value in _exact_arguments(record):
        text.append("\n").append_text(_named(name, value, draw))
    return text


def result(record: TaskRecord, draw: DrawContext) -> Text:
    """Draw the return value, or what there is instead."""
    if record.exception and record.state != states.SUCCESS:
        return block(record.exception, draw, "bad")
    if record.result is None:
        words = "No result yet." if not record.is_ready else "No result was seen."
        return draw.cell(words, "muted")
    if record.result_exact:
        return block(_pretty(wire.json_value(record.result, True)), draw)
    return block(record.result, draw)


def traceback(record: TaskRecord, draw: DrawContext) -> Text:
    """Draw the traceback with its frames set off, the last line first to the eye."""
    if not record.traceback:
        return draw.cell("No traceback: the task did not raise, or none was sent.", "muted")
    text = Text(end="")
    lines = clean_block(_bounded(record.traceback), unicode=draw.unicode).rstrip().split("\n")
    plain, muted = draw.palette.style("foreground"), draw.muted
    for number, line in enumerate(lines):
        if number:
            text.append("\n")
        frame = _FRAME.match(line)
        if frame is not None:
            for part, style in zip(
                frame.groups(), (muted, plain, muted, plain, muted, plain), strict=True
            ):
                text.append(part, style)
        elif line[:1].strip() and not line.startswith("Traceback "):
            text.append(line, draw.palette.style("bad", bold=True))
        else:
            text.append(line, plain if line.startswith("    ") else muted)
    return text


def attempts(record: TaskRecord, draw: DrawContext) -> Text:
    """Draw every run with its outcome, the present one last."""
    text = Text(end="")
    for attempt in record.attempts:
        text.append_text(draw.cell(f"{attempt.number:>3}  ", "muted"))
        text.append_text(state_cell(attempt.outcome, draw))
        text.append_text(_span(attempt.started_at, attempt.ended_at, attempt.worker, draw))
        if attempt.exception:
            text.append("\n     ").append_text(draw.cell(attempt.exception, "warn"))
        text.append("\n")
    text.append_text(draw.cell(f"{len(record.attempts) + 1:>3}  ", "muted"))
    text.append_text(state_cell(record.state, draw))
    text.append_text(_span(record.started_at, record.finished_at, record.worker, draw))
    if record.exception and record.state != states.SUCCESS:
        text.append("\n     ").append_text(draw.cell(record.exception, "bad"))
    return text


def family(record: TaskRecord, members: Sequence[TaskRecord], draw: DrawContext) -> Text:
    """Draw the workflow as a tree, by who sent whom; the open task is marked."""
    if len(members) <= 1 and record.parent_id is None and record.group_id is None:
        return draw.cell("It belongs to no chain, group or chord that was seen.", "muted")
    known = {member.id: member for member in members} | {record.id: record}
    children: dict[str | None, list[TaskRecord]] = {}
    for member in known.values():
        parent = member.parent_id if member.parent_id in known else None
        children.setdefault(parent if parent != member.id else None, []).append(member)
    text = Text(end="")
    _branch(None, children, record.id, draw, text, 0, set())
    text.rstrip()
    return text


def fields(record: TaskRecord, draw: DrawContext) -> Text:
    """Draw every field by its public name, instants exactly."""
    text = Text(end="")
    instants = {"sent_at", "received_at", "started_at", "finished_at", "eta", "expires"}
    hidden = {"args", "kwargs", "result", "traceback", "attempts"}
    public = wire.task(record)
    wide = max(map(len, public))
    for name, value in public.items():
        if name in hidden:
            continue
        if name in instants:
            at = getattr(record, name)
            shown = None if at is None else exact(at, draw.zone)
        else:
            shown = value if isinstance(value, str | None) else _pretty(value)
        text.append_text(draw.cell(f"{name:<{wide}}  ", "muted"))
        text.append_text(draw.nothing() if shown is None else draw.cell(shown)).append("\n")
    text.rstrip()
    return text


def block(text: str, draw: DrawContext, role: str = "foreground") -> Text:
    """Draw a text of several lines, cleaned and bounded."""
    return Text(
        clean_block(_bounded(text), unicode=draw.unicode), style=draw.palette.style(role), end=""
    )


def _steps(record: TaskRecord, draw: DrawContext) -> list[tuple[Text, Text, str]]:
    """Return word, time and what lies before it, for each instant that is known."""
    steps: list[tuple[Text, Text, str]] = []
    before: float | None = None

    def add(word: str, at: float | None, between: str, role: str = "muted") -> None:
        nonlocal before
        if at is None:
            return
        gap = "" if before is None else f"{_length(at - before)}{between}"
        steps.append((draw.cell(word, role), draw.cell(clock(at, draw.zone, millis=True)), gap))
        before = at

    add("sent", record.sent_at, "")
    add("received", record.received_at, "")
    if record.eta is not None and not record.started_at:
        add("due", record.eta, "")
    add("started", record.started_at, " waiting")
    if record.is_ready:
        add(_ENDED.get(record.state, "ended"), record.finished_at, "", _role(record.state))
    elif record.state == states.RETRY:
        add("to be retried", record.state_at, "", "warn")
    elif record.started_at is not None:
        so_far = ticking(elapsed_s(record, draw.now) or 0.0)
        steps.append((draw.cell("now", "running"), draw.cell(clock(draw.now, draw.zone)), so_far))
    return steps


def _role(state: str) -> str:
    return {states.SUCCESS: "good", states.FAILURE: "bad", states.LOST: "bad"}.get(state, "stopped")


def _length(seconds: float) -> str:
    if abs(seconds) < 1:
        # Two clocks, or two processes, may disagree by a little; a large difference is shown.
        return f"{0 if -CLOCKS_AGREE_S < seconds < 0 else seconds * 1000:.0f} ms"
    return duration(seconds)


def _priority(record: TaskRecord, draw: DrawContext) -> str | None:
    if record.priority is None:
        return None
    level = draw.levels.get(record.priority)
    return f"{record.priority} ({level})" if level else str(record.priority)


def _exact_arguments(record: TaskRecord) -> Iterable[tuple[str, str]]:
    args, kwargs = wire.json_value(record.args, True), wire.json_value(record.kwargs, True)
    if isinstance(args, list):
        for number, value in enumerate(args):
            yield f"[{number}]", _pretty(value)
    elif record.args:
        yield "args", record.args
    if isinstance(kwargs, dict):
        for name, value in kwargs.items():
            yield str(name), _pretty(value)
    elif record.kwargs:
        yield "kwargs", record.kwargs
    if not args and not kwargs:
        yield "", "It was called without arguments."


def _named(name: str, value: str, draw: DrawContext) -> Text:
    text = draw.empty().append_text(draw.cell(f"{name} = " if name else "", "muted"))
    return text.append_text(block(value, draw))


def _pretty(value: Any) -> str:
    flat = json.dumps(value, ensure_ascii=False)
    return flat if len(flat) <= 60 else json.dumps(value, ensure_ascii=False, indent=2)


def _span(start: float | None, end: float | None, worker: str | None, draw: DrawContext) -> Text:
    text = Text("  ", end="")
    if start is not None:
        text.append_text(draw.cell(clock(start, draw.zone, millis=True)))
    if end is not None:
        arrow = draw.glyph(" → ", " to ")
        text.append(arrow, draw.muted).append_text(draw.cell(clock(end, draw.zone, millis=True)))
    if start is not None and end is not None:
        text.append(f"  {_length(end - start)}", draw.muted)
    if worker:
        text.append("  ").append_text(draw.cell(worker, "muted"))
    return text


def _branch(
    parent: str | None,
    children: dict[str | None, list[TaskRecord]],
    here: str,
    draw: DrawContext,
    text: Text,
    depth: int,
    seen: set[str],
) -> None:
    for member in sorted(
        children.get(parent, ()), key=lambda r: (r.sent_at or r.received_at or r.state_at, r.id)
    ):
        # Ids come from outside: two tasks may each claim to be the other's parent.
        if member.id in seen or depth > 40:
            continue
        seen.add(member.id)
        mark = draw.glyph("▸ ", "> ") if member.id == here else "  "
        text.append_text(draw.cell(mark, "accent", bold=True))
        text.append("  " * depth + (draw.glyph("└ ", "` ") if depth else ""), draw.muted)
        text.append_text(state_cell(member.state, draw)).append("  ")
        text.append_text(name_cell(member, draw))
        text.append_text(draw.cell(f"  {member.id[:8]}", "muted"))
        seconds = elapsed_s(member, draw.now)
        if seconds is not None and member.is_ready:
            text.append_text(draw.cell(f"  {duration(seconds)}", "muted"))
        text.append("\n")
        _branch(member.id, children, here, draw, text, depth + 1, seen)


def _bounded(text: str) -> str:
    if len(text) <= MOST_CHARACTERS:
        return text
    return f"{text[:MOST_CHARACTERS]}\n… {len(text) - MOST_CHARACTERS:,} more characters"

"""When things happened to a task, exactly, with the times between."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

from rich.text import Text

from umbel_backend import states
from umbel_backend.records import Attempt, TaskRecord
from umbel_console.render.context import DrawContext
from umbel_console.render.state import state_cell
from umbel_console.render.task import elapsed_s
from umbel_console.render.text import width_of
from umbel_console.render.time import ago, clock, duration, exact, ticking

CLOCKS_AGREE_S = 0.05
SKEW_TOLD_S = 2.0
"""From this difference on a host's clock is told to be wrong; below it may be the network."""
_MOST_ATTEMPTS = 3
_LONGEST_WHY = 60
_ENDED = {
    states.SUCCESS: "succeeded",
    states.FAILURE: "failed",
    states.REVOKED: "revoked",
    states.REJECTED: "rejected",
    states.LOST: "lost",
}
_ROLES = {states.SUCCESS: "good", states.FAILURE: "bad", states.LOST: "bad"}

Step = tuple[Text, Text, str]
"""What happened, when, and what lies between it and the step before."""


def heading(record: TaskRecord, draw: DrawContext, width: int) -> Text:
    """Draw a rule with the date and the offset that hold for the times below it."""
    dash = draw.glyph("─", "-")
    at = _first(record)
    tail = "" if at is None else f" {_day(at, draw.zone)} {_offset(at, draw.zone)} "
    head = f"{dash} timeline "
    text = Text(head, style=draw.muted, end="", no_wrap=True)
    text.append(dash * max(0, width - len(head) - len(tail) - 1), draw.muted)
    text.append(tail, draw.muted)
    return text.append(dash if tail else "", draw.muted)


def timeline(
    record: TaskRecord, draw: DrawContext, width: int, *, compact: bool = False
) -> list[Text]:
    """Draw what happened when, with the times between: on one line if it fits, else one a line.

    Args:
        record: The task.
        draw: The means.
        width: Cells of a line.
        compact: Where it does not fit on one line, go on in the next one instead.
    """
    steps = _steps(record, draw)
    if not steps:
        return [draw.cell("nothing is known of when", "muted")]
    dash = draw.glyph("─", "-")
    line = Text(end="")
    for number, (word, when, between) in enumerate(steps):
        if number:
            line.append(f" {dash} {between} {dash} " if between else f" {dash} ", draw.muted)
        line.append_text(word).append(" ").append_text(when)
    if width_of(line.plain) <= width:
        return [line]
    if compact:
        return _wrapped(steps, draw, width)
    wide = max(width_of(word.plain) for word, _, _ in steps)
    wide_when = max(width_of(when.plain) for _, when, _ in steps)
    lines = []
    for word, when, between in steps:
        each = Text(end="").append_text(word)
        each.append(" " * (wide - width_of(word.plain) + 2)).append_text(when)
        each.append(" " * (wide_when - width_of(when.plain)))
        each.append(f"  {between}" if between else "", draw.muted)
        lines.append(each)
    return lines


def _wrapped(steps: Sequence[Step], draw: DrawContext, width: int) -> list[Text]:
    dash = draw.glyph("─", "-")
    lines = [Text(end="")]
    for number, (word, when, between) in enumerate(steps):
        piece = Text(end="")
        if number:
            piece.append(f" {dash} {between} {dash} " if between else f" {dash} ", draw.muted)
        piece.append_text(word).append(" ").append_text(when)
        if number and width_of(lines[-1].plain) + width_of(piece.plain) > width:
            lines.append(piece)
        else:
            lines[-1].append_text(piece)
    return lines


def attempts_line(record: TaskRecord, draw: DrawContext, width: int) -> list[Text]:
    """Draw the runs that were followed by another: what each raised, and when the next one began."""
    if not record.attempts:
        return []
    told = [_attempt(record, number, draw) for number in range(len(record.attempts))]
    bar = Text(draw.glyph(" │ ", " | "), style=draw.muted, end="")
    line = bar.join(told)
    line.end = ""
    if width_of(line.plain) <= width:
        return [line]
    hidden = len(told) - _MOST_ATTEMPTS
    if hidden > 0:
        word = "attempt" if hidden == 1 else "attempts"
        return [draw.cell(f"{hidden} earlier {word}", "muted"), *told[-_MOST_ATTEMPTS:]]
    return told


def deadlines(record: TaskRecord, draw: DrawContext) -> Text | None:
    """Draw ETA and expiry, with what is left of them; None if there is neither."""
    told = [
        (word, at)
        for word, at in (("ETA", record.eta), ("expires", record.expires))
        if at is not None
    ]
    if not told:
        return None
    line = Text(end="")
    for word, at in told:
        if line.plain:
            line.append(draw.glyph(" · ", " | "), draw.muted)
        line.append_text(draw.cell(f"{word} ", "muted"))
        line.append_text(draw.cell(_moment(at, _first(record), draw)))
        if not record.is_ready:
            is_over = at <= draw.now
            role = "warn" if is_over and word == "expires" else "muted"
            left = ago(at, draw.now) if is_over else f"in {ticking(at - draw.now + 0.999)}"
            line.append_text(draw.cell(f" ({left})", role))
    return line


def skew_warning(worker: str, skew_s: float | None, draw: DrawContext) -> Text | None:
    """Say that the clock of the worker's host is off; None while it is not, or not known."""
    if skew_s is None or abs(skew_s) < SKEW_TOLD_S:
        return None
    way = "ahead of" if skew_s > 0 else "behind"
    host = worker.partition("@")[2] or worker
    mark = draw.glyph("⚠", "!")
    return draw.cell(
        f"{mark} the clock of {host} is {duration(abs(skew_s))} {way} ours; its times are corrected",
        "warn",
    )


def length(seconds: float) -> str:
    """Return a measured time between two instants, ``14 ms`` or ``2.10s``."""
    if abs(seconds) < 1:
        # Two clocks, or two processes, may disagree by a little; a large difference is shown.
        return f"{0 if -CLOCKS_AGREE_S < seconds < 0 else seconds * 1000:.0f} ms"
    return f"-{duration(-seconds)}" if seconds < 0 else duration(seconds)


def instant(at: float, draw: DrawContext) -> str:
    """Return an instant with date and offset."""
    return exact(at, draw.zone)


def _steps(record: TaskRecord, draw: DrawContext) -> list[Step]:
    """Return word, time and what lies before it, for each instant that is known."""
    steps: list[Step] = []
    before: float | None = None
    first = _first(record)

    def add(
        word: str, at: float | None, between: str = "", role: str = "muted", ran: str = ""
    ) -> None:
        nonlocal before
        if at is None:
            return
        gap = "" if before is None else f"{ran}{length(at - before)}{between}"
        steps.append((draw.cell(word, role), draw.cell(_moment(at, first, draw)), gap))
        before = at

    runs = len(record.attempts)
    earlier = f" with {runs} earlier {'run' if runs == 1 else 'runs'}" if runs else ""
    add("sent", record.sent_at)
    add("received", record.received_at, earlier)
    if record.eta is not None and record.eta > (record.received_at or record.sent_at or 0.0):
        add("due", record.eta if record.eta <= draw.now or record.started_at else None)
    add("started", record.started_at, " waiting" if record.received_at or not runs else earlier)
    if record.is_ready:
        add(
            _ENDED.get(record.state, "ended"),
            record.finished_at,
            role=_ROLES.get(record.state, "stopped"),
            # How long a lost task ran nobody knows.
            ran="" if record.started_at is None or record.state == states.LOST else "ran ",
        )
    elif record.state == states.RETRY:
        add("to be retried", record.state_at, role="warn", ran="ran " if record.started_at else "")
    elif record.started_at is not None:
        so_far = f"runs {ticking(elapsed_s(record, draw.now) or 0.0)}"
        steps.append((draw.cell("now", "running"), draw.cell(clock(draw.now, draw.zone)), so_far))
    elif before is not None:
        waited = f"waits {ticking(draw.now - before)}"
        steps.append((draw.cell("now", "waiting"), draw.cell(clock(draw.now, draw.zone)), waited))
    return steps


def _attempt(record: TaskRecord, number: int, draw: DrawContext) -> Text:
    attempt = record.attempts[number]
    text = Text(end="").append_text(draw.cell(f"attempt {attempt.number}  ", "muted"))
    why = (attempt.exception or "")[:_LONGEST_WHY].partition(":")[0]
    text.append_text(draw.cell(why, "warn") if why else state_cell(attempt.outcome, draw))
    following = _next_start(record, number)
    if attempt.ended_at is not None and following is not None:
        text.append_text(draw.cell(f"  next {length(following - attempt.ended_at)} later", "muted"))
    return text


def _next_start(record: TaskRecord, number: int) -> float | None:
    later: Sequence[Attempt] = record.attempts[number + 1 :]
    return later[0].started_at if later else record.started_at


def _first(record: TaskRecord) -> float | None:
    known = (record.sent_at, record.received_at, record.started_at, record.finished_at)
    return next((at for at in known if at is not None), None)


def _moment(at: float, first: float | None, draw: DrawContext) -> str:
    """Return the time of day to the millisecond, with the date if it is not the heading's."""
    time_of_day = clock(at, draw.zone, millis=True)
    day = _day(at, draw.zone)
    if first is None or day == _day(first, draw.zone):
        return time_of_day
    return f"{day} {time_of_day}"


def _day(at: float, zone: tzinfo | None) -> str:
    return f"{_local(at, zone):%Y-%m-%d}"


def _offset(at: float, zone: tzinfo | None) -> str:
    offset = _local(at, zone).strftime("%z")
    return f"{offset[:3]}:{offset[3:5]}"


def _local(at: float, zone: tzinfo | None) -> datetime:
    try:
        return datetime.fromtimestamp(at, UTC).astimezone(zone)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)

"""What a task was called with and what it returned, in full, each said to be complete or cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from umbel_backend import states
from umbel_backend.events.arguments import is_whole
from umbel_backend.records import TaskRecord
from umbel_console.render.context import DrawContext
from umbel_console.render.document import DocLine, Kept, blank, block, said
from umbel_console.render.text import width_of
from umbel_console.render.values import NOTHING, Dialect, named, parsed

_WIDEST_NAME = 24
_MOST_NAMED = 500
"""Most arguments that get a line of their own."""

Argument = tuple[str, str, Any, Dialect]
"""Name, text as it came, value or `NOTHING`, and how to write it."""


def _arguments(record: TaskRecord, draw: DrawContext) -> list[DocLine]:
    if record.args is None and record.kwargs is None:
        return [
            said(
                "Not seen: no event of this task carried its arguments (they come with task-sent"
                " and task-received).",
                draw,
            )
        ]
    if record.args_exact:
        first = said("complete (read from the message itself)", draw, "good")
    elif record.args_complete:
        first = said("complete (as Celery wrote them in an event)", draw, "good")
    else:
        first = said("cut: Celery shortens long arguments in its events", draw, "warn")
    given = split_arguments(record)
    if not given:
        return [first, blank(), said("It was called without arguments.", draw, "foreground")]
    lines = [first, blank()]
    wide = min(_WIDEST_NAME, max(width_of(name) for name, _, _, _ in given))
    for name, text, value, dialect in given[:_MOST_NAMED]:
        lines += named(name, text, value, dialect, draw, wide)
    if len(given) > _MOST_NAMED:
        lines.append(said(f"cut here: {len(given) - _MOST_NAMED:,} more", draw, "warn"))
    return lines


arguments = Kept(_arguments, lambda r: (r.args, r.kwargs, r.args_exact, r.args_complete))
"""Draw the arguments, one a line, saying first whether they are all there is."""


def split_arguments(record: TaskRecord) -> list[Argument]:
    """Return the arguments one by one where they can be told apart, else as Celery wrote them."""
    found: list[Argument] = []
    positional, dialect = parsed(record.args or "()", record.args_exact)
    if isinstance(positional, list | tuple):
        found += [(f"[{n}]", _as_text(v), v, dialect) for n, v in enumerate(positional)]
    elif record.args not in (None, "", "()", "[]"):
        found.append(("args", record.args or "", NOTHING, dialect))
    by_name, dialect = parsed(record.kwargs or "{}", record.args_exact)
    if isinstance(by_name, dict):
        found += [(str(name), _as_text(v), v, dialect) for name, v in by_name.items()]
    elif record.kwargs not in (None, "", "{}"):
        found.append(("kwargs", record.kwargs or "", NOTHING, dialect))
    return found


def _result(record: TaskRecord, draw: DrawContext) -> list[DocLine]:
    if record.exception and record.state != states.SUCCESS:
        words = _what_it_is(record)
        return [said(f"{words}:", draw), blank(), *block(record.exception, draw, "bad")]
    if record.result is None:
        return [said(_why_no_result(record), draw)]
    value, dialect = parsed(record.result, record.result_exact)
    if record.result_exact:
        first = said("complete (read from the result backend)", draw, "good")
    elif is_whole(record.result):
        first = said("complete (as Celery wrote it in an event)", draw, "good")
    else:
        first = said("cut: Celery shortens long results in its events", draw, "warn")
    return [first, blank(), *named("", record.result, value, dialect, draw)]


result = Kept(_result, lambda r: (r.result, r.result_exact, r.exception, r.state))
"""Draw the return value, or what there is instead."""


def _what_it_is(record: TaskRecord) -> str:
    """Say what the exception of a task that did not succeed stands for."""
    if record.state == states.LOST:
        return "No result: it was lost"
    if record.state == states.PENDING:
        return "It has not run, it waits again"
    return "It raised" if record.is_ready else "The last run raised"


def _why_no_result(record: TaskRecord) -> str:
    if not record.is_ready:
        return "No result yet: it has not ended."
    if record.state == states.SUCCESS:
        return "No result was seen: the event of its end was missed, or told none."
    return f"No result: it ended as {record.state}."


def _as_text(value: object) -> str:
    """Return a value for the case that it cannot be laid out."""
    try:
        return repr(value)
    except (ValueError, RecursionError):
        return "a value that cannot be written"


def argument_texts(record: TaskRecord) -> Sequence[tuple[str, str]]:
    """Return each argument's name and its text on one line, for comparing."""
    return [(name, text) for name, text, _, _ in split_arguments(record)[:_MOST_NAMED]]

"""What could stand at the cursor of a half-typed filter: field names first, then values.

It looks only at the term under the cursor, so it works in a text that does not parse yet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from umbel_backend import states
from umbel_backend.filters.fields import (
    COMPARED,
    REDIS_LEVELS,
    TASK_FIELDS,
    Field,
    FieldSet,
    Kind,
)
from umbel_backend.filters.scan import FIELD_HEAD
from umbel_backend.filters.tree import Pattern, lower_ascii, quote

Values: TypeAlias = Callable[[str, str], Sequence[str] | Mapping[str, str]]
"""From a field's name and what is typed of a value to known values, each with what to say of it.

Asked for the values of states, texts and ids; the states there are come by themselves.
"""

MOST: Final = 50
_TIMES: Final = {
    Kind.INSTANT: ("today", "yesterday", "15m", "1h", "24h", "7d"),
    Kind.SINCE: ("15m", "1h", "24h", "7d", "today", "yesterday"),
    Kind.UNTIL: ("15m", "1h", "24h", "7d", "today", "yesterday"),
    Kind.DURATION: ("1s", "10s", "1m", "10m", "1h"),
}
# A quoted stretch, closed or still open, counts as one character of its term.
_TERM: Final = re.compile(r'(?:"(?:\\.|[^"\\])*(?:"|\\?$)|[^\s"()])*$', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Completion:
    """One thing that could stand at the cursor."""

    text: str
    """What replaces the characters from ``start`` to ``end`` of the `Completions`."""
    meaning: str = ""
    """Half a sentence about it, or how often it occurs; empty if there is nothing to say."""
    is_value: bool = False
    """It is a value and not the name of a field, behind which a value is still to come."""


@dataclass(frozen=True, slots=True)
class Completions:
    """What could stand in place of one stretch of a filter text."""

    start: int
    end: int
    options: tuple[Completion, ...]


def complete(
    text: str,
    cursor: int,
    values: Values | None = None,
    *,
    fields: FieldSet = TASK_FIELDS,
    levels: Mapping[str, int] = REDIS_LEVELS,
) -> Completions:
    """Return what could stand at ``cursor``, at most `MOST` options, the likeliest first.

    Args:
        values: Knows the names, queues, workers, ids and tags that exist; ``tag`` as the field
            asks for tag keys.
    """
    before = text[:cursor]
    start = _term_start(before)
    head = FIELD_HEAD.match(before, start)
    if head is None:
        return Completions(start, cursor, tuple(_names(before[start:], fields, values))[:MOST])
    field = fields.find(head[1])
    start = _value_start(before, head.end())
    typed = before[start:].lstrip('"').replace('\\"', '"')
    options: Iterable[str] = ()
    if field is not None:
        options = _options(field, head[2], typed, values, levels)
    chosen = [each for each in options if lower_ascii(each).startswith(lower_ascii(typed))]
    notes = options if isinstance(options, Mapping) else {}
    written = (
        Completion(quote(Pattern((each,))), notes.get(each, ""), is_value=True)
        for each in dict.fromkeys(chosen)
    )
    return Completions(start, cursor, tuple(written)[:MOST])


def _term_start(before: str) -> int:
    found = _TERM.search(before)
    start = found.start() if found else len(before)
    while before.startswith("-", start):
        start += 1
    return start


def _value_start(before: str, at: int) -> int:
    """Return where the value under the cursor begins: behind the last comma outside quotes."""
    quoted, start, i = False, at, at
    while i < len(before):
        if before[i] == "\\" and quoted:
            i += 1
        elif before[i] == '"':
            quoted = not quoted
        elif before[i] == "," and not quoted:
            start = i + 1
        i += 1
    return start


def _names(typed: str, fields: FieldSet, values: Values | None) -> Iterable[Completion]:
    lower = typed.lower()
    if lower.startswith("tag.") and fields.has_tags:
        for key in values("tag", typed[4:]) if values else ():
            if key.startswith(typed[4:]):
                yield Completion(f"tag.{key}:", f"tag {key}")
        return
    for name, field in fields.fields.items():
        if name.startswith(lower):
            yield Completion(f"{name}{_sign(field)}", field.meaning)
    if fields.has_tags and "tag.".startswith(lower):
        yield Completion("tag.", "a tag by its key, tag.user_id:42")


def _sign(field: Field) -> str:
    return ">" if field.kind in (Kind.DURATION, Kind.INSTANT, Kind.NUMBER) else ":"


def _options(
    field: Field, sign: str, typed: str, values: Values | None, levels: Mapping[str, int]
) -> Iterable[str] | Mapping[str, str]:
    match field.kind:
        case Kind.STATE:
            known = values(field.name, typed) if values else {}
            notes = known if isinstance(known, Mapping) else {}
            return {state: notes.get(state, "") for state in states.ALL}
        case Kind.PRIORITY:
            return list(levels)
        case Kind.INSTANT if sign == ":":
            return ("today", "yesterday")
        case Kind.INSTANT | Kind.SINCE | Kind.UNTIL | Kind.DURATION:
            return _TIMES[field.kind]
        case Kind.NUMBER | Kind.WORDS:
            return ()
    return values(field.name, typed) if values and field.kind not in COMPARED else ()

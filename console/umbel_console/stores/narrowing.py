"""A filter over things that are not tasks: words in what is shown of a worker or a queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from umbel_backend.errors import InvalidFilter

if TYPE_CHECKING:
    from umbel_backend.filters import Filter
    from umbel_backend.filters.tree import Node, Pattern

Facts = Mapping[str, Sequence[str]]
"""What can be searched of one record, by field; a bare word looks at all of it."""


def read(text: str, fields: Sequence[str]) -> Filter:
    """Parse ``text`` as a filter of words and of ``fields`` only.

    Raises:
        InvalidFilter: It is no filter, or asks for what only tasks have.
    """
    from umbel_backend.filters import parse

    chosen = parse(text)
    wrong = next((name for name in _names(chosen.root) if name and name not in fields), None)
    if wrong is not None:
        allowed = ", ".join(f"{name}:" for name in fields)
        start = max(0, text.lower().find(wrong))
        raise InvalidFilter(text, start, len(wrong), f"Here one filters by words, {allowed} only.")
    return chosen


def matches(node: Node | None, facts: Facts) -> bool:
    """Whether a record with these facts is shown; None shows every one."""
    from umbel_backend.filters.tree import And, Match, Missing, Not, Or, Words

    match node:
        case None:
            return True
        case Not(child):
            return not matches(child, facts)
        case And(children):
            return all(matches(child, facts) for child in children)
        case Or(children):
            return any(matches(child, facts) for child in children)
        case Words(_, patterns):
            return any(
                _within(p, value) for p in patterns for some in facts.values() for value in some
            )
        case Match(field, patterns):
            return any(_equals(p, value) for p in patterns for value in facts.get(field.name, ()))
        case Missing(field):
            return not any(facts.get(field.name, ()))
        case _:
            return False


def _names(node: Node | None) -> list[str]:
    from umbel_backend.filters.tree import And, Not, Or

    match node:
        case None:
            return []
        case Not(child):
            return _names(child)
        case And(children) | Or(children):
            return [name for child in children for name in _names(child)]
        case _:
            return [node.field.name]


def _within(pattern: Pattern, value: str) -> bool:
    """Whether the parts of ``pattern`` occur in ``value`` one after the other."""
    at, text = 0, value.lower()
    for part in pattern.parts:
        found = text.find(part.lower(), at)
        if found < 0:
            return False
        at = found + len(part)
    return True


def _equals(pattern: Pattern, value: str) -> bool:
    text, parts = value.lower(), [part.lower() for part in pattern.parts]
    if len(parts) == 1:
        return text == parts[0]
    room = len(parts[0]) + len(parts[-1]) <= len(text)
    ends = text.startswith(parts[0]) and text.endswith(parts[-1])
    return room and ends and _within(pattern, value)

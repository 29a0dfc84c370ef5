"""What can be told of a task's arguments from Celery's repr of them: whether it is whole, and tags."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from umbel_backend.events.text import CUT

_LENGTH_LIMIT = 1_000
"""Celery cuts a repr near 1,024 characters; from here on an ellipsis may be its mark."""

_TAG_VALUE_LIMIT = 200


def is_whole(text: str) -> bool:
    """Whether a repr made by Celery lost nothing to its limits of length and depth.

    Celery marks a cut with ``...``. A text that merely contains three dots is told apart by reading
    the repr as a literal; where that fails it counts as cut.
    """
    if "..." not in text:
        return not text.endswith(CUT)
    if len(text) >= _LENGTH_LIMIT or text.endswith(CUT):
        return False
    try:
        return not _holds_ellipsis(ast.literal_eval(text))
    except (ValueError, SyntaxError, MemoryError, RecursionError, SystemError):
        return False


def tags_in(kwargs: str, names: Iterable[str]) -> dict[str, str] | None:
    """Return the values of the keyword arguments in ``names``, as text; None if there are none.

    Only from a whole repr (or JSON) of a mapping: never from a part of a cut one.
    """
    for name in names:
        if name in kwargs:
            break
    else:
        return None
    wanted = [name for name in names if name in kwargs]
    if not is_whole(kwargs):
        return None
    values = _literal(kwargs)
    return tags_of(values, wanted) if isinstance(values, dict) else None


def _literal(text: str) -> Any:
    """Read a Python literal or JSON; None if it is neither."""
    for read in (ast.literal_eval, json.loads):
        try:
            return read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError, SystemError):
            continue
    return None


def tags_of(values: Mapping[Any, Any], names: Iterable[str]) -> dict[str, str] | None:
    """Return those of ``values`` that are named and plain (text, number, truth), as text."""
    tags = {
        name: str(values[name])[:_TAG_VALUE_LIMIT]
        for name in names
        if isinstance(values.get(name), str | int | float)
    }
    return tags or None


def _holds_ellipsis(value: object) -> bool:
    if value is ...:
        return True
    if isinstance(value, Mapping):
        return any(_holds_ellipsis(k) or _holds_ellipsis(v) for k, v in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return any(map(_holds_ellipsis, value))
    return isinstance(value, set | frozenset) and any(map(_holds_ellipsis, value))

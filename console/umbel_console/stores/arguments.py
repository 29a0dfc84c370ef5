"""The arguments of a task as a JSON text that an operator edits: laid out, checked as one types."""

from __future__ import annotations

import json
from typing import Any

from msgspec import Struct

EMPTY = '{\n  "args": [],\n  "kwargs": {}\n}'
MOST_CHARACTERS = 1_000_000
"""Longest text that is offered for editing."""


class Arguments(Struct, frozen=True):
    """Arguments that can be sent."""

    args: list[Any]
    kwargs: dict[str, Any]


class Mistake(Struct, frozen=True):
    """What is wrong with a text, and where."""

    words: str
    """One sentence."""
    line: int = 1
    column: int = 1
    """Both counted from 1."""


def read(text: str) -> Arguments | Mistake:
    """Return what ``text`` stands for, or what is wrong with it."""
    try:
        found = json.loads(text, parse_constant=_no_number, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        return Mistake(f"{error.msg}.", error.lineno, error.colno)
    except _Twice as error:
        return Mistake(str(error))
    except ValueError as error:
        return Mistake(f"{error}.")
    except RecursionError:
        return Mistake("It is nested too deeply.")
    if not isinstance(found, dict) or set(found) != {"args", "kwargs"}:
        return Mistake('It has to be an object with "args" and "kwargs", and nothing else.')
    if not isinstance(found["args"], list):
        return Mistake('"args" has to be an array: [1, "two"].')
    if not isinstance(found["kwargs"], dict):
        return Mistake('"kwargs" has to be an object: {"row": 7}.')
    return Arguments(found["args"], found["kwargs"])


def laid_out(args: str, kwargs: str, *, ascii_only: bool = False) -> str:
    """Return the JSON of two values as one text, of which no character hides or moves others.

    Raises:
        ValueError: One of them is no JSON.
    """
    value = {"args": json.loads(args or "[]"), "kwargs": json.loads(kwargs or "{}")}
    return shown(value, ascii_only=ascii_only)


def shown(value: Any, *, ascii_only: bool = False) -> str:
    """Return ``value`` as JSON over several lines, what a terminal would not show written as escapes."""
    from umbel_console.render.text import clean_cell

    text = json.dumps(value, indent=2, ensure_ascii=ascii_only)
    if text.isascii():
        return text
    return "".join(
        each if each == "\n" or clean_cell(f"a{each}") == f"a{each}" else json.dumps(each)[1:-1]
        for each in text
    )


class _Twice(Exception):
    """A key is there twice."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Twice(f"{json.dumps(twice)} is there twice.")
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number that JSON has")

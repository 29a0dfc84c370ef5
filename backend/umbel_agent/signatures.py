"""What a task takes, as its worker knows it: parameters, their defaults as short texts, one line of words.

Nothing of a task is called to find out, not even the ``repr`` of a default: an object of the app's own
is told by its class.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from enum import Enum
from types import GenericAlias, UnionType
from typing import Any

from umbel_agent.redact import HIDDEN, Redactor

MOST_PARAMETERS = 60
"""Of more, only the first are told, and that there are more."""
NAME_LIMIT, TEXT_LIMIT, WORDS_LIMIT = 100, 60, 200
"""Longest name, default or annotation, and first line of a docstring, in characters."""
_ITEMS, _DEPTH, _DIGITS = 4, 2, 30
_CUT = "…"
_BRACKETS: dict[type[Any], tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("{", "}"),
    dict: ("{", "}"),
}

Described = dict[str, Any]


class Signatures:
    """Knows what the tasks of an app take; each is looked at when it is asked for, and once.

    Args:
        words: A default is hidden where its parameter's name has one of them in it, whatever the case.
    """

    def __init__(self, words: tuple[str, ...]) -> None:
        self._words = tuple(word.lower() for word in words)
        self._redact = Redactor(words).redact
        self._known: dict[str, tuple[Any, Described]] = {}

    def of(self, tasks: Mapping[str, Any], name: str) -> Described | None:
        """Return what the task called ``name`` takes; None if it is not among ``tasks``."""
        task = tasks.get(name)
        if task is None:
            return None
        known = self._known.get(name)
        # A name may be given to another task: then it is looked at anew.
        if known is None or known[0] is not task:
            known = self._known[name] = (task, self._described(task))
        return known[1]

    def _described(self, task: Any) -> Described:
        told: Described = {"words": self._words_of(task), "checked": False}
        found = _parameters(task)
        if found is None:
            return told
        parameters, is_its_own = found
        told["checked"] = is_its_own and bool(getattr(task, "typing", True))
        told["parameters"] = [self._parameter(each) for each in parameters[:MOST_PARAMETERS]]
        told["more"] = max(0, len(parameters) - MOST_PARAMETERS)
        return told

    def _parameter(self, parameter: inspect.Parameter) -> dict[str, str]:
        told = {"name": parameter.name[:NAME_LIMIT], "kind": parameter.kind.name.lower()}
        if parameter.default is not parameter.empty:
            is_secret = any(word in parameter.name.lower() for word in self._words)
            text = HIDDEN if is_secret else self._redact(shown(parameter.default))
            told["default"] = _cut(text, TEXT_LIMIT)
        annotation = _annotation(parameter.annotation)
        if annotation:
            told["annotation"] = _cut(annotation, TEXT_LIMIT)
        return told

    def _words_of(self, task: Any) -> str:
        """Return the first line of the docstring of what is run, else of the task's own class."""
        run = getattr(task, "run", None)
        for written in (getattr(run, "__doc__", None), type(task).__dict__.get("__doc__")):
            if isinstance(written, str) and written.strip():
                return _cut(self._redact(written.strip().splitlines()[0].strip()), WORDS_LIMIT)
        return ""


def _parameters(task: Any) -> tuple[list[inspect.Parameter], bool] | None:
    """Return what ``task`` takes, and whether its own code surely takes just that; None if not known."""
    run = getattr(task, "_orig_run", None) or getattr(task, "run", None)
    if run is None:
        return None
    try:
        outer = inspect.signature(run, follow_wrapped=False).parameters
        # A decorator that takes anything may add to what it hands on: that is help, and no rule.
        takes_anything = [each.kind for each in outer.values()] == [
            inspect.Parameter.VAR_POSITIONAL,
            inspect.Parameter.VAR_KEYWORD,
        ]
        if not takes_anything:
            return list(outer.values()), True
        return list(inspect.signature(run).parameters.values()), False
    except (TypeError, ValueError):
        return None


def shown(value: object, depth: int = _DEPTH) -> str:
    """Return a default as a short text, without calling anything that is not Python's own."""
    kind = type(value)
    if value is None or kind in (bool, float):
        return repr(value)
    if isinstance(value, int) and kind is int:
        # Python refuses to write out a very large one.
        return repr(value) if value.bit_length() < 3 * _DIGITS else _CUT
    if isinstance(value, str | bytes) and kind in (str, bytes):
        kept = value[:TEXT_LIMIT]
        return repr(kept) if len(kept) == len(value) else repr(kept) + _CUT
    if isinstance(value, Enum):
        return f"{kind.__name__}.{value.name}"
    if kind in _BRACKETS:
        return _items(value, depth)
    name = value.__name__ if isinstance(value, type) else kind.__name__
    return f"<{name}>"


def _items(value: Any, depth: int) -> str:
    opening, closing = _BRACKETS[type(value)]
    if not value:
        return repr(value)
    if depth == 0:
        return f"{opening}{_CUT}{closing}"
    parts: list[str] = []
    for item in value:
        if len(parts) == _ITEMS:
            parts.append(_CUT)
            break
        text = shown(item, depth - 1)
        parts.append(f"{text}: {shown(value[item], depth - 1)}" if type(value) is dict else text)
    comma = "," if type(value) is tuple and len(value) == 1 else ""
    return f"{opening}{', '.join(parts)}{comma}{closing}"


def _annotation(value: object) -> str:
    """Return an annotation as it was probably written; empty for none, or for one that is no plain type."""
    if value is inspect.Parameter.empty:
        return ""
    if type(value) is str:
        return value
    if type(value) is type:
        return "None" if value is type(None) else value.__name__
    if isinstance(value, GenericAlias):
        inner = [_annotation(each) for each in value.__args__]
        return f"{_annotation(value.__origin__)}[{', '.join(inner)}]" if all(inner) else ""
    if isinstance(value, UnionType):
        inner = [_annotation(each) for each in value.__args__]
        return " | ".join(inner) if all(inner) else ""
    return ""


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + _CUT

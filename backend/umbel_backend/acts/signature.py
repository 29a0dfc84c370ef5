"""What a task takes, as the agents of its workers tell it, and whether given arguments fit that."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from umbel_backend.events.text import clean

Kind = Literal[
    "positional_only", "positional_or_keyword", "var_positional", "keyword_only", "var_keyword"
]

_KINDS: tuple[str, ...] = get_args(Kind)
_MOST_PARAMETERS = 60
_NAME_LIMIT, _TEXT_LIMIT, _WORDS_LIMIT = 100, 60, 200
_NAMED = 3
"""Most names in one sentence."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a task."""

    name: str
    kind: Kind
    """As Python's ``inspect`` names it, in lower case."""
    default: str | None = None
    """As a short text, a secret as ``***``; None where it has to be given."""
    annotation: str = ""
    """As a short text; empty where there is none that is plain."""

    @property
    def is_needed(self) -> bool:
        """Whether a call without it fails."""
        return self.default is None and not self.kind.startswith("var_")

    @property
    def words(self) -> str:
        """The parameter as Python would write it."""
        stars = {"var_positional": "*", "var_keyword": "**"}.get(self.kind, "")
        typed = f"{stars}{self.name}: {self.annotation}" if self.annotation else stars + self.name
        equals = " = " if self.annotation else "="
        return typed if self.default is None else f"{typed}{equals}{self.default}"


@dataclass(frozen=True, slots=True)
class Signature:
    """What a task takes, as at least one worker's agent told it."""

    parameters: Sequence[Parameter] = ()
    words: str = ""
    """The first line of its docstring; empty if it has none."""
    is_rule: bool = False
    """Whether a call that does not fit surely fails; else it is a help only, as of ``typing=False``."""
    more: int = 0
    """How many further parameters were left out."""
    workers: Sequence[str] = field(default=(), compare=False)
    """Who told it so, sorted."""

    def text(self) -> str:
        """Return the parameters as Python would write them: ``(order_id, *, note='')``."""
        parts: list[str] = []
        kinds = [each.kind for each in self.parameters]
        for position, parameter in enumerate(self.parameters):
            before = kinds[:position]
            if parameter.kind == "keyword_only" and not {"var_positional", "keyword_only"} & {
                *before
            }:
                parts.append("*")
            parts.append(parameter.words)
            ends_positional = kinds[position + 1 : position + 2] != ["positional_only"]
            if parameter.kind == "positional_only" and ends_positional:
                parts.append("/")
        if self.more:
            parts.append(f"… {self.more} more")
        return f"({', '.join(parts)})"

    def mistake(self, args: Sequence[Any], kwargs: Collection[str]) -> str | None:
        """Return why a call with these arguments would fail, in one sentence; None if it fits.

        Args:
            args: Positional arguments, of which only the number counts.
            kwargs: Names of those given by keyword.

        None also where that cannot be known.
        """
        if not self.is_rule or self.more:
            return None
        return (
            self._too_many(len(args))
            or self._unknown(kwargs)
            or self._twice(len(args), kwargs)
            or self._missing(len(args), kwargs)
        )

    def _of(self, *kinds: Kind) -> list[Parameter]:
        return [each for each in self.parameters if each.kind in kinds]

    @property
    def _positional(self) -> list[Parameter]:
        return self._of("positional_only", "positional_or_keyword")

    def _too_many(self, given: int) -> str | None:
        room = len(self._positional)
        if given <= room or self._of("var_positional"):
            return None
        takes = f"at most {room}" if room else "none"
        return f"Of arguments by position it takes {takes}, and {given} are given."

    def _unknown(self, kwargs: Collection[str]) -> str | None:
        if self._of("var_keyword"):
            return None
        known = [each.name for each in self._of("positional_or_keyword", "keyword_only")]
        unknown = [name for name in kwargs if name not in known]
        if not unknown:
            return None
        first = unknown[0]
        if first in [each.name for each in self._of("positional_only")]:
            return f"It takes {_quoted(first)} by position only."
        near = difflib.get_close_matches(first, known, n=1)
        hint = f"; it has {_quoted(near[0])}" if near else ""
        return f"It has no argument {_quoted(first)}{hint}."

    def _twice(self, given: int, kwargs: Collection[str]) -> str | None:
        filled = [p.name for p in self._positional[:given] if p.kind == "positional_or_keyword"]
        twice = [name for name in filled if name in kwargs]
        return f"{_quoted(twice[0])} is given by position and by keyword." if twice else None

    def _missing(self, given: int, kwargs: Collection[str]) -> str | None:
        left = [*self._positional[given:], *self._of("keyword_only")]
        missing = [
            each.name
            for each in left
            if each.is_needed and (each.kind == "positional_only" or each.name not in kwargs)
        ]
        if not missing:
            return None
        named = ", ".join(_quoted(name) for name in missing[:_NAMED])
        further = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        return f"It needs {named}{further}."


def read_signatures(replies: Mapping[str, Any], name: str) -> list[Signature]:
    """Read the replies of agents, by worker, to the question what the task ``name`` takes.

    Returns:
        Each signature once, with the workers that told it; what most told comes first.
    """
    told: dict[Signature, list[str]] = {}
    for worker in sorted(replies):
        reply = replies[worker]
        known = reply.get("ok") if isinstance(reply, dict) else None
        found = _read(known.get(name)) if isinstance(known, dict) else None
        if found is not None:
            told.setdefault(found, []).append(clean(worker, 255))
    most_first = sorted(told.items(), key=lambda each: -len(each[1]))
    return [
        Signature(each.parameters, each.words, each.is_rule, each.more, tuple(workers))
        for each, workers in most_first
    ]


def mistake_in(
    signatures: Sequence[Signature], args: Sequence[Any], kwargs: Collection[str]
) -> str | None:
    """Return why a call would fail in the workers, or in some of them; None if it fits."""
    for signature in signatures:
        found = signature.mistake(args, kwargs)
        if found is None:
            continue
        if len(signatures) == 1:
            return found
        return f"{found.rstrip('.')}, in {_some(signature.workers)}; workers have different code."
    return None


def in_doubt(mistake: str) -> str:
    """Return what to tell before a task is run whose arguments do not seem to fit."""
    return f"It would probably fail: {mistake[:1].lower()}{mistake[1:]}"


def doubt_about(
    signatures: Sequence[Signature], args: Sequence[Any], kwargs: Collection[str]
) -> str | None:
    """Return why a call would probably fail and what the task takes; None if nothing speaks for that."""
    mistake = mistake_in(signatures, args, kwargs)
    if mistake is None:
        return None
    return f"{in_doubt(mistake)} It takes {signatures[0].text()}."


def _quoted(name: str) -> str:
    return f"'{clean(name, _NAME_LIMIT)}'"


def _some(workers: Sequence[str]) -> str:
    return workers[0] if len(workers) == 1 else f"{workers[0]} and {len(workers) - 1} more"


def _read(told: Any) -> Signature | None:
    """Read what one agent told; None if that cannot be read, or it knows no parameters."""
    listed = told.get("parameters") if isinstance(told, dict) else None
    if not isinstance(listed, list):
        return None
    found = [_parameter(each) for each in listed[:_MOST_PARAMETERS]]
    parameters = [each for each in found if each is not None]
    if len(parameters) != len(found):
        return None
    more = told.get("more")
    left_out = more if isinstance(more, int) and 0 < more < 10_000 else 0
    return Signature(
        parameters=tuple(parameters),
        words=_text(told.get("words"), _WORDS_LIMIT),
        is_rule=told.get("checked") is True,
        more=left_out + len(listed) - len(found),
    )


def _parameter(told: Any) -> Parameter | None:
    if not isinstance(told, dict) or told.get("kind") not in _KINDS:
        return None
    name = _text(told.get("name"), _NAME_LIMIT)
    if not name:
        return None
    default = told.get("default")
    return Parameter(
        name=name,
        kind=told["kind"],
        default=_text(default, _TEXT_LIMIT) if isinstance(default, str) else None,
        annotation=_text(told.get("annotation"), _TEXT_LIMIT),
    )


def _text(told: Any, limit: int) -> str:
    return clean(told, limit).replace("\n", " ").replace("\t", " ") if isinstance(told, str) else ""

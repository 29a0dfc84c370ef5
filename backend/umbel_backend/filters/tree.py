"""The parsed filter: a small frozen tree, its canonical text and its reading in words.

Relative times (``2h``, ``today``) stay relative in the tree and are resolved by whoever evaluates
it, so an open filter keeps sliding with the clock.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from umbel_backend.filters.fields import Field, Kind

Operator = Literal["=", ">", "<", ">=", "<="]

DAY_S: Final = 86_400.0
KEYWORDS: Final = frozenset({"OR", "AND", "NOT"})

_NEEDS_QUOTES = re.compile(r'[\s"(),\\<>]|[^\x20-\U0010ffff]')
_WORD_NEEDS_QUOTES = re.compile(r'^-|[\s"(),\\<>:=]|[^\x20-\U0010ffff]')
_TOKEN = re.compile(r"[0-9A-Za-z\x80-\U0010ffff]+")


def lower_ascii(text: str) -> str:
    """Return ``text`` with its ASCII letters in lower case and nothing else changed.

    This is how SQLite's ``NOCASE`` and PostgreSQL's ``lower(… COLLATE "C")`` see a text; ``bytes``
    knows no other letters either.
    """
    return text.lower() if text.isascii() else text.encode().lower().decode()


def upper_ascii(text: str) -> str:
    """Return ``text`` with its ASCII letters in upper case and nothing else changed."""
    return text.upper() if text.isascii() else text.encode().upper().decode()


def tokens(text: str) -> tuple[str, ...]:
    """Return the words of ``text``: runs of ASCII letters and digits or anything from U+0080 on.

    In lower case as by `lower_ascii`; this is what the ``ascii`` tokenizer of SQLite's FTS5 does.
    """
    return tuple(_TOKEN.findall(lower_ascii(text)))


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text value: the literal parts between its wildcards, so one part means "exactly this"."""

    parts: tuple[str, ...]

    @property
    def is_exact(self) -> bool:
        """Whether there is no wildcard in it."""
        return len(self.parts) == 1

    @property
    def literal(self) -> str:
        """The text without its wildcards."""
        return "".join(self.parts)

    @property
    def is_prefix(self) -> bool:
        """Whether it has no wildcard but one at its end."""
        return len(self.parts) == 2 and not self.parts[1]


def id_cases(pattern: Pattern) -> tuple[Pattern, ...]:
    """Return what an id may be for ``pattern``: as written, all lower, all upper; each once."""
    cases = (
        pattern.parts,
        tuple(map(lower_ascii, pattern.parts)),
        tuple(map(upper_ascii, pattern.parts)),
    )
    return tuple(Pattern(parts) for parts in dict.fromkeys(cases))


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number or a duration in seconds, with the text it was written as (``high``, ``1h30m``)."""

    value: float
    written: str


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment, or a whole day in UTC, fixed or counted from now."""

    base: Literal["at", "day", "ago", "days ago"]
    value: float
    """Unix seconds for ``at`` and ``day`` (its start), else seconds or days before now."""
    written: str

    @property
    def is_day(self) -> bool:
        """Whether it means a whole day and not one moment."""
        return self.base in ("day", "days ago")

    @property
    def is_relative(self) -> bool:
        """Whether it moves with the clock."""
        return self.base in ("ago", "days ago")

    def start(self, now: float) -> float:
        """Return the moment, or the first one of the day, in Unix seconds."""
        if self.base == "ago":
            return now - self.value
        if self.base == "days ago":
            return (now // DAY_S - self.value) * DAY_S
        return self.value

    def span(self, operator: Operator, now: float) -> tuple[float, float]:
        """Return the half-open range of the instants that stand in ``operator`` to this one.

        A day is a stretch of time: later than it is after its end, at most it includes all of it.
        """
        start = self.start(now)
        end = start + DAY_S if self.is_day else math.nextafter(start, math.inf)
        low = {">": end, ">=": start, "=": start}.get(operator, -math.inf)
        high = {"<": start, "<=": end, "=": end}.get(operator, math.inf)
        return low, high


@dataclass(frozen=True, slots=True)
class Match:
    """A text field is equal to, or like, one of the patterns. States come here in upper case."""

    field: Field
    patterns: tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """A search for words; the field of a bare word has an empty name."""

    field: Field
    patterns: tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class Compare:
    """A number, duration or instant stands in ``operator`` to one of the values.

    Several values occur only with ``=``; an instant is ``=`` only to a day. ``since`` is ``>=``,
    ``until`` is ``<``, or ``<=`` of a day, which it includes.
    """

    field: Field
    operator: Operator
    values: tuple[Quantity | Instant, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """The field is not known: none of its sources holds anything but an empty text."""

    field: Field


@dataclass(frozen=True, slots=True)
class Not:
    """Everything the child does not match, what is not known included."""

    child: Node


@dataclass(frozen=True, slots=True)
class And:
    """Two or more children, none of them an `And`."""

    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Two or more children, none of them an `Or`."""

    children: tuple[Node, ...]


Node: TypeAlias = Match | Words | Compare | Missing | Not | And | Or


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter as an operator wrote it and as it was understood."""

    text: str
    """As written."""
    root: Node | None
    """None matches every record."""

    @property
    def is_empty(self) -> bool:
        """Whether it matches every record because nothing was asked."""
        return self.root is None

    @property
    def moves(self) -> bool:
        """Whether the same record may match at one time and not at another: it depends on now."""
        return self.root is not None and _moves(self.root)

    def __str__(self) -> str:
        """Return the canonical text; parsing it gives an equal tree."""
        return "" if self.root is None else render(self.root)


def all_of(nodes: list[Node]) -> Node:
    """Return the conjunction of one or more nodes, nested ones dissolved."""
    flat = [leaf for node in nodes for leaf in (node.children if isinstance(node, And) else [node])]
    return flat[0] if len(flat) == 1 else And(tuple(flat))


def any_of(nodes: list[Node]) -> Node:
    """Return the disjunction of one or more nodes, nested ones dissolved."""
    flat = [leaf for node in nodes for leaf in (node.children if isinstance(node, Or) else [node])]
    return flat[0] if len(flat) == 1 else Or(tuple(flat))


def render(node: Node) -> str:
    """Return the canonical text of ``node``."""
    match node:
        case And(children):
            return " ".join(_grouped(child, Or) for child in children)
        case Or(children):
            return " OR ".join(render(child) for child in children)
        case Not(child):
            return "-" + _grouped(child, And, Or, Not)
        case Missing(field):
            return f'{field.name}:""'
        case Words(field, patterns) if not field.name:
            return quote_word(patterns[0])
        case Match(field, patterns) | Words(field, patterns):
            return f"{field.name}:{','.join(quote(pattern) for pattern in patterns)}"
        case Compare(field, operator, values):
            colon = operator == "=" or field.kind in (Kind.SINCE, Kind.UNTIL)
            sign = ":" if colon else operator
            return f"{field.name}{sign}{','.join(value.written for value in values)}"


def quote(pattern: Pattern) -> str:
    """Return ``pattern`` as it is written after a colon."""
    return _quoted(pattern) if _must_quote(pattern, _NEEDS_QUOTES) else "*".join(pattern.parts)


def quote_word(pattern: Pattern) -> str:
    """Return ``pattern`` as it is written as a bare word."""
    plain = "*".join(pattern.parts)
    return (
        _quoted(pattern) if _must_quote(pattern, _WORD_NEEDS_QUOTES) or plain in KEYWORDS else plain
    )


def _must_quote(pattern: Pattern, special: re.Pattern[str]) -> bool:
    joined = "*".join(pattern.parts)
    return not joined or any("*" in part for part in pattern.parts) or bool(special.search(joined))


def _quoted(pattern: Pattern) -> str:
    escaped = (re.sub(r'(["\\*])', r"\\\1", part) for part in pattern.parts)
    return '"' + "*".join(escaped) + '"'


def _grouped(node: Node, *kinds: type) -> str:
    text = render(node)
    return f"({text})" if isinstance(node, kinds) else text


def _moves(node: Node) -> bool:
    match node:
        case And(children) | Or(children):
            return any(_moves(child) for child in children)
        case Not(child):
            return _moves(child)
        case Compare(field, _, values):
            return field.name == "runtime" or any(
                isinstance(value, Instant) and value.is_relative for value in values
            )
    return False

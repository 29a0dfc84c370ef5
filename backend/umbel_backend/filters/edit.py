"""Changing a filter's text by one term: what an operator wrote stays as it was written.

Only terms that hold for every match are changed, so nothing inside parentheses, behind ``OR`` or
under a second ``NOT``. A text with mistakes can be edited too, as long as it is clear where a term
ends: whatever is not understood is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NoReturn

from umbel_backend.errors import InvalidFilter
from umbel_backend.filters.fields import TASK_FIELDS, Field, FieldSet, Kind
from umbel_backend.filters.scan import FIELD_HEAD, Scanner, Value
from umbel_backend.filters.tree import (
    And,
    Compare,
    Filter,
    Match,
    Missing,
    Node,
    Not,
    Or,
    Pattern,
    Words,
    all_of,
    lower_ascii,
    quote,
)

Stance = Literal["included", "excluded"]

# What a term without parentheses is made of; a quoted stretch counts as one character.
_WORD: Final = re.compile(r'(?:"(?:\\.|[^"\\])*"|[^\s"()])+', re.DOTALL)
_NEGATION: Final = re.compile(r"-|NOT(?=[\s(])\s*")
_DANGLING: Final = re.compile(r"(?<![^\s()])-*(?:NOT[\s-]*)+$")
_JOINT: Final = re.compile(r"(?:AND|OR|NOT)(?=[\s()]|$)")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A term, a parenthesis with all in it, or a keyword, as it stands in the text."""

    start: int
    end: int
    keyword: str = ""
    field: Field | None = None
    """Of a plain ``field:value,value``, negated once at most; None for everything else."""
    is_negated: bool = False
    values: tuple[Value, ...] = ()


class FilterText:
    """A filter's text, taken apart into the terms that every match meets.

    Args:
        text: As it was typed; it need not be a filter yet.
        fields: The fields that may be named.

    Raises:
        InvalidFilter: A quote or parenthesis is open, so nobody can tell where a term ends.
    """

    def __init__(self, text: str, *, fields: FieldSet = TASK_FIELDS) -> None:
        self.text = text
        self._fields = fields
        self._pieces = _pieces(text, fields)
        self._has_or = any(piece.keyword == "OR" for piece in self._pieces)

    def stance(self, field: str, value: str | None) -> Stance | None:
        """Tell whether ``value`` is asked for, or kept out, by name; None is "not known"."""
        wanted = self._field(field)
        for piece in self._terms(wanted):
            if any(_is(wanted, each.pattern, value) for each in piece.values):
                return "excluded" if piece.is_negated else "included"
        return None

    def names(self, field: str) -> bool:
        """Whether a term about ``field`` can be changed here."""
        return bool(self._terms(self._field(field)))

    def value(self, field: str) -> str | None:
        """Return what the last plain term about ``field`` asks for, as it is meant; None without one."""
        terms = self._terms(self._field(field), negated=False)
        return terms[-1].values[-1].pattern.literal if terms else None

    def values(self, field: str) -> list[str]:
        """Return every value without a wildcard that is asked for or kept out, as it is meant."""
        patterns = (v.pattern for term in self._terms(self._field(field)) for v in term.values)
        return [pattern.literal for pattern in patterns if pattern.is_exact]

    def toggled(self, field: str, value: str | None, *, exclude: bool = False) -> str:
        """Return the text with ``value`` asked for or, with ``exclude``, kept out; or no longer so.

        A value that stands the other way round is turned. Further values widen the term that is
        there: ``queue:high`` becomes ``queue:high,default``.
        """
        stance = self.stance(field, value)
        text = self.text
        if stance is not None:
            text = self._again(text)._dropped(field, value)
        if stance == ("excluded" if exclude else "included"):
            return text
        return self._again(text)._added(field, value, exclude)

    def cleared(self, field: str) -> str:
        """Return the text without any plain term about ``field``."""
        terms = self._terms(self._field(field))
        text = self.text
        for term in reversed(terms):
            text = self._again(text)._without(term)
        return text

    def replaced(self, field: str, value: str | None) -> str:
        """Return the text with ``value`` as the only plain term about ``field``; None drops it."""
        terms = self._terms(self._field(field), negated=False)
        if value is None:
            text = self.text
            for _ in terms:
                again = self._again(text)
                text = again._without(again._terms(again._field(field), negated=False)[-1])
            return text
        written = f"{field}:{quote(Pattern((value,)))}"
        if not terms:
            return self._again(self.text)._appended(written)
        kept = self.text
        for term in reversed(terms[1:]):
            kept = self._again(kept)._without(term)
        return kept[: terms[0].start] + written + kept[terms[0].end :]

    def _again(self, text: str) -> FilterText:
        return FilterText(text, fields=self._fields)

    def _field(self, name: str) -> Field:
        found = self._fields.find(name)
        if found is None:
            raise KeyError(name)
        return found

    def _terms(self, field: Field, negated: bool | None = None) -> list[_Piece]:
        """Return the plain terms about ``field`` that every match meets, of one kind or of both."""
        if self._has_or:
            return []
        return [
            piece
            for piece in self._pieces
            if piece.field is not None
            and piece.field.name == field.name
            and negated in (None, piece.is_negated)
        ]

    def _dropped(self, name: str, value: str | None) -> str:
        """Return the text with no term that names ``value``."""
        field, text = self._field(name), self.text
        for piece in reversed(self._pieces):
            if piece.field is None or piece.field.name != field.name:
                continue
            kept = [each for each in piece.values if not _is(field, each.pattern, value)]
            if not kept:
                text = self._again(text)._without(piece)
            elif len(kept) < len(piece.values):
                head = text[piece.start : piece.values[0].start]
                values = ",".join(text[each.start : each.end] for each in kept)
                text = f"{text[: piece.start]}{head}{values}{text[piece.end :]}"
        return text

    def _added(self, name: str, value: str | None, exclude: bool) -> str:
        field = self._field(name)
        written = quote(Pattern(("" if value is None else value,)))
        terms = self._terms(field, negated=exclude)
        if not terms:
            return self._appended(f"{'-' * exclude}{field.name}:{written}")
        text = self.text
        # What one term does not let through, another cannot: each of them is widened.
        for term in reversed(terms):
            text = f"{text[: term.end]},{written}{text[term.end :]}"
        return text

    def _appended(self, term: str) -> str:
        text = self.text
        if not self._pieces:
            return term
        if self._has_or:
            return f"({text.strip()}) {term}"
        if waiting := _DANGLING.search(text):
            # It would swallow the term that comes after it.
            return f"{text[: waiting.start()]}{term} {waiting[0]}"
        return f"{text}{'' if text[-1].isspace() else ' '}{term}"

    def _without(self, gone: _Piece) -> str:
        """Return the text without ``gone``, the ``AND`` that joined it, and the space between."""
        place = next(i for i, piece in enumerate(self._pieces) if piece.start == gone.start)
        first = last = place
        if place and self._pieces[place - 1].keyword == "AND":
            first -= 1
        elif place + 1 < len(self._pieces) and self._pieces[place + 1].keyword == "AND":
            last += 1
        if last + 1 < len(self._pieces):
            after = self._pieces[last + 1]
            rest = self.text[after.start :]
            if not after.keyword and self.text[after.start : after.end] == "AND":
                # A word to search for only where it stood: here it would join two terms.
                rest = f'"AND"{self.text[after.end :]}'
            return self.text[: self._pieces[first].start] + rest
        return self.text[: self._pieces[first - 1].end] if first else ""


def without(chosen: Filter, fields: Collection[str]) -> Filter:
    """Return ``chosen`` without what it asks of one of ``fields`` alone, as facets are counted."""
    parts = _conjuncts(chosen.root)
    kept = [part for part in parts if about(part) not in fields]
    if len(kept) == len(parts):
        return chosen
    return Filter(chosen.text, all_of(kept) if kept else None)


def asked(chosen: Filter | None) -> set[str]:
    """Return the fields that ``chosen`` asks something of alone, as `without` understands it."""
    names = (about(part) for part in _conjuncts(None if chosen is None else chosen.root))
    return {name for name in names if name}


def about(node: Node) -> str | None:
    """Return the name of the only field that ``node`` looks at, None if there are several."""
    match node:
        case Match(field) | Compare(field) | Missing(field) | Words(field):
            return field.name
        case Not(child):
            return about(child)
        case And(children) | Or(children):
            names = {about(child) for child in children}
            return names.pop() if len(names) == 1 else None


def _conjuncts(root: Node | None) -> Sequence[Node]:
    if root is None:
        return ()
    return root.children if isinstance(root, And) else (root,)


def _is(field: Field, pattern: Pattern, value: str | None) -> bool:
    if not pattern.is_exact:
        return False
    if field.kind is Kind.ID:
        return pattern.literal == (value or "")
    return lower_ascii(pattern.literal) == lower_ascii(value or "")


def _pieces(text: str, fields: FieldSet) -> list[_Piece]:
    found: list[_Piece] = []
    at = _space(text, 0)
    while at < len(text):
        piece = _piece(text, at, fields)
        if piece.keyword == "AND" and found and found[-1].keyword == "AND":
            # Where a term must come, it is a word to search for.
            piece = _Piece(piece.start, piece.end)
        found.append(piece)
        at = _space(text, piece.end)
    return found


def _piece(text: str, start: int, fields: FieldSet) -> _Piece:
    negation = _NEGATION.match(text, start)
    at = negation.end() if negation else start
    if not negation and (joint := _JOINT.match(text, start)):
        return _Piece(start, joint.end(), joint[0])
    while further := _NEGATION.match(text, at):
        negation, at = None, further.end()
    if at == len(text):
        return _Piece(start, at, "NOT")
    if text[at] == "(":
        return _Piece(start, _closed(text, at))
    word = _WORD.match(text, at)
    if word is None:
        # Behind the sign of a negation nothing stands, or this parenthesis closes nothing.
        if text[at].isspace():
            return _Piece(start, at)
        _complain(text, at)
    head = FIELD_HEAD.match(text, at)
    is_plain = negation is not None or at == start
    field = fields.find(head[1]) if head is not None and head[2] == ":" and is_plain else None
    values = _values(text, head.end(), word.end()) if head is not None and field else ()
    if field is None or not values:
        return _Piece(start, word.end())
    return _Piece(start, word.end(), "", field, negation is not None, values)


def _values(text: str, start: int, end: int) -> tuple[Value, ...]:
    """Return the values between commas; nothing if they are not what a filter takes."""
    scan, values = Scanner(text[:end]), list[Value]()
    scan.at = start
    try:
        while True:
            value = scan.take_value(",")
            if value.start == value.end:
                return ()
            values.append(value)
            if scan.char != ",":
                return tuple(values) if scan.at == end else ()
            scan.at += 1
    except InvalidFilter:
        return ()


def _closed(text: str, start: int) -> int:
    """Return the place behind the parenthesis that closes the one at ``start``."""
    depth, at = 0, start
    while at < len(text):
        if text[at] in "()":
            depth += 1 if text[at] == "(" else -1
            at += 1
            if not depth:
                return at
        elif text[at].isspace():
            at += 1
        elif word := _WORD.match(text, at):
            at = word.end()
        else:
            _complain(text, at)
    raise InvalidFilter(text, start, 1, "This parenthesis is never closed")


def _complain(text: str, at: int) -> NoReturn:
    is_quote = text[at] == '"'
    problem = "This quote is never closed" if is_quote else "Nothing is open that this ) closes"
    raise InvalidFilter(text, at, 1, problem)


def _space(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at

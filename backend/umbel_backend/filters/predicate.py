"""The live back end: a filter becomes one function of a record and the time.

Everything that can be worked out before is (folded patterns, word expressions, bounds), because the
function runs for every record of a screen several times a second. It agrees with
`umbel_backend.filters.sql` on every record; a property test holds the two together.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from functools import reduce
from typing import Final, TypeAlias

from umbel_backend.db.phrases import finder
from umbel_backend.filters.fields import COMPARED, RUNNING, Field, Kind
from umbel_backend.filters.tree import (
    And,
    Compare,
    Filter,
    Instant,
    Match,
    Missing,
    Node,
    Not,
    Operator,
    Or,
    Pattern,
    Quantity,
    Words,
    id_cases,
    lower_ascii,
    tokens,
)
from umbel_backend.records import TaskRecord

Predicate: TypeAlias = Callable[[TaskRecord, float], bool]
_Reader: TypeAlias = Callable[[TaskRecord, float], float | None]
_Accepts: TypeAlias = Callable[[str], bool]

_OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}

_REPEATED: Final = frozenset({"name", "queue", "worker"})
"""Sources with few different values, whose answers are worth remembering."""
_MOST_REMEMBERED: Final = 4_096


def compile_predicate(filter: Filter) -> Predicate:
    """Return the function that tells whether a record matches ``filter`` at a time (Unix seconds).

    Give one ``now`` for all records of a redraw: bounds are worked out once for each.
    """
    return _always if filter.root is None else _compile(filter.root)


def _always(record: TaskRecord, now: float) -> bool:
    return True


def _compile(node: Node) -> Predicate:
    match node:
        case And(children):
            return _all([_compile(child) for child in sorted(children, key=_cost)])
        case Or(children):
            return _any([_compile(child) for child in children])
        case Not(child):
            denied = _compile(child)
            return lambda record, now: not denied(record, now)
        case Match(field, patterns):
            return _match(field, patterns)
        case Words(field, patterns):
            return _any([_words(field, pattern) for pattern in patterns])
        case Compare():
            return _compare(node)
        case Missing(field):
            return _missing(field)


def _cost(node: Node) -> int:
    match node:
        case And(children) | Or(children):
            return max(map(_cost, children))
        case Not(child):
            return _cost(child)
        case Words():
            return 1
    return 0


def _all(parts: Iterable[Predicate]) -> Predicate:
    def both(first: Predicate, second: Predicate) -> Predicate:
        return lambda record, now: first(record, now) and second(record, now)

    return reduce(both, parts)


def _any(parts: Iterable[Predicate]) -> Predicate:
    def either(first: Predicate, second: Predicate) -> Predicate:
        return lambda record, now: first(record, now) or second(record, now)

    return reduce(either, parts)


def _match(field: Field, patterns: tuple[Pattern, ...]) -> Predicate:
    if field.kind is Kind.STATE:
        wanted = frozenset(pattern.literal for pattern in patterns)
        return lambda record, now: record.state in wanted
    if field.tag is not None:
        return _tag(field.tag, _accept_text(patterns))
    accepts = {Kind.ID: _accept_id, Kind.EXCEPTION: _accept_exception}.get(
        field.kind, _accept_text
    )(patterns)
    read = _remembered if field.sources[0] in _REPEATED else _accepted
    return _any([read(source, accepts) for source in field.sources])


def _accepted(source: str, accepts: _Accepts) -> Predicate:
    read = operator.attrgetter(source)

    def matches(record: TaskRecord, now: float) -> bool:
        text = read(record)
        return text is not None and accepts(text)

    return matches


def _remembered(source: str, accepts: _Accepts) -> Predicate:
    read, answers = operator.attrgetter(source), dict[str | None, bool]()

    def matches(record: TaskRecord, now: float) -> bool:
        text = read(record)
        try:
            return answers[text]
        except KeyError:
            if len(answers) >= _MOST_REMEMBERED:
                answers.clear()
            answers[text] = answer = text is not None and accepts(text)
            return answer

    return matches


def _tag(key: str, accepts: _Accepts) -> Predicate:
    def matches(record: TaskRecord, now: float) -> bool:
        text = record.tags.get(key)
        return text is not None and accepts(text)

    return matches


def _accept_text(patterns: Iterable[Pattern]) -> _Accepts:
    folded = [Pattern(tuple(map(lower_ascii, pattern.parts))) for pattern in patterns]
    accepts = _accept(folded)
    return lambda text: accepts(lower_ascii(text))


def _accept_id(patterns: Iterable[Pattern]) -> _Accepts:
    return _accept([case for pattern in patterns for case in id_cases(pattern)])


def _accept_exception(patterns: Iterable[Pattern]) -> _Accepts:
    accepts = _accept_text(patterns)
    return lambda text: accepts(text.partition(":")[0]) or accepts(text)


def _accept(patterns: list[Pattern]) -> _Accepts:
    exact = frozenset(pattern.literal for pattern in patterns if pattern.is_exact)
    starts = tuple(pattern.literal for pattern in patterns if pattern.is_prefix)
    tests: list[_Accepts] = [exact.__contains__] if exact else []
    if starts:
        tests.append(lambda text: text.startswith(starts))
    tests += [_like(p.parts) for p in patterns if not (p.is_exact or p.is_prefix)]
    if len(tests) == 1:
        return tests[0]
    return lambda text: any(test(text) for test in tests)


def _like(parts: tuple[str, ...]) -> _Accepts:
    first, *middle, last = parts
    shortest = len(first) + len(last)

    def accepts(text: str) -> bool:
        if len(text) < shortest or not text.startswith(first) or not text.endswith(last):
            return False
        at, end = len(first), len(text) - len(last)
        for part in middle:
            at = text.find(part, at, end)
            if at < 0:
                return False
            at += len(part)
        return True

    return accepts


def _words(field: Field, pattern: Pattern) -> Predicate:
    if not (pattern.is_exact or pattern.is_prefix):
        accepts, begins = _accept_text((pattern,)), _accept_id((pattern,))
        texts = [_accepted(source, accepts) for source in field.sources]
    else:
        begins = _accept_id((Pattern((pattern.literal, "")),))
        texts = [_phrase(operator.attrgetter(*field.sources), tokens(pattern.literal))]
    return _any([_accepted(source, begins) for source in field.heads] + texts)


def _phrase(
    read: Callable[[TaskRecord], tuple[str | None, ...]], phrase: tuple[str, ...]
) -> Predicate:
    """Search for ``phrase``: its words one after the other, the last one as a prefix."""
    longest = max(phrase, key=len)
    search = finder(" ".join(phrase))

    def matches(record: TaskRecord, now: float) -> bool:
        for text in read(record):
            if text:
                lower = lower_ascii(text)
                # Looking for one word in it first is ten times cheaper than the expression.
                if longest in lower and search(lower):
                    return True
        return False

    return matches


def _compare(node: Compare) -> Predicate:
    read = _reader(node.field)
    return _any(
        [
            _in_span(read, node.operator, value)
            if isinstance(value, Instant)
            else _stands(read, _OPERATORS[node.operator], value)
            for value in node.values
        ]
    )


def _stands(read: _Reader, compare: Callable[[float, float], bool], wanted: Quantity) -> Predicate:
    bound = wanted.value

    def matches(record: TaskRecord, now: float) -> bool:
        value = read(record, now)
        return value is not None and compare(value, bound)

    return matches


def _in_span(read: _Reader, sign: Operator, instant: Instant) -> Predicate:
    low = high = resolved_at = math.nan

    def matches(record: TaskRecord, now: float) -> bool:
        nonlocal low, high, resolved_at
        if now != resolved_at:
            low, high = instant.span(sign, now)
            resolved_at = now
        value = read(record, now)
        return value is not None and low <= value < high

    return matches


def _missing(field: Field) -> Predicate:
    if field.tag is not None:
        key = field.tag
        return lambda record, now: not record.tags.get(key)
    if field.kind in COMPARED:
        read = _reader(field)
        return lambda record, now: read(record, now) is None
    read_all = [operator.attrgetter(source) for source in field.sources]
    return lambda record, now: not any(each(record) for each in read_all)


def _reader(field: Field) -> _Reader:
    if field.name == "runtime":
        return _runtime
    read: Callable[[TaskRecord], float | None] = operator.attrgetter(field.sources[0])
    return lambda record, now: read(record)


def _runtime(record: TaskRecord, now: float) -> float | None:
    if record.started_at is None or record.state not in RUNNING:
        return record.runtime_s
    return max(0.0, now - record.started_at)

"""The one parser of the filter language: text in, tree out, or the exact place of the mistake.

    filter  = group { "OR" group }
    group   = [ "AND" ] term { [ "AND" ] term }
    term    = ( "NOT" | "-" ) term | "(" filter ")" | field | word
    field   = NAME ":" value { "," value } | NAME [ ":" ] ( ">" | "<" | ">=" | "<=" ) value

AND binds tighter than OR; ``AND`` itself may be left out. Keywords are upper case, so that "or" can
be searched for; fields and states may be typed in any case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, NoReturn, TypeVar, cast

from umbel_backend import states
from umbel_backend.filters.fields import (
    COMPARED,
    REDIS_LEVELS,
    TASK_FIELDS,
    Field,
    FieldSet,
    Kind,
    nearest,
)
from umbel_backend.filters.scan import FIELD_HEAD, Scanner, Value
from umbel_backend.filters.tree import (
    Compare,
    Filter,
    Instant,
    Match,
    Missing,
    Node,
    Not,
    Operator,
    Pattern,
    Quantity,
    Words,
    all_of,
    any_of,
    tokens,
    upper_ascii,
)
from umbel_backend.filters.values import (
    DURATION_HELP,
    INSTANT_HELP,
    LARGEST_NUMBER,
    read_duration,
    read_instant,
    read_number,
)

DEEPEST: Final = 50
MOST_TERMS: Final = 100
"""SQLite refuses an expression more than 1,000 deep, and one term can become eight comparisons."""

_T = TypeVar("_T", Quantity, Instant)
_NOTHING_OPEN: Final = "Nothing is open that this ) closes"
_NEVER_CLOSED: Final = "This parenthesis is never closed"
_KNOWN: Final = Pattern(("", ""))


def parse(
    text: str,
    *,
    fields: FieldSet = TASK_FIELDS,
    levels: Mapping[str, int] = REDIS_LEVELS,
) -> Filter:
    """Read ``text`` as a filter over records with ``fields``.

    Args:
        levels: The numbers that ``priority:high`` and its like stand for at this broker.

    Raises:
        InvalidFilter: With position, length and what is allowed there.
    """
    return Filter(text, _Parser(text, fields, levels).whole())


class _Parser:
    def __init__(self, text: str, fields: FieldSet, levels: Mapping[str, int]) -> None:
        self.scan = Scanner(text)
        self.fields = fields
        self.levels = levels
        self.terms = 0

    def whole(self) -> Node | None:
        self.scan.skip_space()
        if not self.scan.char:
            return None
        root = self._alternatives(0)
        if self.scan.char:  # only a parenthesis can be left over
            self.scan.fail(_NOTHING_OPEN, self.scan.at, self.scan.at + 1)
        return root

    def _alternatives(self, depth: int) -> Node:
        nodes = [self._conjunction(depth)]
        while self.scan.take_keyword("OR"):
            nodes.append(self._conjunction(depth, after_or=True))
        return any_of(nodes)

    def _conjunction(self, depth: int, *, after_or: bool = False) -> Node:
        scan, entry, nodes = self.scan, self.scan.at, list[Node]()
        scan.skip_space()
        while not self._at_end():
            begin = scan.at
            if scan.take_keyword("AND"):
                scan.skip_space()
                if not nodes or self._at_end():
                    scan.fail("AND needs a term on both sides", begin, begin + 3)
            nodes.append(self._term(depth))
            scan.skip_space()
        if not nodes:
            self._complain_of_nothing(entry, depth, after_or)
        return all_of(nodes)

    def _complain_of_nothing(self, entry: int, depth: int, after_or: bool) -> NoReturn:
        scan = self.scan
        if after_or:
            scan.fail("A term is missing after OR", entry - 2, entry)
        if self._at_keyword("OR"):
            scan.fail("A term is missing before OR", scan.at, scan.at + 2)
        if not depth:
            scan.fail(_NOTHING_OPEN, scan.at, scan.at + 1)
        if not scan.char:
            scan.fail(_NEVER_CLOSED, entry - 1, entry)
        scan.fail("There is nothing in these parentheses", entry - 1, scan.at + 1)

    def _at_end(self) -> bool:
        """Whether no further term of a conjunction stands here."""
        return self.scan.char in ("", ")") or self._at_keyword("OR")

    def _at_keyword(self, keyword: str) -> bool:
        at = self.scan.at
        found = self.scan.take_keyword(keyword)
        self.scan.at = at
        return found

    def _term(self, depth: int) -> Node:
        scan, start = self.scan, self.scan.at
        if depth > DEEPEST:
            scan.fail(f"This is nested more than {DEEPEST} deep", start, start + 1)
        if scan.take_keyword("NOT"):
            scan.skip_space()
            return Not(self._negated(depth, start, "NOT"))
        if scan.char == "-":
            scan.at += 1
            return Not(self._negated(depth, start, "-"))
        if scan.char == "(":
            scan.at += 1
            node = self._alternatives(depth + 1)
            if scan.char != ")":
                scan.fail(_NEVER_CLOSED, start, start + 1)
            scan.at += 1
            return node
        if head := FIELD_HEAD.match(scan.text, scan.at):
            return self._field(head)
        return self._word()

    def _negated(self, depth: int, start: int, sign: str) -> Node:
        if self._at_end() or self.scan.char.isspace():
            self.scan.fail(f"{sign} needs a term right after it", start, start + len(sign))
        return self._term(depth + 1)

    def _word(self) -> Node:
        scan = self.scan
        if scan.char in ("<", ">", ":"):
            scan.fail(
                "A comparison is written without spaces, as in runtime>5s", scan.at, scan.at + 1
            )
        value = scan.take_value("")
        name, equals, _ = scan.text[value.start : value.end].partition("=")
        if equals and self.fields.find(name) is not None:
            scan.fail(
                f"Write {name.lower()}:VALUE for the field, or put the text in double quotes to"
                " search for it",
                value.start,
                value.end,
            )
        return self._words(self.fields.bare, [value])

    def _words(self, field: Field, values: list[Value]) -> Node:
        for value in values:
            if not tokens(value.pattern.literal):
                self.scan.fail(
                    "There is no letter and no digit in this to search for", value.start, value.end
                )
        self._count(values[0], len(values))
        return Words(field, tuple(value.pattern for value in values))

    def _field(self, head: re.Match[str]) -> Node:
        scan, name = self.scan, head[1]
        field = self.fields.find(name)
        if field is None:
            hint = ""
            if name.lower() not in self.fields.elsewhere:
                hint = "; put the text in double quotes to search for it"
            scan.fail(self.fields.complaint(name) + hint, head.start(), head.end(1))
        scan.at = head.end()
        sign = head[2].removeprefix(":")
        if sign and field.kind not in COMPARED:
            scan.fail(
                f"{field.name} takes only a colon; > < >= <= are for"
                f" {', '.join(n for n, f in self.fields.fields.items() if f.kind in COMPARED)}",
                head.start(2),
                head.end(2),
            )
        values = self._values(field, bool(sign))
        if sign:
            return self._compared(field, cast(Operator, sign), values)
        return self._any_of(field, values)

    def _values(self, field: Field, single: bool) -> list[Value]:
        scan, values = self.scan, list[Value]()
        while True:
            value = scan.take_value(",")
            if value.start == value.end:
                where = "right after it, without a space" if not values else "after the comma"
                end = value.end if value.end > value.start else value.start + 1
                scan.fail(f"{field.name} needs a value {where}", value.start, end)
            values.append(value)
            if scan.char != ",":
                return values
            if single or field.kind in (Kind.SINCE, Kind.UNTIL):
                scan.fail(f"{field.name} takes one value here", scan.at, scan.at + 1)
            scan.at += 1

    def _any_of(self, field: Field, values: list[Value]) -> Node:
        """Read ``field:value,value``; the empty text and a lone ``*`` ask whether it is known."""
        if field.kind is Kind.WORDS:
            return self._words(field, values)
        nodes, others = list[Node](), list[Value]()
        for value in values:
            missing = value.pattern.literal == ""
            if missing and field.kind in (Kind.SINCE, Kind.UNTIL, Kind.STATE):
                self.scan.fail(self._needs(field), value.start, value.end)
            if missing and field.always_known:
                self.scan.fail(
                    f"{field.name} is known of all {self.fields.noun}", value.start, value.end
                )
            if missing:
                self._count(value, 1)
                known = value.pattern == _KNOWN
                nodes.append(Not(Missing(field)) if known else Missing(field))
            else:
                others.append(value)
        if others:
            nodes.append(self._matched(field, others))
        return any_of(nodes)

    def _matched(self, field: Field, values: list[Value]) -> Node:
        match field.kind:
            case Kind.STATE:
                self._count(values[0], 1)
                return Match(field, tuple(p for value in values for p in self._states(value)))
            case Kind.NUMBER | Kind.PRIORITY | Kind.DURATION | Kind.INSTANT:
                return self._compared(field, "=", values)
            case Kind.SINCE:
                return self._compared(field, ">=", values)
            case Kind.UNTIL:
                return self._compared(field, "<", values)
        self._count(values[0], 1 + sum(not value.pattern.is_exact for value in values))
        return Match(field, tuple(value.pattern for value in values))

    def _states(self, value: Value) -> list[Pattern]:
        written = upper_ascii("*".join(value.pattern.parts))
        wanted = re.compile(".*".join(re.escape(part) for part in written.split("*")))
        found = [Pattern((state,)) for state in states.ALL if wanted.fullmatch(state)]
        if not found:
            near = nearest(written, states.ALL)
            guess = f", did you mean {near}? The" if near else "; the"
            self.scan.fail(
                f"This is no state{guess} states are {', '.join(states.ALL)}",
                value.start,
                value.end,
            )
        return found

    def _compared(self, field: Field, operator: Operator, values: list[Value]) -> Node:
        read: list[Quantity | Instant] = []
        for value in values:
            if field.kind in (Kind.NUMBER, Kind.PRIORITY):
                read.append(self._read(field, value, self._number_of(field)))
            elif field.kind is Kind.DURATION:
                if operator == "=":
                    self._needs_comparison(field, value)
                read.append(self._read(field, value, read_duration))
            else:
                instant = self._read(field, value, read_instant)
                if operator == "=" and field.kind is Kind.INSTANT and not instant.is_day:
                    self._needs_comparison(field, value)
                if field.kind is Kind.UNTIL and instant.is_day:
                    operator = "<="
                read.append(instant)
        self._count(values[0], len(values))
        return Compare(field, operator, tuple(read))

    def _number_of(self, field: Field) -> Callable[[str], Quantity | None]:
        levels = self.levels if field.kind is Kind.PRIORITY else {}
        return lambda text: read_number(text, levels)

    def _read(self, field: Field, value: Value, reader: Callable[[str], _T | None]) -> _T:
        read = reader(value.pattern.literal) if value.pattern.is_exact else None
        if read is None:
            self.scan.fail(self._needs(field), value.start, value.end)
        return read

    def _needs_comparison(self, field: Field, value: Value) -> None:
        days = " or a day, as in finished:yesterday" if field.kind is Kind.INSTANT else ""
        self.scan.fail(
            f"{field.name} needs a comparison, as in {field.name}>5m{days}", value.start, value.end
        )

    def _needs(self, field: Field) -> str:
        match field.kind:
            case Kind.STATE:
                return f"state needs one of {', '.join(states.ALL)}"
            case Kind.NUMBER:
                return f"{field.name} needs a whole number of at most {LARGEST_NUMBER}"
            case Kind.PRIORITY:
                return (
                    f"{field.name} needs a whole number of at most {LARGEST_NUMBER} or one of"
                    f" {', '.join(self.levels)}"
                )
            case Kind.DURATION:
                return f"{field.name} needs a duration of at most 100 years; {DURATION_HELP}"
        return f"{field.name} needs a time; {INSTANT_HELP}"

    def _count(self, value: Value, terms: int) -> None:
        self.terms += terms
        if self.terms > MOST_TERMS:
            self.scan.fail(
                f"The filter has more than {MOST_TERMS} terms and wildcards",
                value.start,
                value.end,
            )

"""Single comparisons as each database must write them so that cases agree and indexes are used."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias

import sqlalchemy as sa

from umbel_backend.db.tables import task
from umbel_backend.filters.fields import RUNNING, Field
from umbel_backend.filters.tree import Instant, Operator, Pattern, Quantity, id_cases, lower_ascii

Dialect: TypeAlias = Literal["sqlite", "postgresql"]
Condition: TypeAlias = sa.ColumnElement[bool]

EXCEPTION_CLASS: Final[Mapping[Dialect, str]] = {
    "sqlite": "substr(task.exception, 1, instr(task.exception || ':', ':') - 1)",
    "postgresql": "split_part(task.exception, ':', 1)",
}
"""The class in front of the message; literal, because an index only serves its own expression."""


class Columns:
    """The columns of `task` in the words of one database, at one time."""

    def __init__(
        self,
        dialect: Dialect,
        now: float,
        *,
        is_indexed: bool = True,
        near: Condition | None = None,
    ) -> None:
        """Take the columns as they are.

        Args:
            dialect: Of the database.
            now: Unix seconds that relative times count from.
            is_indexed: False keeps SQLite from choosing an index of these columns.
            near: Rows of SQLite whose texts are read for a word, instead of the word index.
        """
        self.dialect = dialect
        self.now = now
        self.near = near
        # A unary plus is SQLite's own way to say so: https://www.sqlite.org/queryplanner-ng.html
        self._sign = "+" if dialect == "sqlite" and not is_indexed else ""

    def column(self, source: str) -> sa.ColumnElement[Any]:
        """Return one column, as it is compared without regard to text."""
        column = task.c[source]
        return sa.literal_column(f"+task.{source}", column.type) if self._sign else column

    def text(self, source: str) -> sa.ColumnElement[Any]:
        """Return a text column as it is compared to folded text."""
        return self.without_case(self.column(source))

    def exception_class(self) -> sa.ColumnElement[Any]:
        """Return the exception's class as it is compared to folded text."""
        expression = self._sign + EXCEPTION_CLASS[self.dialect]
        return self.without_case(sa.literal_column(expression, sa.Text))

    def without_case(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """Return ``column`` as it is compared to folded text."""
        if self.dialect == "sqlite":
            return sa.collate(column, "NOCASE")
        return sa.func.lower(sa.collate(column, "C"))

    def is_any(self, column: sa.ColumnElement[Any], patterns: Iterable[Pattern]) -> list[Condition]:
        """Compare a column from `text` with patterns: one test for the exact ones, one for each other."""
        exact: list[str] = []
        tests: list[Condition] = []
        for pattern in patterns:
            if pattern.is_exact:
                exact.append(lower_ascii(pattern.literal))
            else:
                tests.append(self._like(column, tuple(map(lower_ascii, pattern.parts))))
        return [_one_of(column, exact), *tests] if exact else tests

    def is_id(self, column: sa.ColumnElement[Any], patterns: Iterable[Pattern]) -> list[Condition]:
        """Compare an id column with patterns, each in its three cases."""
        exact: list[str] = []
        tests: list[Condition] = []
        for case in (case for pattern in patterns for case in id_cases(pattern)):
            if case.is_exact:
                exact.append(case.literal)
            elif self.dialect == "sqlite":
                tests.append(column.op("GLOB", is_comparison=True)(_glob(case.parts)))
            else:
                tests.append(self._like(column, case.parts))
        return [_one_of(column, exact), *tests] if exact else tests

    def _like(self, column: sa.ColumnElement[Any], parts: tuple[str, ...]) -> Condition:
        pattern = "%".join(map(like_escaped, parts))
        # PostgreSQL's own escape is the backslash; naming it would hide the pattern from pg_trgm.
        return column.like(pattern, escape="\\" if self.dialect == "sqlite" else None)

    def number(self, field: Field) -> sa.ColumnElement[Any]:
        """Return what a field that is compared by size stands for."""
        if field.name == "runtime":
            return self._runtime()
        if field.name == "wait":
            return self._wait()
        return self.column(field.sources[0])

    def _runtime(self) -> sa.ColumnElement[Any]:
        started, now = self.column("started_at"), sa.literal(self.now, sa.Double)
        running = sa.and_(self.column("state").in_(RUNNING), started.is_not(None))
        return sa.case(
            (sa.and_(running, started < now), now - started),
            (running, sa.literal(0.0, sa.Double)),
            else_=self.column("runtime_s"),
        )

    def _wait(self) -> sa.ColumnElement[Any]:
        """Restate `TaskRecord.wait_s`."""
        started, eta = self.column("started_at"), self.column("eta")
        came = sa.func.coalesce(self.column("sent_at"), self.column("received_at"))
        due = sa.case((eta > came, eta), else_=came)
        return sa.case((started > due, started - due), (started <= due, sa.literal(0.0, sa.Double)))

    def stands(
        self, field: Field, sign: Operator, values: Iterable[Quantity | Instant]
    ) -> list[Condition]:
        """Compare a field by size with each of ``values``."""
        number = self.number(field)
        return [
            self._in_span(number, value.span(sign, self.now))
            if isinstance(value, Instant)
            else _ordered(number, sign, _whole(value.value))
            for value in values
        ]

    def _in_span(self, number: sa.ColumnElement[Any], span: tuple[float, float]) -> Condition:
        low, high = span
        tests = [number >= low] if math.isfinite(low) else []
        if math.isfinite(high):
            tests.append(number < high)
        return sa.and_(*tests)


def like_escaped(text: str) -> str:
    """Return ``text`` with the characters that mean something to LIKE made plain."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _glob(parts: tuple[str, ...]) -> str:
    return "*".join(
        "".join(f"[{char}]" if char in "*?[" else char for char in part) for part in parts
    )


def _one_of(column: sa.ColumnElement[Any], values: list[str]) -> Condition:
    return column == values[0] if len(values) == 1 else column.in_(values)


def _whole(value: float) -> float:
    return int(value) if value.is_integer() else value


def _ordered(number: sa.ColumnElement[Any], sign: Operator, value: float) -> Condition:
    match sign:
        case "=":
            return number == value
        case ">":
            return number > value
        case "<":
            return number < value
        case ">=":
            return number >= value
    return number <= value

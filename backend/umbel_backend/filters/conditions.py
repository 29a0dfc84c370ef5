"""From a tree to a condition: each node in SQL, with what is not known kept out of every ``NOT``.

A comparison with NULL is NULL, which ``WHERE``, ``AND`` and ``OR`` treat as a plain no; only ``NOT``
would pass it on, so a negation is written as ``IS NOT TRUE``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import sqlalchemy as sa

from umbel_backend.db.tables import task, task_tag
from umbel_backend.filters.columns import Columns, Condition
from umbel_backend.filters.fields import COMPARED, Field, Kind
from umbel_backend.filters.search import (
    finds_words,
    fts_rows,
    holds_phrase,
    lines_hold,
)
from umbel_backend.filters.tree import And, Compare, Match, Missing, Node, Not, Or, Pattern, Words

EVERY: Final = sa.true()
"""All rows, where `Columns.near` says which."""
_YES: Final = sa.literal_column("1", sa.Boolean)
_NO: Final = sa.literal_column("0", sa.Boolean)

_LISTED: Final = frozenset({"name", "queue", "worker"})
"""Columns with an index of their own, in which a prefix is a range."""


def condition(node: Node, columns: Columns) -> Condition:
    """Return ``node`` as a test of each row of `task`."""
    match node:
        case And(children):
            return sa.and_(*(condition(child, columns) for child in children))
        case Or(children):
            return sa.or_(*(condition(child, columns) for child in children))
        case Not(child):
            return condition(child, columns).self_group().is_not(sa.true())
        case Match():
            return _match(node, columns)
        case Words():
            return _words(node, columns)
        case Compare(field, sign, values):
            return sa.or_(*columns.stands(field, sign, values))
        case Missing(field):
            return _missing(field, columns)


def is_indexed(search: Words) -> bool:
    """Whether the word index alone answers ``search``."""
    return all(map(finds_words, search.patterns))


def listed_rows(node: Node) -> sa.Select[Any] | None:
    """Select the numbers of the rows that match ``node``, if an index of SQLite lists them.

    What an index lists in page order (``state:FAILURE``) is left to SQLite itself: None.
    """
    match node:
        case Words() if is_indexed(node):
            return searched_rows([node])
        case Or(children):
            lists = [rows for child in children if (rows := listed_rows(child)) is not None]
            if len(lists) == len(children):
                return sa.select(sa.union_all(*lists).subquery())
        case Match(field, patterns) if field.tag is not None:
            if all(pattern.is_exact for pattern in patterns):
                return tagged_rows(node, Columns("sqlite", 0.0))
        case Match(field, patterns) if field.sources[0] in _LISTED:
            if all(p.is_prefix for p in patterns):
                columns, begun = Columns("sqlite", 0.0), task.alias("begun")
                tests = columns.is_any(columns.without_case(begun.c[field.sources[0]]), patterns)
                return sa.select(begun.c.n).where(sa.or_(*tests))
    return None


def tagged_rows(tag: Match, columns: Columns) -> sa.Select[Any]:
    """Select the numbers of the rows that have the tag with one of the values."""
    value = columns.without_case(task_tag.c.value)
    return sa.select(task_tag.c.task_n).where(
        task_tag.c.key == tag.field.tag, sa.or_(*columns.is_any(value, tag.patterns))
    )


def searched_rows(searches: Sequence[Words]) -> sa.Select[Any]:
    """Select the numbers of the rows that match every one of ``searches``, on SQLite.

    One query of the word index finds nearly all of them. The others match one of the words only
    by the beginning of their id, so they are found by that and tested for the rest.
    """
    begun, columns = task.alias("begun"), Columns("sqlite", 0.0)
    begun_id = begun.c.__getitem__
    by_id = [test for search in searches for test in _begins(search, begun_id, columns)]
    found = fts_rows(searches)
    if not by_id:
        return found
    others = sa.select(begun.c.n).where(sa.or_(*by_id))
    if len(searches) > 1:
        each = (
            sa.or_(
                unindexed(begun.c.n).in_(fts_rows([search])), *_begins(search, begun_id, columns)
            )
            for search in searches
        )
        others = others.where(*each)
    return sa.select(sa.union_all(found, others).subquery())


def walked_words(searches: Sequence[Words], near: Condition | None) -> Condition:
    """Test a row of SQLite's `task` for every one of ``searches``.

    Args:
        searches: All of them answered by the word index.
        near: Rows whose texts are read.
    """
    listed = unindexed(task.c.n).in_(searched_rows(searches))
    return _read_where(near, read_words(searches), listed)


def read_words(searches: Sequence[Words]) -> Condition:
    """Test a row of SQLite's `task` for ``searches`` by reading its texts."""
    columns = Columns("sqlite", 0.0, is_indexed=False)
    return sa.and_(
        *(sa.or_(_held(search), *_begins(search, columns.column, columns)) for search in searches)
    )


def _held(search: Words) -> Condition:
    """Test the texts of a row of SQLite's `task` for the words of ``search``."""
    return sa.or_(*(holds_phrase(search.field.sources, pattern) for pattern in search.patterns))


def _read_where(near: Condition | None, read: Condition, listed: Condition) -> Condition:
    if near is None:
        return listed
    # In a CASE SQLite stops at the first text that has the word, wherever the test stands, and makes
    # the list of a subquery when a row first needs it: a page of near rows never does.
    held = sa.case((read, _YES), else_=_NO)
    return held if near is EVERY else sa.case((near, held), else_=listed)


def unindexed(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Return ``column`` so that SQLite does not take the test of it for a list to fetch."""
    return column + sa.literal_column("0", sa.Integer)


def _begins(
    search: Words, column: Callable[[str], sa.ColumnElement[Any]], columns: Columns
) -> list[Condition]:
    heads = [Pattern((pattern.literal, "")) for pattern in search.patterns]
    return [test for source in search.field.heads for test in columns.is_id(column(source), heads)]


def _match(node: Match, columns: Columns) -> Condition:
    field, patterns = node.field, node.patterns
    if field.tag is not None:
        rows = tagged_rows(node, columns)
        return sa.exists(rows.where(task_tag.c.task_n == task.c.n))
    if field.kind is Kind.STATE:
        return columns.column("state").in_([pattern.literal for pattern in patterns])
    if field.kind is Kind.EXCEPTION:
        return _exception(field, patterns, columns)
    if field.kind is Kind.ID:
        return _id(field.sources[0], patterns, columns)
    return sa.or_(
        *(t for source in field.sources for t in columns.is_any(columns.text(source), patterns))
    )


def _id(source: str, patterns: tuple[Pattern, ...], columns: Columns) -> Condition:
    column = columns.column(source)
    tests = sa.or_(*columns.is_id(column, patterns))
    if source != "root_id":
        return tests
    # Most tasks are their own root, and the index on roots leaves those out.
    own = columns.column("id")
    return sa.or_(
        sa.and_(tests, column != own), sa.and_(sa.or_(*columns.is_id(own, patterns)), column == own)
    )


def _exception(field: Field, patterns: tuple[Pattern, ...], columns: Columns) -> Condition:
    """Compare the class, and the whole text where a pattern can reach beyond the class."""
    classes = [p for p in patterns if not (p.is_exact and ":" in p.literal)]
    wholes = [p for p in patterns if not p.is_exact or ":" in p.literal]
    tests = columns.is_any(columns.exception_class(), classes)
    tests += columns.is_any(columns.text("exception"), wholes)
    return sa.and_(columns.column("exception").is_not(None), sa.or_(*tests))


def _words(node: Words, columns: Columns) -> Condition:
    indexed = [pattern for pattern in node.patterns if finds_words(pattern)]
    whole = [pattern for pattern in node.patterns if not finds_words(pattern)]
    tests: list[Condition] = []
    for source in node.field.heads:
        begins = [Pattern((pattern.literal, "")) for pattern in indexed]
        tests += columns.is_id(columns.column(source), begins + whole)
    if indexed and columns.dialect == "sqlite":
        search = Words(node.field, tuple(indexed))
        listed = unindexed(task.c.n).in_(fts_rows([search]))
        tests.append(_read_where(columns.near, _held(search), listed))
    elif indexed:
        tests += lines_hold(Words(node.field, tuple(indexed)))
    for source in node.field.sources:
        tests += columns.is_any(columns.text(source), whole)
    return sa.or_(*tests)


def _missing(field: Field, columns: Columns) -> Condition:
    if field.tag is not None:
        known = sa.select(task_tag.c.key).where(
            task_tag.c.task_n == task.c.n, task_tag.c.key == field.tag, task_tag.c.value != ""
        )
        return ~sa.exists(known)
    if field.kind in COMPARED:
        return columns.number(field).is_(None)
    return sa.and_(
        *(sa.func.coalesce(columns.column(source), "") == "" for source in field.sources)
    )

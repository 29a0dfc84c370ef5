"""Word search in the databases' own indexes.

SQLite: the FTS5 table ``task_search`` over the five text columns of `task`, tokenizer ``ascii``.
PostgreSQL: the column ``task.search``, one line a text column in the order of `SEARCHED`, each line
its words in lower case with one space before, between and after them, under a trigram index. Both
find exactly what `umbel_backend.filters.tree.tokens` defines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from umbel_backend.db.phrases import FUNCTION
from umbel_backend.filters.columns import Condition, like_escaped
from umbel_backend.filters.tree import Pattern, Words, tokens

SEARCHED: Final = ("name", "args", "kwargs", "result", "exception")
"""Columns of ``task_search`` and lines of ``task.search``, in order."""

_BEFORE_A_WORD: Final = "[^0-9a-z\x80-\U0010ffff]"
"""GLOB of one character that no word holds, in text of lower case; see `tree.tokens`."""

_INDEX: Final = sa.table("task_search", sa.column("rowid", sa.Integer))
_LINES: Final = sa.literal_column("task.search", sa.Text)


def finds_words(pattern: Pattern) -> bool:
    """Whether a word index answers ``pattern``; a wildcard before its end compares whole values."""
    return pattern.is_exact or pattern.is_prefix


def fts_rows(searches: Sequence[Words]) -> sa.Select[Any]:
    """Select the rows of SQLite's index that hold the words of every one of ``searches``.

    Only words reach the query, and those have no characters that FTS5 could take for syntax.
    """
    query = " AND ".join(map(_fts_query, searches))
    match = sa.literal_column("task_search").op("MATCH", is_comparison=True)(query)
    return sa.select(_INDEX.c.rowid).where(match)


def _fts_query(search: Words) -> str:
    sources = search.field.sources
    scope = "" if sources == SEARCHED else f"{{{' '.join(sources)}}} : "
    phrases = (f'"{" ".join(tokens(pattern.literal))}" *' for pattern in search.patterns)
    return "(" + " OR ".join(scope + phrase for phrase in phrases) + ")"


def holds_phrase(sources: Sequence[str], pattern: Pattern) -> Condition:
    """Look for the words of ``pattern`` in columns of SQLite's `task` themselves, not in the index."""
    words = tokens(pattern.literal)
    # LIKE refuses most texts at a third of the price. The plus keeps indexes out of it.
    like = sa.bindparam("like", f"%{'%'.join(words)}%", sa.Text, unique=True)
    if len(words) == 1:
        holds = "' ' || lower(task.{0}) GLOB :wanted"
        wanted = f"*{_BEFORE_A_WORD}{words[0]}*"
    else:
        holds = FUNCTION + "(task.{0}, :wanted)"
        wanted = " ".join(words)
    tests = " OR ".join(
        f"(+task.{source} LIKE :like AND {holds.format(source)})" for source in sources
    )
    # One piece of text: expressions of SQLAlchemy for it would take longer than the walk.
    wanted_ = sa.bindparam("wanted", wanted, sa.Text, unique=True)
    return sa.and_(sa.text(f"({tests})").bindparams(like, wanted_))


def lines_hold(search: Words) -> list[Condition]:
    """Test PostgreSQL's ``task.search`` for each of the patterns of ``search``."""
    skipped = SEARCHED.index(search.field.sources[0])
    return [_lines_hold(tokens(pattern.literal), skipped) for pattern in search.patterns]


def _lines_hold(phrase: tuple[str, ...], skipped: int) -> Condition:
    like = f"% {like_escaped(' '.join(phrase))}%"
    anywhere = _LINES.like(like)
    if not skipped:
        return anywhere
    # The trigram index serves only the whole column; the lines that count are looked at afterwards.
    rest = sa.func.substr(_LINES, sa.func.strpos(_LINES, "\n"))
    return sa.and_(anywhere, rest.like(like))

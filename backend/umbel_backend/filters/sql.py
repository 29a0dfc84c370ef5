"""The history back end: a filter becomes a condition on `task` for SQLite or PostgreSQL.

It agrees with `umbel_backend.filters.predicate` on every row; a property test holds the two
together. `INDEXES` says which indexes the conditions are made for.

SQLite knows nothing of how many rows a search, a tag or ``name:imp*`` matches. Few are fetched one
by one and sorted; of many it is quicker to walk the table in page order and test each row. So
whoever reads first asks `match_counts` and hands the answer to `to_sql`. PostgreSQL has statistics
and needs nothing of this.

A walk for a word reads the texts of the `NEAR` rows where the page begins, which of a common word is
all that it takes. Behind them it asks the word index, whose list costs 0.2 us a match to make and is
only made when it is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from umbel_backend.db.tables import task
from umbel_backend.filters.columns import Columns, Condition, Dialect
from umbel_backend.filters.conditions import (
    EVERY,
    condition,
    is_indexed,
    listed_rows,
    read_words,
    searched_rows,
    unindexed,
    walked_words,
)
from umbel_backend.filters.search import SEARCHED
from umbel_backend.filters.tree import And, Filter, Match, Node, Words, all_of

FEW: Final = 5_000
"""Up to so many rows are fetched one by one, at about 4 us each.

Walking a million rows for a word that 2 % of them have finds a page in 10 ms.
"""

NEAR: Final = 5_000
"""Rows from where a page begins whose texts are read for a common word, at 1.3 us each."""

_SAMPLE: Final = 500
_SAMPLE_HITS: Final = 5
"""Newest tasks, and how many of them have a word that is common: a page is found in `NEAR` rows.

Asking the word index instead takes 30 ms for a word of a million rows, because it gathers all rows of
all words that begin so before it gives the first.
"""

INDEXES: Final[Mapping[Dialect, tuple[str, ...]]] = {
    "sqlite": (
        "task (state_at)",
        "task (state, state_at)",
        "task (name COLLATE NOCASE, state_at)",
        "task (queue COLLATE NOCASE, state_at)",
        "task (worker COLLATE NOCASE, state_at)",
        "task (substr(exception, 1, instr(exception || ':', ':') - 1) COLLATE NOCASE, state_at)"
        " WHERE exception IS NOT NULL",
        "task (root_id) WHERE root_id <> id",
        "task (parent_id) WHERE parent_id IS NOT NULL",
        "task (group_id) WHERE group_id IS NOT NULL",
        "task_tag (key, value COLLATE NOCASE, task_n)",
    ),
    "postgresql": (
        "task (state_at, n)",
        "task (state, state_at, n)",
        'task (lower(name COLLATE "C"), state_at, n)',
        'task (lower(queue COLLATE "C"), state_at, n)',
        'task (lower(worker COLLATE "C"), state_at, n)',
        "task (lower(split_part(exception, ':', 1) COLLATE \"C\"), state_at, n)"
        " WHERE exception IS NOT NULL",
        "task (root_id) WHERE root_id <> id",
        "task (parent_id) WHERE parent_id IS NOT NULL",
        "task (group_id) WHERE group_id IS NOT NULL",
        'task_tag (key, lower(value COLLATE "C"), task_n)',
        "task USING gin (search gin_trgm_ops)",
    ),
}
"""What `to_sql` can make use of, besides the unique index on ``task.id`` and the word indexes.

In SQLite ``n`` is the row id, which ends every index by itself, so each serves the page order.
"""


def to_sql(
    filter: Filter,
    *,
    now: float,
    dialect: Dialect,
    counts: Sequence[int] | None = None,
    start: float | None = None,
    cap: int | None = None,
) -> Condition:
    """Return ``filter`` as a condition for the ``WHERE`` of a statement over `task`, not an alias.

    It may be NULL where it does not hold, so put it under no ``NOT``.

    Args:
        now: Unix seconds that relative times count from.
        counts: The row that `match_counts` gave; without it SQLite lists the matches of searches
            and tags and takes them in that order.
        start: The ``state_at`` that the page begins at, whichever way; None for the newest tasks.
        cap: For a count up to this many: rows beyond one more may be left out. Not for a page.
    """
    if filter.root is None:
        return sa.true()
    if dialect == "postgresql":
        return condition(filter.root, Columns(dialect, now))
    seeks = _seeks(filter.root)
    if counts is None:
        seeks = [seek for seek in seeks if not seek.is_range]
    looked_up = [part for seek in seeks for part in seek.parts]
    rest = [part for part in _conjuncts(filter.root) if part not in looked_up]
    if cap is not None and not rest and len(seeks) == 1:
        # Distinct: a row that is listed for its words and for its id would use up two places.
        listed = sa.select(seeks[0].rows.subquery()).distinct().limit(cap + 1)
        return task.c.n.in_(sa.select(listed.subquery()))
    few = [seek for i, seek in enumerate(seeks) if counts is None or counts[i] <= FEW]
    many = [seek for seek in seeks if seek not in few]
    # Of few rows all texts are soon read; a count walks by no order, so that none are near.
    near = EVERY if few else _near(start) if cap is None else None
    tests = _listed(few) + [_walked(seek, now, near) for seek in many]
    if rest:
        columns = Columns(dialect, now, is_indexed=not few, near=near)
        tests.append(condition(all_of(rest), columns))
    return sa.and_(*tests)


def match_counts(filter: Filter, *, dialect: Dialect) -> sa.Select[Any] | None:
    """Return a statement for one row: how many rows each search matches, counted to `FEW` + 1.

    A word that is common among the newest tasks counts as `FEW` + 1 in any case. None when there is
    nothing to ask. It takes some milliseconds at a million rows.
    """
    seeks = _seeks(filter.root) if filter.root is not None and dialect == "sqlite" else []
    return sa.select(*map(_count, seeks)) if seeks else None


def _count(seek: _Seek) -> sa.ColumnElement[Any]:
    capped = seek.rows.limit(FEW + 1).subquery()
    count = sa.select(sa.func.count()).select_from(capped).scalar_subquery()
    if not seek.searches:
        return count
    test = read_words(seek.searches)
    read = (task.c[name] for name in ("n", "id", "state_at", *SEARCHED))
    newest = sa.select(*read).order_by(task.c.state_at.desc()).limit(_SAMPLE).subquery(task.name)
    hits = sa.select(sa.literal(1)).select_from(newest).where(test).limit(_SAMPLE_HITS).subquery()
    found = sa.select(sa.func.count()).select_from(hits).scalar_subquery()
    return sa.case((found == _SAMPLE_HITS, FEW + 1), else_=count)


@dataclass(frozen=True, slots=True, eq=False)
class _Seek:
    """Conjuncts of a filter whose rows an index of SQLite lists, in no useful order."""

    parts: tuple[Node, ...]
    rows: sa.Select[Any]

    @property
    def is_range(self) -> bool:
        """Whether SQLite would use the same index by itself, so only the order is at stake."""
        match self.parts:
            case (Match(field),):
                return field.tag is None
        return False

    @property
    def searches(self) -> list[Words]:
        """The conjuncts, if these are the word searches."""
        return [part for part in self.parts if isinstance(part, Words)]


def _seeks(root: Node) -> list[_Seek]:
    """Return what can be listed: the word searches, which are one, then the others as written."""
    searches = [p for p in _conjuncts(root) if isinstance(p, Words) and is_indexed(p)]
    seeks = [_Seek(tuple(searches), searched_rows(searches))] if searches else []
    for part in _conjuncts(root):
        if not isinstance(part, Words) and (rows := listed_rows(part)) is not None:
            seeks.append(_Seek((part,), rows))
    return seeks


def _conjuncts(root: Node) -> tuple[Node, ...]:
    return root.children if isinstance(root, And) else (root,)


def _listed(few: list[_Seek]) -> list[Condition]:
    """Make SQLite list the rows that all of ``few`` match, and fetch those alone."""
    if not few:
        return []
    rows = [seek.rows for seek in few]
    return [task.c.n.in_(rows[0] if len(rows) == 1 else sa.intersect(*rows))]


def _near(start: float | None) -> Condition:
    """Return whether a row is one of about `NEAR` on either side of ``start``."""
    at, row = task.alias("near").c.state_at, unindexed(task.c.state_at)
    older, newer = (
        sa.select(at).order_by(order).limit(1).offset(NEAR) for order in (at.desc(), at.asc())
    )
    # Where fewer rows are left there is no edge, and all of them are near.
    if start is None:
        far = row < older.scalar_subquery()
    else:
        far = sa.or_(
            row < older.where(at <= start).scalar_subquery(),
            row > newer.where(at >= start).scalar_subquery(),
        )
    return far.self_group().is_not(sa.true()).self_group()


def _walked(seek: _Seek, now: float, near: Condition | None) -> Condition:
    """Make SQLite test each row that it comes by for ``seek``."""
    if searches := seek.searches:
        return walked_words(searches, near)
    return condition(seek.parts[0], Columns("sqlite", now, is_indexed=False, near=near))

"""The history back end: a filter becomes a condition on `task` for SQLite or PostgreSQL.

It agrees with `umbel_backend.filters.predicate` on every row; a property test holds the two
together. `INDEXES` says which indexes the conditions are made for.

SQLite knows nothing of how many rows a search, a tag or ``name:imp*`` matches. Few are fetched one
by one and sorted; of many it is quicker to walk the table in page order and test each row. So a
page first asks `match_counts` and hands the answer to `to_sql`. A count has no order and does
without. PostgreSQL has statistics and needs neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from umbel_backend.db.tables import task
from umbel_backend.filters.columns import Columns, Condition, Dialect
from umbel_backend.filters.conditions import (
    condition,
    is_indexed,
    listed_rows,
    searched_rows,
    unindexed,
)
from umbel_backend.filters.tree import And, Filter, Match, Node, Words, all_of

FEW: Final = 5_000
"""Up to so many rows are fetched one by one, at about 4 us each.

Walking a million rows for a word that 2 % of them have finds a page in 10 ms.
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
) -> Condition:
    """Return ``filter`` as a condition for the ``WHERE`` of a statement over `task`, not an alias.

    It may be NULL where it does not hold, so put it under no ``NOT``.

    Args:
        now: Unix seconds that relative times count from.
        counts: The row that `match_counts` gave, for a page; without it SQLite lists the matches of
            searches and tags and takes them in that order, which is right for a count.
    """
    if filter.root is None:
        return sa.true()
    if dialect == "postgresql":
        return condition(filter.root, Columns(dialect, now))
    seeks = _seeks(filter.root)
    if counts is None:
        seeks = [seek for seek in seeks if not seek.is_range]
    few = [seek for i, seek in enumerate(seeks) if counts is None or counts[i] <= FEW]
    many = [seek for seek in seeks if seek not in few]
    looked_up = [part for seek in seeks for part in seek.parts]
    rest = [part for part in _conjuncts(filter.root) if part not in looked_up]
    tests = _listed(few) + [_walked(seek, now) for seek in many]
    if rest:
        tests.append(condition(all_of(rest), Columns(dialect, now, is_indexed=not few)))
    return sa.and_(*tests)


def match_counts(filter: Filter, *, dialect: Dialect) -> sa.Select[Any] | None:
    """Return a statement for one row: how many rows each search matches, counted to `FEW` + 1.

    None when there is nothing to ask. It takes some milliseconds at a million rows.
    """
    seeks = _seeks(filter.root) if filter.root is not None and dialect == "sqlite" else []
    if not seeks:
        return None
    capped = (seek.rows.limit(FEW + 1).subquery() for seek in seeks)
    return sa.select(
        *(sa.select(sa.func.count()).select_from(each).scalar_subquery() for each in capped)
    )


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


def _walked(seek: _Seek, now: float) -> Condition:
    """Make SQLite test each row that it comes by for ``seek``."""
    if isinstance(seek.parts[0], Words):
        return unindexed(task.c.n).in_(seek.rows)
    return condition(seek.parts[0], Columns("sqlite", now, is_indexed=False))

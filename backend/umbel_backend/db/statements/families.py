"""Reads of workflows: the tasks of one chain, group or chord."""

from __future__ import annotations

import sqlalchemy as sa

from umbel_backend.db.query import Plan, Query
from umbel_backend.db.statements import records
from umbel_backend.db.tables import task
from umbel_backend.records import TaskRecord

_ROUNDS = 3
"""A chord's body is found from its header over group and root; more rounds find chords of chords."""
_AT_ONCE = 500


def workflow(record: TaskRecord, *, limit: int = 500) -> Query[list[TaskRecord]]:
    """Read the tasks of the same workflow as ``record``, in the order they were first seen.

    By root and by group: in a group or chord that no task sent, every member is its own root, and
    only the group's id holds them together.

    Args:
        record: Any of its tasks.
        limit: Most tasks to return.
    """

    def plan(dialect: str) -> Plan[list[TaskRecord]]:
        roots, groups = {record.root_id or record.id}, _some(record.group_id)
        seen_roots: set[str] = set()
        seen_groups: set[str] = set()
        found: dict[int, sa.Row[tuple[object, ...]]] = {}
        for _ in range(_ROUNDS):
            new_roots, new_groups = roots - seen_roots, groups - seen_groups
            if not (new_roots or new_groups) or len(found) >= limit:
                break
            seen_roots |= new_roots
            seen_groups |= new_groups
            rows = yield _members(new_roots, new_groups, limit)
            for row in rows:
                found[row.n] = row
                roots.add(row.root_id or row.id)
                groups |= _some(row.group_id)
        ordered = [found[n] for n in sorted(found)][:limit]
        return (yield from records.complete(ordered, dialect))

    return Query(plan)


def _members(roots: set[str], groups: set[str], limit: int) -> sa.Select[tuple[object, ...]]:
    some_roots, some_groups = sorted(roots)[:_AT_ONCE], sorted(groups)[:_AT_ONCE]
    # An empty list among the alternatives would keep SQLite from using the indexes of the others.
    where: list[sa.ColumnElement[bool]] = []
    if some_roots:
        where.append(task.c.id.in_(some_roots))
        # The index on root_id leaves out tasks that are their own root, as most are.
        where.append(sa.and_(task.c.root_id.in_(some_roots), task.c.root_id != task.c.id))
    if some_groups:
        where.append(sa.and_(task.c.group_id.in_(some_groups), task.c.group_id.is_not(None)))
    return sa.select(*records.COLUMNS).where(sa.or_(*where)).order_by(task.c.n).limit(limit)


def _some(value: str | None) -> set[str]:
    return set() if value is None else {value}

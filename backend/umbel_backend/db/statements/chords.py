"""Reads of the header of a chord: its members, and since when history knows everything of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from umbel_backend import states
from umbel_backend.db.query import Plan, Query
from umbel_backend.db.statements import gaps
from umbel_backend.db.tables import installation, task, task_message

MOST = 500
"""Most members that are looked at."""


@dataclass(frozen=True, slots=True)
class Member:
    """One task of a chord's header."""

    id: str
    index: int | None
    """Its place in the header, from its message; None if that was not kept."""
    is_ready: bool


@dataclass(frozen=True, slots=True)
class Header:
    """What history knows of a chord's header."""

    members: list[Member]
    is_surely_whole: bool
    """Whether nothing was missed since the first of them was seen."""


def header(group_id: str, now: float) -> Query[Header]:
    """Read the header of the chord whose group is ``group_id``, at most `MOST` and one more."""

    def plan(dialect: str) -> Plan[Header]:
        rows = yield (
            sa.select(
                task.c.id, task.c.state, task.c.sent_at, task.c.received_at, task_message.c.headers
            )
            .select_from(task.outerjoin(task_message, task_message.c.task == task.c.id))
            .where(task.c.group_id == group_id, task.c.group_id.is_not(None))
            .limit(MOST + 1)
        )
        seen = [at for row in rows for at in (row.sent_at, row.received_at) if at is not None]
        made = yield sa.select(sa.func.min(installation.c.made_at))
        since = min(seen, default=now)
        missed = yield from gaps.overlapping(since - 1.0, now).plan(dialect)
        members = [Member(row.id, _index(row.headers), states.is_ready(row.state)) for row in rows]
        is_whole = made[0][0] <= since and all(each.events_lost == 0 for each in missed)
        return Header(members, is_whole)

    return Query(plan)


def _index(headers: str | None) -> int | None:
    said: Any = json.loads(headers).get("group_index") if headers else None
    return said if isinstance(said, int) and not isinstance(said, bool) else None

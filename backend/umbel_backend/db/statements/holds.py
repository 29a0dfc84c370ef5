"""Reads and writes of holds: tasks that were put aside, and queues that are paused."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from umbel_backend.db.query import Plan, Query
from umbel_backend.db.tables import hold, queue_pause

_MOST_IDS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRow:
    """One task that was put aside, or is about to be."""

    task: str
    queue: str
    place: str
    """The list it came from, without the broker's prefix."""
    held_at: float
    rank: int
    """Its place among those put aside with it; the lower is served first."""
    operator: str
    reason: str
    message: bytes | None = field(default=None, repr=False)
    """The whole message; None of one that a worker put aside and that was not read since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PausedQueue:
    """A queue that no worker is to consume."""

    queue: str
    at: float
    operator: str
    reason: str
    workers: tuple[str, ...] = ()
    """Those that consumed it and were told to stop; they are told to go on when it is resumed."""


def write(dialect: str, rows: Iterable[HoldRow]) -> sa.Executable:
    """Write holds, over those that are there."""
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    names = [column.name for column in hold.columns]
    statement = insert(hold).values([{n: getattr(row, n) for n in names} for row in rows])
    others = {name: statement.excluded[name] for name in names if name != "task"}
    return statement.on_conflict_do_update(index_elements=[hold.c.task], set_=others)


def keep_message(task: str, message: bytes, queue: str, place: str) -> sa.Update:
    """Write the message of a task that its worker put aside, and where it belongs."""
    return (
        sa.update(hold).where(hold.c.task == task).values(message=message, queue=queue, place=place)
    )


def remove(ids: Sequence[str]) -> sa.Delete:
    """Take holds away: of tasks that are back in their queues, or were never put aside."""
    return sa.delete(hold).where(hold.c.task.in_(list(ids)[:_MOST_IDS]))


def by_ids(ids: Sequence[str]) -> Query[dict[str, HoldRow]]:
    """Read the holds of ``ids`` by task, without their messages."""

    def plan(_dialect: str) -> Plan[dict[str, HoldRow]]:
        columns = [column for column in hold.columns if column.name != "message"]
        rows = yield sa.select(*columns).where(hold.c.task.in_(list(ids)[:_MOST_IDS]))
        return {row.task: HoldRow(**row._mapping) for row in rows}

    return Query(plan)


def pause(dialect: str, row: PausedQueue) -> sa.Executable:
    """Write that a queue is paused, over what was written before."""
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    values = {
        "paused_at": row.at,
        "operator": row.operator,
        "reason": row.reason,
        "workers": json.dumps(row.workers),
    }
    statement = insert(queue_pause).values(queue=row.queue, **values)
    return statement.on_conflict_do_update(index_elements=[queue_pause.c.queue], set_=values)


def told(queue: str, workers: Sequence[str]) -> sa.Update:
    """Write which workers were told that a queue is paused."""
    return (
        sa.update(queue_pause)
        .where(queue_pause.c.queue == queue)
        .values(workers=json.dumps(list(workers)))
    )


def unpause(queue: str) -> sa.Delete:
    """Write that a queue is not paused any more."""
    return sa.delete(queue_pause).where(queue_pause.c.queue == queue)


def paused() -> Query[dict[str, PausedQueue]]:
    """Read all queues that are paused, by name."""

    def plan(_dialect: str) -> Plan[dict[str, PausedQueue]]:
        rows = yield sa.select(queue_pause).order_by(queue_pause.c.queue)
        return {
            row.queue: PausedQueue(
                queue=row.queue,
                at=row.paused_at,
                operator=row.operator,
                reason=row.reason,
                workers=tuple(json.loads(row.workers)),
            )
            for row in rows
        }

    return Query(plan)

"""The tasks that match a filter: those in history, and those that only broker and workers know of yet."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import sqlalchemy as sa

from umbel_backend import states
from umbel_backend.acts.whereabouts import Tracker
from umbel_backend.broker.answers import HeldTask
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.control import Control
from umbel_backend.broker.messages import MessageReader
from umbel_backend.broker.redis_surgery import Search
from umbel_backend.broker.routing import Binding
from umbel_backend.db.query import run
from umbel_backend.db.statements import tasks
from umbel_backend.db.tables import task
from umbel_backend.filters.columns import Dialect
from umbel_backend.filters.predicate import compile_predicate
from umbel_backend.filters.sql import to_sql
from umbel_backend.filters.tree import Filter
from umbel_backend.records import MessageRecord, TaskRecord
from umbel_backend.settings import Settings

_SCAN_S = 20.0
_PAGE = 1_000
_STATES = {"active": states.STARTED, "reserved": states.RECEIVED, "scheduled": states.RECEIVED}


@dataclass(slots=True)
class Selection:
    """What matched."""

    ids: list[str] = field(default_factory=list)
    """Each once; those in history first, latest change first."""
    notes: list[str] = field(default_factory=list)
    """What could not be looked at, in sentences."""


def in_history(
    engine: sa.Engine, chosen: Filter, where: sa.ColumnElement[bool]
) -> list[TaskRecord]:
    """Return all tasks of history that match ``chosen`` and meet ``where``."""
    # The engine's own name for it is one of the two that there are.
    dialect = cast(Dialect, engine.dialect.name)
    condition = sa.and_(to_sql(chosen, now=time.time(), dialect=dialect), where)
    found: list[TaskRecord] = []
    before = None
    while True:
        page = run(engine, tasks.page(condition, before=before, limit=_PAGE))
        found += page.tasks
        before = page.last
        if not page.more:
            return found


def unfinished(
    engine: sa.Engine, cluster: Cluster, settings: Settings, tracker: Tracker, chosen: Filter
) -> Selection:
    """Return the tasks that match and have not ended: from history, workers and queues.

    Raises:
        BrokerUnavailable: The broker cannot be reached.
    """
    selection = Selection([r.id for r in in_history(engine, chosen, task.c.finished_at.is_(None))])
    matches, now = compile_predicate(chosen), time.time()
    live = list(_live(cluster, settings, tracker, selection))
    known = run(engine, tasks.by_ids([record.id for record in live]))
    seen = set(selection.ids)
    for record in live:
        if record.id not in known and record.id not in seen and matches(record, now):
            seen.add(record.id)
            selection.ids.append(record.id)
    return selection


def _live(
    cluster: Cluster, settings: Settings, tracker: Tracker, selection: Selection
) -> Iterator[TaskRecord]:
    control = Control(cluster)
    try:
        inspection = control.inspect(methods=("active", "reserved", "scheduled", "active_queues"))
    finally:
        control.close()
    now = time.time()
    bindings: list[Binding] = []
    for answer in inspection.workers.values():
        bindings += answer.queues or ()
        yield from (_of_held(held, now) for held in answer.held)
    if inspection.silent:
        selection.notes.append(f"Not asked what they hold: {', '.join(inspection.silent)}.")
    if tracker.surgery is None:
        selection.notes.append(
            "Umbel cannot look into the queues of this broker: tasks that wait there and that"
            " history does not know are left out."
        )
        return
    reader, search = MessageReader(settings), Search()
    for queue in tracker.queue_names_of(bindings):
        for waiting in tracker.surgery.every(queue, search, _SCAN_S):
            size = len(waiting.raw)
            message = reader.read(waiting.raw, size, position=waiting.index, queue=queue)
            if message.id:
                yield record_of(message, settings, now)
    if not search.complete:
        selection.notes.append(
            f"Only {search.scanned:,} waiting messages could be looked at in {_SCAN_S:.0f} s."
        )


def _of_held(held: HeldTask, now: float) -> TaskRecord:
    return TaskRecord(
        id=held.id,
        name=held.name,
        state=_STATES[held.held],
        state_at=held.started_at or now,
        queue=held.queue,
        priority=held.priority,
        worker=held.worker,
        args=held.args,
        kwargs=held.kwargs,
        args_exact=held.args_exact,
        started_at=held.started_at,
    )


def record_of(message: MessageRecord, settings: Settings, now: float) -> TaskRecord:
    """Return what a waiting message tells of its task."""
    return TaskRecord(
        id=message.id,
        name=message.name,
        state=states.PENDING,
        state_at=now,
        queue=message.queue,
        priority=message.priority,
        args=message.args,
        kwargs=message.kwargs,
        args_exact=message.args_exact,
        args_complete=message.args_complete,
        retries=message.retries,
        root_id=message.root_id,
        parent_id=message.parent_id,
        group_id=message.group_id,
        eta=message.eta,
        expires=message.expires,
        tags={k: v for k, v in message.headers.items() if k in settings.tags},
    )

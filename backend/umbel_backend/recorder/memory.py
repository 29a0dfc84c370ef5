"""The recorder's working memory: the tasks and workers it folds events onto between two writes.

Holds what changed since the last write (coalesced: a task that changed five times is written once)
and, within a bound, what was written lately, because its next event is likely near. What is not in
memory is loaded from the database before an event is folded onto it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from umbel_backend.events.agent_stream_door import Announcement, WorkerVitals
from umbel_backend.events.fold import fold, fold_into
from umbel_backend.events.fold_workers import (
    fold_worker,
    fold_worker_into,
    with_announcement,
    with_vitals,
)
from umbel_backend.events.model import Event
from umbel_backend.events.taken import Taken
from umbel_backend.records import TaskRecord, WorkerRecord
from umbel_backend.states import LOST, STARTED

Load = Callable[[Sequence[str]], Mapping[str, TaskRecord]]

_COUNTED = frozenset({"task-succeeded", "task-failed"})
TAKEN_WITHIN_S = 10.0
"""What is retold of longer ago does not count in the rates of queues of this moment."""
_FIRST_TYPES = frozenset({"task-sent", "task-received", "umbel-waiting"})


class Memory:
    """Folds batches of events and hands out what must be written.

    Args:
        load: Returns the stored records of the given ids, those that exist.
        capacity: Records kept besides those not yet written.
    """

    def __init__(self, load: Load, *, capacity: int = 20_000) -> None:
        self._load = load
        self._capacity = capacity
        self._tasks: dict[str, TaskRecord] = {}
        self._changed: dict[str, TaskRecord] = {}
        self.taken = Taken()
        self.workers: dict[str, WorkerRecord] = {}
        self._changed_workers: set[str] = set()
        # Those whose record nobody else has seen yet.
        self._own_workers: set[str] = set()
        self._only_queue: dict[str, str] = {}
        self._started: dict[str, float] = {}

    @property
    def pending(self) -> int:
        """How many tasks wait to be written."""
        return len(self._changed)

    def consumes_only(self, worker: str, queue: str | None) -> None:
        """Note that ``worker`` consumes from ``queue`` alone, so that its tasks came from there."""
        if queue is None:
            self._only_queue.pop(worker, None)
        else:
            self._only_queue[worker] = queue

    def fold(self, events: Sequence[Event], *, retold: bool = False) -> None:
        """Fold ``events`` in their order.

        Args:
            events: Let in by a door.
            retold: They may have been told and stored before, maybe by an earlier recorder: the
                agents' stream, or what a standby heard.

        Raises:
            DatabaseUnavailable: A record they build on could not be loaded; nothing was folded.
        """
        self._recall(events, retold)
        tasks, changed, only_queue = self._tasks, self._changed, self._only_queue
        started, taken = self._started, self.taken
        counted_since = time.time() - TAKEN_WITHIN_S if retold else 0.0
        for event in events:
            task_id, kind = event.id, event.type
            if not task_id:
                self._fold_worker(event)
                continue
            record = changed.get(task_id)
            before = tasks.get(task_id) if record is None else record
            was_received_at, had_outcome = None, False
            if before is not None:
                was_received_at = before.received_at
                had_outcome = before.finished_at is not None and before.state != LOST
            if record is None:
                record = tasks[task_id] = changed[task_id] = fold(before, event)
            else:
                # Nobody but us has what changed since the last take.
                fold_into(record, event)
            if record.queue is None and only_queue and record.worker in only_queue:
                record.queue = only_queue[record.worker]
            if record.state == STARTED:
                started[task_id] = record.started_at or record.state_at
            elif task_id in started:
                del started[task_id]
            if kind == "task-received" or (record.queue is not None and task_id in taken.unplaced):
                is_news = event.at != was_received_at
                if retold and is_news and kind == "task-received":
                    is_news = record.received_at == event.at
                if is_news and event.arrived_at >= counted_since:
                    taken.note(event, record)
            if kind in _COUNTED:
                self._fold_worker(event, counts=not had_outcome, retold=retold)

    def note_vitals(self, vitals: Iterable[WorkerVitals]) -> None:
        """Add what workers use, as their agents say."""
        for one in vitals:
            self.update_worker(with_vitals(self.workers.get(one.hostname), one))

    def note_agents(self, announced: Mapping[str, Announcement | None]) -> None:
        """Add what agents announce of themselves, to the workers that are known."""
        for hostname, announcement in announced.items():
            known = self.workers.get(hostname)
            if known is None or (announcement is None and known.status == "offline"):
                # Of a worker that is gone, what was known last is worth more than nothing.
                continue
            new = with_announcement(known, announcement)
            if new != known:
                self.update_worker(new)

    def running_since(self, before: float, limit: int) -> list[str]:
        """Return the ids of at most ``limit`` tasks that run since before ``before``, newest first."""
        ids = [task_id for task_id, at in reversed(self._started.items()) if at < before]
        return ids[:limit]

    def take(self, limit: int) -> list[TaskRecord]:
        """Take at most ``limit`` tasks that must be written."""
        if len(self._changed) <= limit:
            changed, self._changed = list(self._changed.values()), {}
        else:
            ids = [task_id for task_id, _ in zip(self._changed, range(limit), strict=False)]
            changed = [self._changed.pop(task_id) for task_id in ids]
        self._forget()
        return changed

    def take_workers(self) -> list[WorkerRecord]:
        """Take the workers that changed since the last take."""
        taken = [self.workers[name] for name in self._changed_workers]
        self._changed_workers = set()
        self._own_workers = set()
        return taken

    def give_back(self, changed: Iterable[TaskRecord]) -> None:
        """Take back what could not be written; what changed again meanwhile stays as it is."""
        for record in changed:
            self._tasks.setdefault(record.id, record)
            self._changed.setdefault(record.id, self._tasks[record.id])

    def update_worker(self, record: WorkerRecord) -> None:
        """Replace what is known of a worker."""
        self.workers[record.hostname] = record
        self._own_workers.discard(record.hostname)
        self._changed_workers.add(record.hostname)

    def shed(self, limit: int) -> list[TaskRecord]:
        """Give up the oldest changes beyond ``limit``; returns the tasks that were given up."""
        excess = len(self._changed) - limit
        if excess <= 0:
            return []
        ids = list(self._changed)[:excess]
        given_up = {task_id: self._changed.pop(task_id) for task_id in ids}
        for task_id in given_up:
            self._tasks.pop(task_id, None)
            self._started.pop(task_id, None)
        return list(given_up.values())

    def _fold_worker(self, event: Event, *, counts: bool = True, retold: bool = False) -> None:
        name = event.hostname
        if name in self._own_workers:
            fold_worker_into(self.workers[name], event, counts=counts, retold=retold)
        elif name:
            known = self.workers.get(name)
            self.workers[name] = fold_worker(known, event, counts=counts, retold=retold)
            self._own_workers.add(name)
            self._changed_workers.add(name)

    def _recall(self, events: Sequence[Event], retold: bool) -> None:
        """Load the records that events build on and that are not in memory.

        A first event of a first run is taken for the beginning of an unknown task; should the task
        be known after all, the writer keeps what the stored row has and this record has not.
        """
        known = self._tasks
        begun: set[str] = set()
        missing: dict[str, None] = {}
        for event in events:
            task_id = event.id
            if not task_id or task_id in known or task_id in begun:
                continue
            if event.type in _FIRST_TYPES and not event.retries and not retold:
                begun.add(task_id)
            else:
                missing[task_id] = None
        if missing:
            known.update(self._load(list(missing)))

    def _forget(self) -> None:
        """Drop the records longest in memory that wait for nothing."""
        excess = len(self._tasks) - self._capacity - len(self._changed)
        if excess <= 0:
            return
        # A tenth more than needed, so that this walk is rare.
        goal = excess + self._capacity // 10
        dropped = []
        for task_id in self._tasks:
            if task_id not in self._changed:
                dropped.append(task_id)
                if len(dropped) >= goal:
                    break
        for task_id in dropped:
            del self._tasks[task_id]
            self._started.pop(task_id, None)

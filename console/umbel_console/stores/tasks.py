"""The tasks the console knows of now: folded from events, bounded, read by the screens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from itertools import islice
from operator import attrgetter

from umbel_backend import states
from umbel_backend.events.fold import fold
from umbel_backend.events.model import Event
from umbel_backend.events.taken import Taken
from umbel_backend.records import TaskRecord
from umbel_console.stores.progress import Paces

MOST_RECORDS = 20_000
MOST_BYTES = 80_000_000
_RECORD_BYTES = 900
"""What a record takes besides its texts: its slots, floats, id and places in the store's tables."""

Predicate = Callable[[TaskRecord, float], bool]


class Section(StrEnum):
    """Where a task stands for an operator."""

    WAITING = "Waiting"
    ACTIVE = "Active"
    PAUSED = "Paused"
    COMPLETED = "Completed"


def section_of(record: TaskRecord) -> Section:
    """Return the section of ``record``; a custom state counts by whether the task was started."""
    if record.is_ready:
        return Section.COMPLETED
    if record.state == states.PAUSED:
        return Section.PAUSED
    if record.state in states.WAITING or record.started_at is None:
        return Section.WAITING
    return Section.ACTIVE


class TaskStore:
    """Task records by id, at most so many and so large.

    Forgets successes first, then other finished tasks, then the oldest that are still open: the
    database keeps what is forgotten here.

    Args:
        most_records: Bound on their number.
        most_bytes: Bound on their size, estimated from their texts.
    """

    def __init__(self, most_records: int = MOST_RECORDS, most_bytes: int = MOST_BYTES) -> None:
        self._most_records = most_records
        self._most_bytes = most_bytes
        self._records: dict[str, TaskRecord] = {}
        self._sizes: dict[str, int] = {}
        # Each id is in exactly one of these, in the order it got there; forgotten from the front.
        self._succeeded: dict[str, None] = {}
        self._failed: dict[str, None] = {}
        self._open: dict[str, None] = {}
        self._touched: dict[str, int] = {}
        self._complete_since = 0
        self.taken = Taken()
        """Tasks taken from each queue while this store watches."""
        self.paces = Paces()
        """How fast the tasks that tell it get on."""
        self.bytes = 0
        """Estimated size of what is held."""
        self.revision = 0
        """Grows with every change; a reader that saw this revision has nothing to redraw."""
        self.forgotten = 0
        """Records dropped to stay within the bounds."""
        self.counts: dict[Section, int] = dict.fromkeys(Section, 0)

    def __len__(self) -> int:
        return len(self._records)

    def get(self, task_id: str) -> TaskRecord | None:
        """Return the record with ``task_id`` if it is held."""
        return self._records.get(task_id)

    def has_ended(self, task_id: str) -> bool:
        """Whether a worker told the end of the task, as far as it is held here."""
        record = self._records.get(task_id)
        return record is not None and record.is_ready and record.state != states.LOST

    def records(self) -> Iterable[TaskRecord]:
        """Return all records, in no promised order."""
        return self._records.values()

    def unfinished(self, limit: int) -> list[TaskRecord]:
        """Return tasks of which an end is expected, the oldest first."""
        return [self._records[task_id] for task_id in islice(self._open, limit)]

    def apply(
        self, events: Iterable[Event], *, retold: bool = False, counted_since: float = 0.0
    ) -> None:
        """Fold task events, in the order they arrived; others are passed over.

        Args:
            events: From the capture, or of the agents' stream.
            retold: They tell again, as agents do, what events tell too: they are not counted twice.
            counted_since: What reached the broker before then is not taken from a queue now.
        """
        records = self._records
        for event in events:
            task_id = event.id
            if not task_id:
                continue
            old = records.get(task_id)
            new = fold(old, event)
            is_news = old is None or event.at != old.received_at
            if retold and is_news and event.type == "task-received":
                is_news = new.received_at == event.at
            if is_news and event.arrived_at >= counted_since:
                self.taken.note(event, new)
            if event.type == "umbel-progress" and new.progress is not None and not new.is_ready:
                self.paces.note(task_id, event.at, new.progress)
            if new is not old:
                self._put(old, new)
        self._shrink()

    def seed(self, records: Iterable[TaskRecord], events: Iterable[Event] = ()) -> None:
        """Take over records of the database, except where events told something later already.

        Args:
            records: Of the database.
            events: What was applied while they were read. They are folded again, onto what the
                database knows of the beginning: an end alone tells neither name nor arguments.
        """
        later: dict[str, list[Event]] = {}
        for event in events:
            if event.id:
                later.setdefault(event.id, []).append(event)
        # The oldest first, so that they are the first to be forgotten.
        for record in sorted(records, key=attrgetter("state_at")):
            for event in later.get(record.id, ()):
                record = fold(record, event)
            old = self._records.get(record.id)
            if old is None or _knows(old) < _knows(record):
                self._put(old, record)
        self._shrink()

    def changed_since(self, revision: int) -> Iterator[tuple[str, TaskRecord | None]] | None:
        """Return what changed after ``revision``: ids with their record, None for a forgotten one.

        Returns:
            None if that is too long ago to tell; the reader then reads `records`.
        """
        if revision < self._complete_since:
            return None
        return self._changes(revision)

    def _changes(self, revision: int) -> Iterator[tuple[str, TaskRecord | None]]:
        for task_id, changed_at in reversed(self._touched.items()):
            if changed_at <= revision:
                return
            yield task_id, self._records.get(task_id)

    def _put(self, old: TaskRecord | None, new: TaskRecord) -> None:
        task_id = new.id
        if old is not None:
            self.counts[section_of(old)] -= 1
            self.bytes -= self._sizes[task_id]
        self._records[task_id] = new
        self.counts[section_of(new)] += 1
        size = self._sizes[task_id] = _size(new)
        self.bytes += size
        if self.paces and (new.is_ready or (old is not None and old.started_at != new.started_at)):
            self.paces.forget(task_id)
        before, after = self._shelf(old), self._shelf(new)
        if before is not after:
            if before is not None:
                before.pop(task_id, None)
            if after is not None:
                after[task_id] = None
        self._touch(task_id)

    def _shelf(self, record: TaskRecord | None) -> dict[str, None] | None:
        if record is None:
            return None
        if not record.is_ready:
            return self._open
        return self._succeeded if record.state == states.SUCCESS else self._failed

    def _touch(self, task_id: str) -> None:
        self.revision += 1
        # Re-inserted, so that the newest changes stand at the end.
        self._touched.pop(task_id, None)
        self._touched[task_id] = self.revision

    def _shrink(self) -> None:
        while len(self._records) > self._most_records or (
            self.bytes > self._most_bytes and len(self._records) > 1
        ):
            shelf = self._succeeded or self._failed or self._open
            task_id = next(iter(shelf))
            del shelf[task_id]
            self.counts[section_of(self._records.pop(task_id))] -= 1
            self.bytes -= self._sizes.pop(task_id)
            self.forgotten += 1
            self._touch(task_id)
        while len(self._touched) > 2 * self._most_records:
            self._complete_since = self._touched.pop(next(iter(self._touched)))


def _knows(record: TaskRecord) -> tuple[float, bool]:
    """Order records of one task by how much they tell."""
    return record.state_at, bool(record.name)


def _size(record: TaskRecord) -> int:
    texts = (record.args, record.kwargs, record.result, record.exception, record.traceback)
    return (
        _RECORD_BYTES
        + sum(len(text) for text in texts if text)
        + 200 * len(record.attempts)
        + 150 * len(record.tags)
    )

"""Counts what workers take from each queue, so that the rates of queues are told and not guessed."""

from __future__ import annotations

from collections.abc import Collection

from umbel_backend.events.model import Event
from umbel_backend.records import TaskRecord

_MOST_UNPLACED = 10_000
"""Ids remembered while nobody asks; a task of which nothing else comes is remembered in vain."""


class Taken:
    """Sums ``task-received`` by queue; one thread notes, another may ask."""

    def __init__(self) -> None:
        self._by_queue: dict[str, int] = {}
        # Ids of tasks taken from a queue not known yet: the sender's event, which names it, is often
        # the later one.
        self._unplaced: set[str] = set()
        self._unplaced_before: set[str] = set()
        self._overflowed = False

    @property
    def unplaced(self) -> Collection[str]:
        """Ids of which any event may tell the queue; of others only ``task-received`` counts."""
        return self._unplaced

    @property
    def remembered(self) -> int:
        """How many ids wait for their queue to be told; at most 10,000."""
        return len(self._unplaced)

    def note(self, event: Event, record: TaskRecord) -> None:
        """Count ``event`` if it tells that a worker took a task; ``record`` is the task after it."""
        if event.type == "task-received":
            if record.queue is None:
                if len(self._unplaced) >= _MOST_UNPLACED:
                    self._unplaced.clear()
                    self._overflowed = True
                self._unplaced.add(event.id)
            else:
                self._count(record.queue)
        elif record.queue is not None and event.id in self._unplaced:
            self._unplaced.discard(event.id)
            self._count(record.queue)

    def tell(self) -> dict[str, int] | None:
        """Return how many were taken from each queue since the start.

        Returns:
            None if some were taken, before the last call, from a queue that is still not known: the
            count of the others is too low then, and nothing would show it.
        """
        lasting = self._unplaced & self._unplaced_before
        is_sure = not lasting and not self._overflowed
        self._overflowed = False
        self._unplaced -= lasting
        self._unplaced_before = self._unplaced.copy()
        return self._by_queue.copy() if is_sure else None

    def _count(self, queue: str) -> None:
        self._by_queue[queue] = self._by_queue.get(queue, 0) + 1

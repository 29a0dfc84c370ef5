"""A task store that also keeps the last events of the one task that is looked at."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from umbel_backend.events.model import Event
from umbel_console.stores.tasks import MOST_BYTES, MOST_RECORDS, TaskStore

MOST_EVENTS = 100


class TracedTasks(TaskStore):
    """Task records by id, and the events seen of one task since it is followed.

    Args:
        most_records: Bound on their number.
        most_bytes: Bound on their size, estimated from their texts.
    """

    def __init__(self, most_records: int = MOST_RECORDS, most_bytes: int = MOST_BYTES) -> None:
        super().__init__(most_records, most_bytes)
        self._followed: str | None = None
        self._seen: deque[Event] = deque(maxlen=MOST_EVENTS)
        self.seen_count = 0
        """Events seen of the followed task, those not kept any more included."""

    def follow(self, task_id: str | None) -> None:
        """Keep the events of this task from now on; None keeps none."""
        if task_id != self._followed:
            self._followed = task_id
            self._seen.clear()
            self.seen_count = 0

    def seen(self) -> list[Event]:
        """Return the last events of the followed task, at most `MOST_EVENTS`, the oldest first."""
        return list(self._seen)

    def apply(
        self, events: Iterable[Event], *, retold: bool = False, counted_since: float = 0.0
    ) -> None:
        """Fold task events, in the order they arrived; others are passed over."""
        if self._followed is not None:
            events = list(events)
            mine = [event for event in events if event.id == self._followed]
            self._seen.extend(mine)
            self.seen_count += len(mine)
        super().apply(events, retold=retold, counted_since=counted_since)

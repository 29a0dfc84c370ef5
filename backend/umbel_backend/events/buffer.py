"""The bounded hand-over from a reading thread to whoever folds: one wake-up a batch, drops counted."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from umbel_backend.events.model import Event
from umbel_backend.records import Gap


@dataclass(slots=True)
class Batch:
    """What arrived since the last drain, in order of arrival."""

    events: list[Event] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    """Stretches that ended, or began, since the last drain."""
    dropped: int = 0
    """Events dropped because the taker was too slow; each stretch of them is also in ``gaps``."""
    more: bool = False
    """Whether events were left for the next drain, of which nobody will be woken."""


class EventBuffer:
    """Holds events between two threads.

    Args:
        capacity: Most events to hold; beyond it the oldest are dropped, as the newest tell more.
        wake: Called by the pushing thread when there is something after nothing.
    """

    def __init__(self, capacity: int, wake: Callable[[], None]) -> None:
        self._capacity = capacity
        self._wake = wake
        self._lock = threading.Lock()
        self._chunks: deque[Sequence[Event]] = deque()
        self._size = 0
        self._gaps: list[Gap] = []
        self._dropped = 0
        self._drop_span: tuple[float, float] | None = None
        self.dropped = 0
        """Events dropped since the start."""

    def push(self, events: Sequence[Event]) -> None:
        """Add events; never blocks on the taker."""
        with self._lock:
            idle = not self._size and not self._gaps
            self._chunks.append(events)
            self._size += len(events)
            while self._size > self._capacity:
                self._drop(self._chunks.popleft())
        if idle:
            self._wake()

    def note(self, gap: Gap) -> None:
        """Add a gap, to be handed over with the events around it."""
        with self._lock:
            idle = not self._size and not self._gaps
            self._gaps.append(gap)
        if idle:
            self._wake()

    def drain(self, source: str, most: int | None = None) -> Batch:
        """Take what is there.

        Args:
            source: Names the taker in the gap of events it was too slow for.
            most: After how many events to leave the rest, which goes on counting for the bound; None
                takes everything.
        """
        with self._lock:
            chunks = self._taken(most)
            batch = Batch(gaps=self._gaps, dropped=self._dropped, more=self._size > 0)
            self._gaps = []
            if self._drop_span is not None:
                first, last = self._drop_span
                reason = "events came faster than they could be taken"
                batch.gaps.append(
                    Gap(
                        source=source,
                        started_at=first,
                        ended_at=last,
                        reason=reason,
                        events_lost=self._dropped,
                    )
                )
            self._dropped, self._drop_span = 0, None
        for chunk in chunks:
            batch.events.extend(chunk)
        return batch

    def _taken(self, most: int | None) -> Iterable[Sequence[Event]]:
        if most is None:
            chunks, self._chunks, self._size = self._chunks, deque(), 0
            return chunks
        taken: list[Sequence[Event]] = []
        count = 0
        while self._chunks and count < most:
            taken.append(self._chunks.popleft())
            count += len(taken[-1])
        self._size -= count
        return taken

    def _drop(self, events: Sequence[Event]) -> None:
        self._size -= len(events)
        self._dropped += len(events)
        self.dropped += len(events)
        first = self._drop_span[0] if self._drop_span else events[0].arrived_at
        self._drop_span = (first, events[-1].arrived_at)

"""What a recorder does while another one records: it listens too, and remembers the last moments.

When its turn comes it has what happened since the other one wrote last, so that a hand-over leaves no gap.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from umbel_backend.events.capture import Capture, Tap
from umbel_backend.events.model import Event

REMEMBERED_S = 20.0
"""Longer than a lease outlives its holder."""
_MOST = 50_000
"""Events remembered; of a busier cluster a hand-over leaves a gap of the rest."""


@dataclass(slots=True)
class Heard:
    """What a recorder that takes over brings along."""

    capture: Capture | Tap
    """Started."""
    since: float | None = None
    """Since when it missed nothing; None if it hears nothing yet."""
    events: list[Event] = field(default_factory=list)
    """What it heard since then, in order."""


class Standby:
    """Listens to a capture and forgets what is older than `REMEMBERED_S`.

    Args:
        capture: Not started yet.
        now: When it is started.
    """

    def __init__(self, capture: Capture | Tap, now: float) -> None:
        self._capture = capture
        self._since = now
        self._heard: deque[tuple[float, list[Event]]] = deque()
        self._size = 0
        capture.start()

    def listen(self, now: float) -> None:
        """Take what came since the last call."""
        batch = self._capture.drain()
        if batch.events:
            self._heard.append((now, batch.events))
            self._size += len(batch.events)
        for gap in batch.gaps:
            self._since = max(self._since, gap.ended_at or now)
        while self._heard and (self._heard[0][0] < now - REMEMBERED_S or self._size > _MOST):
            at, events = self._heard.popleft()
            self._size -= len(events)
            # All that came up to then is forgotten.
            self._since = max(self._since, at)

    def hand_over(self, now: float) -> Heard:
        """Return what was heard; this one is done then."""
        self.listen(now)
        status = self._capture.status()
        if status.state != "live":
            return Heard(self._capture)
        events = [event for _, some in self._heard for event in some]
        return Heard(self._capture, max(self._since, status.since), events)

    def stop(self) -> None:
        """End without a turn."""
        self._capture.stop()

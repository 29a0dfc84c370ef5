"""How far what is on screen can be trusted: connection, delay, rate, losses."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from umbel_backend.events.model import Event
from umbel_backend.records import Gap

if TYPE_CHECKING:
    # The module pulls in the brokers' libraries, which the first frame must not wait for.
    from umbel_backend.events.capture import CaptureStatus

RATE_WINDOW_S = 3.0
MOST_GAPS = 200


class Freshness:
    """The state of the event path, as of the last look."""

    def __init__(self) -> None:
        self.state: str = "connecting"
        self.since: float | None = None
        self.problem: str | None = None
        self.was_live = False
        """Events could be heard at some time; before that nothing of the present is known."""
        self.last_event_at: float | None = None
        self.received = 0
        self.seen = 0
        """Events taken over."""
        self.dropped = 0
        self.malformed = 0
        self.gaps: deque[Gap] = deque(maxlen=MOST_GAPS)
        """The latest stretches this console missed."""
        self.gaps_seen = 0
        self._lag_s: float | None = None
        self._counts: deque[tuple[float, int]] = deque()

    def look(self, status: CaptureStatus, now: float) -> None:
        """Take over ``status``; to be called about once a second."""
        self.state = status.state
        self.was_live = self.was_live or self.state == "live"
        self.since = status.since
        self.problem = status.problem
        self.last_event_at = status.last_event_at
        self.received = status.received
        self.dropped = status.dropped
        self.malformed = status.malformed
        self._counts.append((now, status.received))
        while len(self._counts) > 2 and now - self._counts[0][0] > RATE_WINDOW_S:
            self._counts.popleft()

    def note(self, events: Sequence[Event], gaps: Sequence[Gap], now: float) -> None:
        """Measure the delay of a batch that is being shown now, and keep its gaps."""
        self.seen += len(events)
        if events:
            # The newest of a batch tells the way here, the first arrival how long it lay about.
            on_the_way_s = now - max(event.at for event in events)
            self._lag_s = max(0.0, on_the_way_s, now - events[0].arrived_at, self._lag_s or 0.0)
        self.gaps.extend(gaps)
        self.gaps_seen += len(gaps)

    def take_lag(self) -> float | None:
        """Return the longest delay since the last call; None if no event came."""
        lag_s, self._lag_s = self._lag_s, None
        return lag_s

    @property
    def rate(self) -> float:
        """Events a second over the last seconds."""
        if len(self._counts) < 2:
            return 0.0
        (then, before), (now, after) = self._counts[0], self._counts[-1]
        return (after - before) / (now - then) if now > then else 0.0

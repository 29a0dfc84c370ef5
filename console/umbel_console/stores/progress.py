"""How fast tasks get on: the last points of their progress, and the pace these make. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping

from umbel_backend.records import Progress

MOST_POINTS = 30
WINDOW_S = 60.0
"""Points older than this are dropped while there are enough newer ones."""
FEWEST = 3
"""Points kept however old they are, for tasks that report once in a while."""
APART_S = 1.0
"""Of points that follow each other faster only the last is kept."""
SHORTEST_S = 2.0
"""From how long a stretch on a pace is told."""


class Pace:
    """The last points of one task's progress, of one run and one total."""

    __slots__ = ("_points", "total")

    def __init__(self, total: float) -> None:
        self.total = total
        self._points: deque[tuple[float, float]] = deque(maxlen=MOST_POINTS)

    def is_restart(self, current: float) -> bool:
        """Whether so little done means another run; what is told on two roads may step back a little."""
        return (
            bool(self._points) and current < self._points[-1][1] and current <= self._points[0][1]
        )

    def note(self, at: float, current: float) -> None:
        """Add a point; one that is older than the last, or tells less, is passed over."""
        points = self._points
        if points and (at < points[-1][0] or current < points[-1][1]):
            return
        if len(points) > 1 and at - points[-2][0] < APART_S:
            points.pop()
        points.append((at, current))
        while len(points) > FEWEST and at - points[0][0] > WINDOW_S:
            points.popleft()

    def rate(self, now: float) -> float | None:
        """Return how much is done a second; None until that can be told.

        A task that has not reported for longer than usual is taken to stand still since then, so
        that its pace falls and the time left grows.
        """
        points = self._points
        if len(points) < 2:
            return None
        (first_at, first), (last_at, last) = points[0], points[-1]
        span_s = max(last_at, now - self._patience_s) - first_at
        if span_s < SHORTEST_S or last <= first:
            return None
        return (last - first) / span_s

    def left_s(self, now: float) -> float | None:
        """Return how long it still takes at this pace, in seconds; None if it cannot be told."""
        rate = self.rate(now)
        if rate is None or not self.total > 0:
            return None
        last_at, last = self._points[-1]
        since_s = min(max(0.0, now - last_at), self._patience_s)
        return max(0.0, (self.total - last) / rate - since_s)

    @property
    def _patience_s(self) -> float:
        """How long no report is nothing unusual."""
        points = self._points
        return 2 * (points[-1][0] - points[0][0]) / (len(points) - 1)


class Paces(Mapping[str, Pace]):
    """The paces of running tasks by id, at most so many; those that reported longest ago go first.

    Args:
        most: Bound on their number.
    """

    def __init__(self, most: int = 2_000) -> None:
        self._most = most
        self._paces: dict[str, Pace] = {}

    def __getitem__(self, task_id: str) -> Pace:
        return self._paces[task_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._paces)

    def __len__(self) -> int:
        return len(self._paces)

    def note(self, task_id: str, at: float, progress: Progress) -> None:
        """Add a point; another total, or less done than ever, is the beginning of another run."""
        pace = self._paces.pop(task_id, None)
        if pace is None or pace.total != progress.total or pace.is_restart(progress.current):
            pace = Pace(progress.total)
        pace.note(at, progress.current)
        # Re-inserted, so that the first one is the one that reported longest ago.
        self._paces[task_id] = pace
        if len(self._paces) > self._most:
            del self._paces[next(iter(self._paces))]

    def forget(self, task_id: str) -> None:
        """Drop what is known of a task that ended."""
        self._paces.pop(task_id, None)

"""What agents tell of their workers: who has one, what it can do, and what the worker uses over time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from umbel_backend.events.fold_workers import with_announcement, with_vitals
from umbel_backend.records import WorkerRecord

if TYPE_CHECKING:
    # They come with the reader, which the first frame does without.
    from umbel_backend.events.agent_stream_door import Announcement, WorkerVitals

POINTS = 180
"""Samples kept of each worker: half an hour of them."""
MOST_WORKERS = 2_000

Completions = Mapping[str, Callable[[WorkerRecord], WorkerRecord]]
"""By node name what completes a record, as `WorkerStore.complete` takes it."""


class UsePoint(Struct, frozen=True):
    """What one worker used at one moment, its main process and children together."""

    at: float
    cpu_percent: float | None
    """Of one core."""
    memory_bytes: int | None


class AgentStore:
    """The samples of agents since this console listens, by node name."""

    def __init__(self) -> None:
        self._use: dict[str, deque[UsePoint]] = {}
        self.revision = 0
        self.has_stream = True
        """It is known in which Redis agents write."""

    def use(self, hostname: str) -> Sequence[UsePoint]:
        """Return what a worker used, oldest first, for half an hour."""
        return self._use.get(hostname, ())

    def seed(self, past: Mapping[str, Sequence[UsePoint]]) -> None:
        """Put what the database knows before what was told since."""
        for hostname, points in past.items():
            live = self._use.get(hostname, ())
            first = live[0].at if live else float("inf")
            earlier = (point for point in points if point.at < first)
            self._use[hostname] = deque((*earlier, *live), maxlen=POINTS)
        self.revision += bool(past)

    def note(self, vitals: Iterable[WorkerVitals]) -> Completions:
        """Keep samples; return what the last one of each worker adds to its record."""
        last: dict[str, WorkerVitals] = {}
        for each in vitals:
            points = self._use.pop(each.hostname, None) or deque(maxlen=POINTS)
            # Re-inserted, so that the first one is the one that told longest ago.
            self._use[each.hostname] = points
            points.append(UsePoint(each.at, each.cpu_percent, each.memory_bytes))
            last[each.hostname] = each
        while len(self._use) > MOST_WORKERS:
            del self._use[next(iter(self._use))]
        self.revision += bool(last)
        return {hostname: partial(_with_vitals, each) for hostname, each in last.items()}


def announced(told: Mapping[str, Announcement | None]) -> Completions:
    """Return what announcements add to the records of their workers; None takes the agent away."""
    return {hostname: partial(_with_agent, each) for hostname, each in told.items()}


def _with_vitals(vitals: WorkerVitals, record: WorkerRecord) -> WorkerRecord:
    return with_vitals(record, vitals)


def _with_agent(told: Announcement | None, record: WorkerRecord) -> WorkerRecord:
    return with_announcement(record, told)

"""The last readings of the queues, and how they stood over the last half hour."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from copy import copy

from umbel_backend.records import QueuePause, QueueRecord

TREND_S = 1_800.0
TREND_EVERY_S = 10.0
SMOOTHED_S = 15.0
"""Rates are averaged over about this long: between two readings two seconds apart they jump."""
GROWTH_S = 300.0
OLD_S = 300.0
"""From this age of the message that runs next a queue is called old."""
_POINTS = int(TREND_S / TREND_EVERY_S) + 1
SURE_S = 1.0
"""What was first seen so soon after the first reading may have been there before."""


class QueueStore:
    """Queue records by name, as of the last reading."""

    def __init__(self) -> None:
        self._records: dict[str, QueueRecord] = {}
        self._trends: dict[str, deque[tuple[float, int]]] = {}
        self._warned: dict[str, tuple[QueueRecord, list[str]]] = {}
        self._first_read: dict[str, float] = {}
        self._pauses: Mapping[str, QueuePause] = {}
        self.revision = 0
        self.read_at: float | None = None
        """When the broker was last asked with success."""
        self.trends_read = 0
        """Grows when earlier readings were added."""
        self.problem: str | None = None
        """Why the last reading failed, in one sentence."""

    def __len__(self) -> int:
        return len(self._records)

    def get(self, name: str) -> QueueRecord | None:
        """Return the last reading of ``name``."""
        return self._records.get(name)

    def records(self) -> list[QueueRecord]:
        """Return all records, by name."""
        return [self._records[name] for name in sorted(self._records)]

    def take(self, records: Iterable[QueueRecord], read_at: float) -> None:
        """Replace everything by one whole reading."""
        before = self._records
        self._records = {
            record.name: self._with_pause(_smoothed(record, before.get(record.name)))
            for record in records
        }
        self.read_at, self.problem = read_at, None
        self.revision += 1
        for record in self._records.values():
            self._first_read.setdefault(record.name, record.read_at)
            trend = self._trends.setdefault(record.name, deque(maxlen=_POINTS))
            if not trend or record.read_at - trend[-1][0] >= TREND_EVERY_S:
                trend.append((record.read_at, record.ready))
        if len(self._trends) > 2 * len(self._records) + 100:
            self._trends = {name: self._trends[name] for name in self._records}
            self._first_read = {name: self._first_read[name] for name in self._records}
            self._warned.clear()

    def saw_oldest_come(self, record: QueueRecord) -> bool:
        """Whether the message that runs next came while this console looked at the queue.

        Else it may be older than ``oldest_age_s`` tells.
        """
        first, age_s = self._first_read.get(record.name), record.oldest_age_s
        return first is not None and age_s is not None and record.read_at - age_s > first + SURE_S

    def remember(self, trends: Mapping[str, Sequence[tuple[float, int]]]) -> None:
        """Put before what this console saw what was recorded earlier."""
        for name, points in trends.items():
            live = self._trends.get(name, ())
            first = live[0][0] if live else math.inf
            earlier = [point for point in points if point[0] < first]
            self._trends[name] = deque([*earlier, *live], maxlen=_POINTS)
        self.trends_read += 1
        self._warned.clear()
        self.revision += 1

    def note_pauses(self, pauses: Mapping[str, QueuePause]) -> None:
        """Note since when queues are paused, by name."""
        if pauses != self._pauses:
            self._pauses = pauses
            self._records = {
                name: self._with_pause(record) for name, record in self._records.items()
            }
            self._warned.clear()
            self.revision += 1

    @property
    def has_paused(self) -> bool:
        """Whether any queue is paused."""
        return any(record.state == "paused" for record in self._records.values())

    def _with_pause(self, record: QueueRecord) -> QueueRecord:
        pause = self._pauses.get(record.name) if record.state == "paused" else None
        if pause == record.pause:
            return record
        new = copy(record)
        new.pause = pause
        return new

    def fail(self, problem: str) -> None:
        """Note that the broker could not be read; the old figures stay, and their age shows."""
        self.problem = problem
        self.revision += 1

    def trend(self, name: str, now: float, slices: int) -> list[int | None]:
        """Return the most that was ready in each of ``slices`` equal parts of the last half hour.

        None stands for a part without a reading.
        """
        width = TREND_S / slices
        # Slices stand still: else the same reading would wander from one to the next.
        last = math.floor(now / width)
        found: list[int | None] = [None] * slices
        for at, ready in self._trends.get(name, ()):
            place = math.floor(at / width) - last + slices - 1
            if 0 <= place < slices:
                found[place] = max(ready, found[place] or 0)
        return found

    def growth(self, name: str, now: float) -> int | None:
        """Return by how many messages it grew in the last five minutes; None if not watched so long."""
        points = self._trends.get(name, ())
        then = [ready for at, ready in points if GROWTH_S * 0.9 <= now - at <= GROWTH_S * 1.5]
        record = self._records.get(name)
        return record.ready - then[-1] if then and record is not None else None

    def warnings(self, record: QueueRecord, now: float) -> list[str]:
        """Return what an operator should look at, one phrase each, the worst first."""
        kept = self._warned.get(record.name)
        if kept is None or kept[0] is not record:
            # Asked for by every cell and line that shows it, and the same until the next reading.
            kept = self._warned[record.name] = (record, self._look_at(record, now))
        return kept[1]

    def suspicious(self, now: float) -> int:
        """Return how many queues an operator should look at."""
        return sum(bool(self.warnings(record, now)) for record in self._records.values())

    def _look_at(self, record: QueueRecord, now: float) -> list[str]:
        found = []
        # Nobody consumes a paused queue, and it grows old, because somebody wanted so.
        is_paused = record.state == "paused"
        if record.consumers == 0 and record.ready and not is_paused:
            found.append("no consumer")
        growth = self.growth(record.name, now)
        if growth is not None and growth > max(10, record.ready // 10) and not _drains(record):
            found.append(f"grows, +{growth:,} in 5 min")
        age_s = record.oldest_age_s
        if age_s is not None and age_s >= OLD_S and record.ready and not is_paused:
            found.append("old")
        return found


def _drains(record: QueueRecord) -> bool:
    if record.in_rate is None or record.out_rate is None:
        return False
    return record.out_rate > record.in_rate


def _smoothed(record: QueueRecord, before: QueueRecord | None) -> QueueRecord:
    """Return ``record`` with rates averaged over the readings before it."""
    if before is None or record.in_rate is None or record.out_rate is None:
        return record
    if before.in_rate is None or before.out_rate is None:
        return record
    share = 1.0 - math.exp(-max(0.0, record.read_at - before.read_at) / SMOOTHED_S)
    new = copy(record)
    new.in_rate = before.in_rate + share * (record.in_rate - before.in_rate)
    new.out_rate = before.out_rate + share * (record.out_rate - before.out_rate)
    return new

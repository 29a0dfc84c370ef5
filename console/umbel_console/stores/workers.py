"""The worker nodes the console knows of: folded from their events, completed by ``inspect``."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy

from msgspec import Struct

from umbel_backend.events.fold_workers import ENDS, LATE_AFTER_PERIODS, fold_worker, status_at
from umbel_backend.events.model import Event
from umbel_backend.records import WorkerRecord, WorkerStatus

MOST_RECORDS = 2_000
RUNTIMES = 500
"""Runtimes kept of each worker: what its 95th percentile is taken of."""
TREND_EVERY_S = 10.0
TREND_POINTS = 180
PATIENCE = 1.5
"""How many times the longest silence it came back from a worker may be silent again."""
LONGEST_LEARNED_S = 30.0
FORGOTTEN_AFTER_S = 600.0


class TrendPoint(Struct, frozen=True):
    """How one worker stood at one moment."""

    at: float
    active: float | None
    processed: int | None
    loadavg: float | None


class _Patience(Struct):
    """How long a worker was silent although it was well: at work in a solo pool, say."""

    silent_s: float
    learned_at: float


class WorkerStore:
    """Worker records by node name; the longest unheard-of is forgotten first."""

    def __init__(self) -> None:
        self._records: dict[str, WorkerRecord] = {}
        self._runtimes: dict[str, deque[float]] = {}
        self._new_runtimes: set[str] = set()
        self._trends: dict[str, deque[TrendPoint]] = {}
        self._patience: dict[str, _Patience] = {}
        self._deaf_at = 0.0
        self.revision = 0
        self.hears: Callable[[], bool] = lambda: True
        """Whether events arrive; while none do nobody is judged by his silence."""

    def __len__(self) -> int:
        return len(self._records)

    def get(self, hostname: str) -> WorkerRecord | None:
        """Return the record of ``hostname`` if it is known."""
        return self._records.get(hostname)

    def records(self) -> list[WorkerRecord]:
        """Return all records, by node name."""
        return [self._records[hostname] for hostname in sorted(self._records)]

    def online(self) -> int:
        """Return how many can be believed to work now."""
        return sum(
            record.status in ("online", "late", "draining") for record in self._records.values()
        )

    def trend(self, hostname: str) -> Sequence[TrendPoint]:
        """Return how it stood since this console watches, oldest first, for half an hour."""
        return self._trends.get(hostname, ())

    def apply(
        self,
        events: Iterable[Event],
        *,
        has_ended: Callable[[str], bool] = lambda task_id: False,
        retold: bool = False,
    ) -> None:
        """Fold events that tell of their sender's health or of what it ran.

        Args:
            events: From the capture, or of the agents' stream.
            has_ended: Tells of a task's id whether its end was known before: it is not counted again.
            retold: They come of the agents' stream, so that only ends among them tell something.
        """
        for event in events:
            hostname, is_end = event.hostname, event.type in ENDS
            if retold and not is_end:
                continue
            if not hostname or event.type == "task-sent":
                continue
            old = self._records.get(hostname)
            if old is None and not event.type.startswith("worker-"):
                continue
            counts = is_end and not has_ended(event.id)
            new = fold_worker(old, event, counts=counts, retold=retold)
            if new is not old:
                self._records[hostname] = new
                self.revision += 1
                if old is not None and old.heartbeat_at is not None:
                    self._learn_patience(old, new)
            if counts and event.type == "task-succeeded" and event.runtime is not None:
                self._runtimes.setdefault(hostname, deque(maxlen=RUNTIMES)).append(event.runtime)
                self._new_runtimes.add(hostname)
        while len(self._records) > MOST_RECORDS:
            oldest = min(self._records.values(), key=lambda record: record.heartbeat_at or 0.0)
            self._forget(oldest.hostname)

    def age(self, now: float) -> None:
        """Judge by the clock who has fallen silent; to be called about once a second."""
        if not self.hears():
            self._deaf_at = now
            return
        for hostname, record in self._records.items():
            status = self._status(record, now)
            p95 = record.p95_runtime_s
            if hostname in self._new_runtimes:
                p95 = p95_of(self._runtimes[hostname])
            if status != record.status or p95 != record.p95_runtime_s:
                aged = self._records[hostname] = copy(record)
                aged.status, aged.p95_runtime_s = status, p95
                self.revision += 1
            self._note_trend(record, now)
        self._new_runtimes.clear()

    def complete(self, answers: Mapping[str, Callable[[WorkerRecord], WorkerRecord]]) -> None:
        """Add to each record what its worker answered; who was not known yet becomes known."""
        for hostname, completed in answers.items():
            known = self._records.get(hostname) or WorkerRecord(hostname=hostname)
            new = completed(known)
            if new.status == "late" and known.status != "late":
                # The broker knows no connection of it: its silence is not the usual one.
                self._patience.pop(hostname, None)
            elif new.status == "not answering" and known.status == "online":
                patience = self._patience.get(hostname)
                if patience is not None and self._bears(known, patience, self._last_heard()):
                    continue
            self._records[hostname] = new
            self.revision += 1

    def remember(
        self, stored: Iterable[WorkerRecord], runtimes: Mapping[str, Sequence[float]]
    ) -> None:
        """Take over what was recorded of workers, where this console does not know better.

        Args:
            stored: As the recorder wrote them, in the same run of a worker often longer watched.
            runtimes: Of tasks that succeeded, the newest first.
        """
        for record in stored:
            known = self._records.get(record.hostname)
            if known is None:
                self._records[record.hostname] = record
            elif known.pid == record.pid:
                new = copy(known)
                new.clock_skew_s = record.clock_skew_s
                if record.succeeded + record.failed > known.succeeded + known.failed:
                    new.succeeded, new.failed = record.succeeded, record.failed
                    new.runtime_total_s = record.runtime_total_s
                self._records[record.hostname] = new
            self.revision += 1
        for hostname, values in runtimes.items():
            if hostname in self._records and hostname not in self._runtimes:
                self._runtimes[hostname] = deque(reversed(values[:RUNTIMES]), maxlen=RUNTIMES)
                self._new_runtimes.add(hostname)

    # Silence

    def _status(self, record: WorkerRecord, now: float) -> WorkerStatus:
        heard_at = record.heartbeat_at
        if record.stopped_at is None and heard_at is not None:
            usual_s = LATE_AFTER_PERIODS * record.heartbeat_period_s
            if now - heard_at > usual_s and now - max(heard_at, self._deaf_at) <= usual_s:
                return record.status
            patience = self._patience.get(record.hostname)
            if patience is not None and record.status in ("online", "draining"):
                if now - patience.learned_at > FORGOTTEN_AFTER_S:
                    del self._patience[record.hostname]
                elif self._bears(record, patience, now):
                    return record.status
        return status_at(record, now)

    def _bears(self, record: WorkerRecord, patience: _Patience, now: float) -> bool:
        return now - (record.heartbeat_at or 0.0) <= PATIENCE * patience.silent_s

    def _last_heard(self) -> float:
        return max((record.heartbeat_at or 0.0 for record in self._records.values()), default=0.0)

    def _learn_patience(self, old: WorkerRecord, new: WorkerRecord) -> None:
        """Note a silence that a worker came back from, so that the next one does not alarm."""
        began, ended = old.heartbeat_at or 0.0, new.heartbeat_at or 0.0
        silent_s = ended - began
        if silent_s <= LATE_AFTER_PERIODS * old.heartbeat_period_s or began < self._deaf_at:
            return
        if silent_s <= LONGEST_LEARNED_S and old.stopped_at is None and old.pid == new.pid:
            before = self._patience.get(old.hostname)
            longest_s = max(silent_s, before.silent_s if before else 0.0)
            self._patience[old.hostname] = _Patience(longest_s, ended)

    # What is kept beside the records

    def _note_trend(self, record: WorkerRecord, now: float) -> None:
        if record.status == "offline":
            return
        trend = self._trends.setdefault(record.hostname, deque(maxlen=TREND_POINTS))
        if not trend or now - trend[-1].at >= TREND_EVERY_S:
            load = record.loadavg[0] if record.loadavg else None
            trend.append(TrendPoint(now, record.active, record.processed, load))

    def _forget(self, hostname: str) -> None:
        for kept in (self._records, self._runtimes, self._trends, self._patience):
            kept.pop(hostname, None)
        self._new_runtimes.discard(hostname)


def p95_of(values: Iterable[float]) -> float | None:
    """Return the value that 95 % of ``values`` do not exceed; None of nothing."""
    ordered = sorted(values)
    return ordered[math.ceil(0.95 * len(ordered)) - 1] if ordered else None

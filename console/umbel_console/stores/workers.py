"""The worker nodes the console knows of: folded from their events, completed by ``inspect``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import copy

from umbel_backend.events.fold_workers import fold_worker, status_at
from umbel_backend.events.model import Event
from umbel_backend.records import WorkerRecord

MOST_RECORDS = 2_000


class WorkerStore:
    """Worker records by node name; the longest unheard-of is forgotten first."""

    def __init__(self) -> None:
        self._records: dict[str, WorkerRecord] = {}
        self.revision = 0

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

    def apply(self, events: Iterable[Event]) -> None:
        """Fold events that tell of their sender's health or of what it ran."""
        for event in events:
            hostname = event.hostname
            if not hostname or event.type == "task-sent":
                continue
            old = self._records.get(hostname)
            if old is None and not event.type.startswith("worker-"):
                continue
            new = fold_worker(old, event)
            if new is not old:
                self._records[hostname] = new
                self.revision += 1
        while len(self._records) > MOST_RECORDS:
            oldest = min(self._records.values(), key=lambda record: record.heartbeat_at or 0.0)
            del self._records[oldest.hostname]

    def age(self, now: float) -> None:
        """Judge by the clock who has fallen silent; to be called about once a second."""
        for hostname, record in self._records.items():
            status = status_at(record, now)
            if status != record.status:
                aged = self._records[hostname] = copy(record)
                aged.status = status
                self.revision += 1

    def complete(self, answers: Mapping[str, Callable[[WorkerRecord], WorkerRecord]]) -> None:
        """Add to each record what its worker answered; who was not known yet becomes known."""
        for hostname, completed in answers.items():
            known = self._records.get(hostname) or WorkerRecord(hostname=hostname)
            self._records[hostname] = completed(known)
            self.revision += 1

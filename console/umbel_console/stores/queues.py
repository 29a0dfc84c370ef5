"""The last readings of the queues."""

from __future__ import annotations

from collections.abc import Iterable

from umbel_backend.records import QueueRecord


class QueueStore:
    """Queue records by name, as of the last reading."""

    def __init__(self) -> None:
        self._records: dict[str, QueueRecord] = {}
        self.revision = 0
        self.read_at: float | None = None
        """When the broker was last asked with success."""
        self.problem: str | None = None
        """Why the last reading failed, in one sentence."""

    def __len__(self) -> int:
        return len(self._records)

    def records(self) -> list[QueueRecord]:
        """Return all records, by name."""
        return [self._records[name] for name in sorted(self._records)]

    def take(self, records: Iterable[QueueRecord], read_at: float) -> None:
        """Replace everything by one whole reading."""
        self._records = {record.name: record for record in records}
        self.read_at, self.problem = read_at, None
        self.revision += 1

    def fail(self, problem: str) -> None:
        """Note that the broker could not be read; the old figures stay, and their age shows."""
        self.problem = problem
        self.revision += 1

"""How many tasks were taken from each queue, from what workers count themselves: where events are off.

A worker counts what it accepted by task name, not by queue. It came from the worker's only queue, or
from the only queue in which tasks of that name were seen waiting; where neither is so, the queues it
may have come from are not told at all rather than wrongly.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from umbel_backend.broker.answers import WorkerAnswer

_NAMES_LIMIT = 10_000


class Totals:
    """Adds up what the ``stats`` of workers tell. Not safe between threads."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[int | None, Mapping[str, int]]] = {}
        self._places: dict[str, set[str]] = {}
        self._taken: dict[str, int] = {}
        self._unsure: set[str] = set()

    def seen(self, name: str, queue: str) -> None:
        """Note that a task of that name waited in ``queue``."""
        if name and (name in self._places or len(self._places) < _NAMES_LIMIT):
            self._places.setdefault(name, set()).add(queue)

    def note(self, answers: Iterable[WorkerAnswer]) -> None:
        """Add what these workers accepted since their answer before."""
        for answer in answers:
            if answer.processed is None:
                continue
            pid, counted = self._before.get(answer.hostname, (None, {}))
            first = answer.hostname not in self._before
            self._before[answer.hostname] = (answer.pid, answer.processed)
            if first:
                continue
            if pid != answer.pid:
                counted = {}
            for name, total in answer.processed.items():
                self._add(name, total - counted.get(name, 0), answer.queue_names or ())

    def tell(self, queues: Collection[str]) -> dict[str, int]:
        """Return how many were taken from each of ``queues`` since the start.

        What is left out is not known, now or since the call before.
        """
        told = {name: self._taken.get(name, 0) for name in queues if name not in self._unsure}
        self._unsure.clear()
        return told

    def _add(self, name: str, count: int, consumed: Collection[str]) -> None:
        if count <= 0:
            return
        places = set(consumed)
        if len(places) > 1:
            places = places & self._places.get(name, set()) or places
        if len(places) == 1:
            queue = next(iter(places))
            self._taken[queue] = self._taken.get(queue, 0) + count
        else:
            self._unsure |= places

"""Finds out what became of tasks whose end nobody saw, from the result backend."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.control import Inspection
from umbel_backend.broker.findings import result_finding
from umbel_backend.broker.results import Results, find_backend, open_results
from umbel_backend.errors import UmbelError
from umbel_backend.events.model import Event
from umbel_backend.records import TaskRecord


class Reconciler:
    """Looks tasks up in the result backend, once that is known.

    Args:
        cluster: The cluster whose tasks they are; its context names the result backend, or leaves it
            to what workers say theirs is.
        unfinished: Returns the stored tasks of which an end is still expected.
    """

    def __init__(
        self,
        cluster: Cluster,
        unfinished: Callable[[], Sequence[TaskRecord]],
    ) -> None:
        self._cluster = cluster
        self._unfinished = unfinished
        self._backend = find_backend(cluster)
        self._results: Results | None = None
        self.problem: str | None = None
        """Why results cannot be read, in one sentence; None while they can."""

    def learn(self, inspection: Inspection) -> None:
        """Take from what workers tell of their configuration where they store results."""
        backend = find_backend(self._cluster, inspection.workers.values())
        if backend.url is not None and backend != self._backend:
            self._close()
            self._backend = backend

    def look(self, held: Collection[str]) -> list[Event]:
        """Return what the result backend says of tasks nobody holds.

        Args:
            held: Ids that workers say they have; nothing is to be found out about them.
        """
        missing = [record.id for record in self._unfinished() if record.id not in held]
        return self.results_of(missing)

    def results_of(self, ids: Sequence[str]) -> list[Event]:
        """Return ends and progress of ``ids`` as findings; nothing if results cannot be read."""
        results = self._opened()
        if results is None or not ids:
            return []
        try:
            found = results.read(ids)
            self.problem = None
        except UmbelError as error:
            self.problem = str(error)
            return []
        now = time.time()
        told = (result_finding(result, now) for result in found.values())
        return [event for event in told if event is not None]

    def _opened(self) -> Results | None:
        backend = self._backend
        if self._results is None and backend.url is not None:
            self._results = open_results(self._cluster, backend.url, key_prefix=backend.key_prefix)
        if self._results is None:
            self.problem = backend.why_not or None
        return self._results

    def _close(self) -> None:
        if self._results is not None:
            self._results.close()
            self._results = None

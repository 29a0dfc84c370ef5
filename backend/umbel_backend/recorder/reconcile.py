"""Finds out what became of tasks whose end nobody saw: from the result backend, or by exclusion."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence

from umbel_backend import states
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.control import Inspection
from umbel_backend.broker.findings import result_finding
from umbel_backend.broker.queues import Queues
from umbel_backend.broker.results import Results, find_backend, open_results
from umbel_backend.errors import UmbelError
from umbel_backend.events.fold_workers import status_at
from umbel_backend.events.model import Event
from umbel_backend.records import TaskRecord, WorkerRecord
from umbel_backend.wire import iso

_UNACKED = 100_000
_BOOT_TOLERANCE_S = 1.0
"""A worker tells its uptime in whole seconds."""


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

    def look(
        self,
        inspection: Inspection,
        workers: Mapping[str, WorkerRecord],
        queues: Queues,
        names: Collection[str],
    ) -> list[Event]:
        """Return what became of the tasks that nobody holds.

        Args:
            inspection: What workers say they hold, with their ``stats``.
            workers: The workers known, by node name.
            queues: Tells which messages still exist.
            names: The queues known.
        """
        now = time.time()
        held = {task.id for answer in inspection.workers.values() for task in answer.held}
        missing = {one.id: one for one in self._unfinished() if one.id not in held}
        told = self.results_of(list(missing))
        for event in told:
            if event.type != "umbel-progress":
                missing.pop(event.id, None)
        guessed = (lost_finding(one, inspection, workers, now) for one in missing.values())
        lost = [event for event in guessed if event is not None]
        return told + self._without_message(lost, queues, names)

    def _without_message(
        self, lost: Sequence[Event], queues: Queues, names: Collection[str]
    ) -> list[Event]:
        """Leave out tasks whose message still exists: they will be delivered again."""
        if not lost:
            return []
        if not queues.abilities.waiting:
            return list(lost)
        found = queues.find([event.id for event in lost], names)
        unacked = queues.unacked(limit=_UNACKED)
        if not (found.complete and unacked.complete):
            return []
        alive = {*found.queues, *(message.id for message in unacked.messages)}
        return [event for event in lost if event.id not in alive]

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


def lost_finding(
    record: TaskRecord,
    inspection: Inspection,
    workers: Mapping[str, WorkerRecord],
    now: float,
) -> Event | None:
    """Tell that a running task is lost if the worker that ran it is gone; None if that is not sure.

    A worker that answers and was started after the task is not the one that ran it. A worker that
    does not answer is gone when it said so, or was silent for as long as it takes to be offline.
    """
    if record.state != states.STARTED or record.worker is None or record.started_at is None:
        return None
    answer = inspection.workers.get(record.worker)
    if answer is not None:
        if answer.uptime_s is None or answer.active is None:
            return None
        gone_at = now - answer.uptime_s
        if record.started_at > gone_at - _BOOT_TOLERANCE_S:
            return None
        because = f"{record.worker} was started anew at {iso(gone_at)}"
    else:
        known = workers.get(record.worker)
        if known is None or status_at(known, now) != "offline":
            return None
        gone_at = known.stopped_at or known.heartbeat_at or now
        because = f"{record.worker} is offline, last heard of at {iso(gone_at)}"
    return Event(
        type="umbel-lost",
        id=record.id,
        at=max(gone_at, record.started_at),
        arrived_at=now,
        exception=f"Lost: {because}",
    )

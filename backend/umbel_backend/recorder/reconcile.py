"""Finds out what became of tasks whose end nobody saw: from the result backend, or by exclusion.

What is to be said of a task whose worker is gone is decided in `umbel_backend.recorder.bereft`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from umbel_backend.broker.answers import WorkerAnswer
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.control import Inspection
from umbel_backend.broker.findings import result_finding
from umbel_backend.broker.queues import Queues
from umbel_backend.broker.results import Results, find_backend, open_results
from umbel_backend.errors import UmbelError
from umbel_backend.events.model import Event
from umbel_backend.recorder.bereft import (
    UNSURE,
    GoneWorker,
    Messages,
    bereft_finding,
    gone_worker,
)
from umbel_backend.records import TaskRecord, WorkerRecord

_UNACKED = 100_000


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

        self.is_unsure = False
        """Whether the last look came too early to tell what became of some task."""

    def learn(self, answers: Collection[WorkerAnswer]) -> None:
        """Take from what workers tell of their configuration where they store results."""
        backend = find_backend(self._cluster, answers)
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
        held = {task.id for answer in inspection.workers.values() for task in answer.held}
        missing = {one.id: one for one in self._unfinished() if one.id not in held}
        told = self.results_of(list(missing))
        for event in told:
            if event.type != "umbel-progress":
                missing.pop(event.id, None)
        return told + self._judged(missing.values(), inspection, workers, queues, names)

    def _judged(
        self,
        missing: Iterable[TaskRecord],
        inspection: Inspection,
        workers: Mapping[str, WorkerRecord],
        queues: Queues,
        names: Collection[str],
    ) -> list[Event]:
        """Return what is to be said of the tasks whose worker is surely gone."""
        now = time.time()
        judged = [(each, gone_worker(each, inspection, workers, now)) for each in missing]
        self.is_unsure = any(gone == UNSURE for _, gone in judged)
        bereft = [(record, gone) for record, gone in judged if isinstance(gone, GoneWorker)]
        if not bereft:
            return []
        messages = self._messages([record.id for record, _ in bereft], queues, names)
        found = (
            bereft_finding(record, gone, messages, workers.get(gone.hostname), now)
            for record, gone in bereft
        )
        return [event for event in found if event is not None]

    def _messages(self, ids: Sequence[str], queues: Queues, names: Collection[str]) -> Messages:
        """Find the messages of ``ids`` that exist, as far as the broker shows them."""
        if not queues.abilities.waiting:
            return Messages(is_shown=False, comes_back=self._cluster.is_amqp)
        found = queues.find(ids, names)
        unacked = queues.unacked(limit=_UNACKED)
        return Messages(
            waiting=found.queues,
            unacked={message.id: message for message in unacked.messages},
            is_complete=found.complete and unacked.complete,
        )

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

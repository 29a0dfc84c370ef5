"""Broker and workers as the recorder's own watch sees them, run for this console."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from umbel_backend.broker.answers import WorkerAnswer
from umbel_backend.recorder.watch import Watch
from umbel_backend.recorder.workers import described
from umbel_backend.records import TaskRecord, WorkerRecord
from umbel_backend.settings import Settings
from umbel_console.services import ClusterNews, Known


class LiveCluster:
    """Asks broker and workers in a thread of its own.

    Args:
        settings: Names the cluster.
        known: Returns what the console knows; called in the watch's thread.
        wake: Called from that thread when there is news.
    """

    def __init__(
        self, settings: Settings, known: Callable[[], Known], wake: Callable[[], None]
    ) -> None:
        def workers() -> Sequence[WorkerRecord]:
            return known().workers

        def unfinished() -> Sequence[TaskRecord]:
            return known().unfinished

        def running() -> Sequence[str]:
            return known().running

        def taken() -> Mapping[str, int] | None:
            return known().taken()

        self._watch = Watch(settings, workers, unfinished, running, taken, wake, attentive=True)

    @property
    def problem(self) -> str | None:
        """Why broker and workers could not be asked, in one sentence."""
        return self._watch.problem

    def start(self) -> None:
        """Start asking."""
        self._watch.start()

    def stop(self) -> None:
        """Stop asking."""
        # It may wait for a worker that is silent; nothing it finds is needed any more.
        self._watch.stop(timeout_s=0.2)

    def ask_again(self) -> None:
        """Ask for a look at every task of which an end is expected."""
        self._watch.reconcile()

    def take(self) -> ClusterNews:
        """Take what was found since the last call."""
        found = self._watch.take()
        now = time.time()
        return ClusterNews(
            read_at=now,
            workers={answer.hostname: partial(_completed, answer, now) for answer in found.answers},
            queues=found.queues,
            findings=found.events,
        )


def _completed(answer: WorkerAnswer, now: float, record: WorkerRecord) -> WorkerRecord:
    return described(record, answer, now)

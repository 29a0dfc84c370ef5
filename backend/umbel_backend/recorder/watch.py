"""A second pair of eyes: what broker and workers answer when asked, beside what events tell.

All who watch the same cluster in one process, the console and the recorder inside it, share the rounds
of one `Patrol`, in a thread of its own, so that no answer that is slow in coming delays an event. It
changes nothing in the cluster but switching task events on. What it finds is put in the words of events
(``umbel-…``), passes the same door and is folded like them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from umbel_backend.broker.answers import WorkerAnswer
from umbel_backend.events.model import Event
from umbel_backend.recorder.patrol import Patrol
from umbel_backend.records import QueueRecord, TaskRecord, WorkerRecord
from umbel_backend.settings import Settings

_CALM_S = 9.0
"""Least seconds between two readings of the queues for one who does not look closely."""

_patrols: list[Patrol] = []
_patrols_lock = threading.Lock()


@dataclass(slots=True)
class Found:
    """What was found since the last time somebody asked."""

    events: list[Event] = field(default_factory=list)
    answers: list[WorkerAnswer] = field(default_factory=list)
    queues: list[QueueRecord] = field(default_factory=list)
    """The last reading of each queue."""
    enabled: list[str] = field(default_factory=list)
    """Workers in which task events were switched on."""


class Watch:
    """Looks at broker and workers at fixed intervals, and at everything when asked to.

    Args:
        settings: The cluster, and the bounds of the door.
        workers: Returns the workers known from events, in any thread.
        unfinished: Returns the stored tasks of which an end is still expected.
        running: Returns the ids of tasks that run long enough to tell of progress.
        taken: Returns how many tasks workers took from each queue, None if that cannot be told.
        found: Called from the thread when there is something to take.
        attentive: Somebody looks at the figures, so that they are read every other second instead
            of every tenth.
    """

    def __init__(
        self,
        settings: Settings,
        workers: Callable[[], Sequence[WorkerRecord]],
        unfinished: Callable[[], Sequence[TaskRecord]],
        running: Callable[[], Sequence[str]],
        taken: Callable[[], Mapping[str, int] | None],
        found: Callable[[], None],
        *,
        attentive: bool = False,
    ) -> None:
        self.attentive = attentive
        self.known_workers = workers
        self.known_unfinished = unfinished
        self.known_running = running
        self.known_taken = taken
        self._settings = settings
        self._found = found
        self._patrol: Patrol | None = None
        self._lock = threading.Lock()
        self._findings = Found()
        self._read_at = 0.0

    @property
    def problem(self) -> str | None:
        """Why broker and workers could not be asked, in one sentence."""
        return None if self._patrol is None else self._patrol.problem

    def start(self) -> None:
        """Start looking."""
        with _patrols_lock:
            for patrol in _patrols:
                if patrol.settings == self._settings:
                    break
            else:
                patrol = Patrol(self._settings)
                _patrols.append(patrol)
            self._patrol = patrol
            patrol.join(self)

    def stop(self, timeout_s: float = 5.0) -> None:
        """Stop looking; what was found can still be taken."""
        patrol = self._patrol
        if patrol is None:
            return
        with _patrols_lock:
            if patrol.leave(self, timeout_s) and patrol in _patrols:
                _patrols.remove(patrol)

    def reconcile(self) -> None:
        """Ask for a look at every task of which an end is expected: after a gap, and at the start."""
        if self._patrol is not None:
            self._patrol.look_now()

    def take(self) -> Found:
        """Take what was found since the last call."""
        with self._lock:
            findings, self._findings = self._findings, Found()
        return findings

    def give(
        self,
        events: Sequence[Event],
        answers: Sequence[WorkerAnswer],
        queues: Sequence[QueueRecord],
        enabled: Sequence[str],
    ) -> None:
        """Keep what the patrol found until it is taken."""
        with self._lock:
            self._findings.events += events
            self._findings.answers += answers
            if queues and self._wants(queues):
                self._findings.queues = list(queues)
            self._findings.enabled += enabled
        self._found()

    def _wants(self, queues: Sequence[QueueRecord]) -> bool:
        """Whether a reading is due for this one: others may look closer at the same cluster."""
        read_at = max(record.read_at for record in queues)
        if not self.attentive and 0 <= read_at - self._read_at < _CALM_S:
            return False
        self._read_at = read_at
        return True

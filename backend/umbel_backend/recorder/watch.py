"""The recorder's second pair of eyes: asks broker and workers what events do not tell.

Runs in a thread of its own, so that no answer that is slow in coming delays an event. It changes
nothing in the cluster but switching task events on. What it finds is put in the words of events
(``umbel-…``), passes the same door and is folded like them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from umbel_backend.broker.answers import WorkerAnswer
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.control import Control, Inspection
from umbel_backend.broker.findings import held_finding, waiting_finding
from umbel_backend.broker.queues import Queues, open_queues
from umbel_backend.errors import Refused, UmbelError
from umbel_backend.events.door import Door
from umbel_backend.events.fold_workers import status_at
from umbel_backend.events.model import Event
from umbel_backend.recorder.reconcile import Reconciler
from umbel_backend.records import MessageRecord, QueueRecord, TaskRecord, WorkerRecord
from umbel_backend.settings import Settings

_TICK_S = 1.0
_WORKERS_EVERY_S = 1.0
_ALL_WORKERS_EVERY_S = 60.0
_QUEUES_EVERY_S = 10.0
_WAITING_EVERY_S = 2.0
_PROGRESS_EVERY_S = 2.0
_RECONCILE_EVERY_S = 60.0
_NEWEST = 100
"""Waiting messages looked at in each queue, from the newest end."""
_REMEMBERED = 100_000


@dataclass(slots=True)
class Found:
    """What was found since the last time somebody asked."""

    events: list[Event] = field(default_factory=list)
    answers: list[WorkerAnswer] = field(default_factory=list)
    queues: list[QueueRecord] = field(default_factory=list)
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
    """

    def __init__(
        self,
        settings: Settings,
        workers: Callable[[], Sequence[WorkerRecord]],
        unfinished: Callable[[], Sequence[TaskRecord]],
        running: Callable[[], Sequence[str]],
        taken: Callable[[], Mapping[str, int] | None],
        found: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._workers = workers
        self._running = running
        self._taken = taken
        self._found = found
        self._cluster = Cluster(settings.context)
        self._control = Control(self._cluster)
        self._queues: Queues | None = None
        self._door = Door(settings)
        self._reconciler = Reconciler(self._cluster, unfinished)
        self._stop = threading.Event()
        self._reconcile = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._findings = Found()
        self._due: dict[str, float] = {}
        self._asked: dict[str, int | None] = {}
        self._seen_waiting: dict[str, None] = {}
        self._consumers: dict[str, int] | None = None
        self._names: list[str] = []
        self.problem: str | None = None
        """Why broker and workers could not be asked, in one sentence."""

    def start(self) -> None:
        """Start looking."""
        self._thread = threading.Thread(target=self._run, name="umbel-watch", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Stop looking; what was found can still be taken."""
        self._stop.set()
        self._reconcile.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def reconcile(self) -> None:
        """Ask for a look at every task of which an end is expected: after a gap, and at the start."""
        self._reconcile.set()

    def take(self) -> Found:
        """Take what was found since the last call."""
        with self._lock:
            findings, self._findings = self._findings, Found()
        return findings

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._look()
                self.problem = None
            except UmbelError as error:
                self.problem = str(error)
                self._close()
            except Exception as error:
                # This thread must outlive whatever a transport raises; `problem` shows it.
                self.problem = f"{type(error).__name__}: {error}"
                self._close()
            self._stop.wait(_TICK_S)
        self._close()

    def _look(self) -> None:
        if self._is_due("workers", _WORKERS_EVERY_S):
            self._look_at_workers()
        if self._is_due("queues", _QUEUES_EVERY_S):
            self._look_at_queues()
        if self._is_due("waiting", _WAITING_EVERY_S):
            self._look_at_waiting()
        if self._is_due("progress", _PROGRESS_EVERY_S):
            self._hand_over(self._reconciler.results_of(self._running()))
        if self._reconcile.is_set() or self._is_due("reconcile", _RECONCILE_EVERY_S):
            self._reconcile.clear()
            if not self._stop.is_set():
                self._reconcile_all()

    def _is_due(self, name: str, every_s: float) -> bool:
        now = time.monotonic()
        if now < self._due.get(name, 0.0):
            return False
        self._due[name] = now + every_s
        return True

    def _look_at_workers(self) -> None:
        """Ask workers that are new, or were restarted, who they are; all of them once a minute."""
        workers = self._workers()
        known = {record.hostname: record.pid for record in workers}
        now = time.time()
        # An answer is a sign of life: a worker is not given up while it still answers.
        silent = {
            record.hostname
            for record in workers
            if record.stopped_at is None and status_at(record, now) == "late"
        }
        if self._is_due("all workers", _ALL_WORKERS_EVERY_S):
            # Without events nobody is known: a ping finds workers that send none.
            names = set(known) | set(self._control.ping(known=known).answered)
        else:
            names = {name for name, pid in known.items() if self._asked.get(name, -1) != pid}
            names |= silent
        if not names:
            return
        inspection = self._control.inspect(names, ("stats", "active_queues", "conf"))
        answers = inspection.workers
        started = any(self._asked.get(name, -1) != answer.pid for name, answer in answers.items())
        for name, answer in answers.items():
            self._asked[name] = answer.pid
        self._note_consumers(inspection, everyone=names >= known.keys())
        self._reconciler.learn(inspection)
        enabled: list[str] = []
        if self._settings.context.enable_events:
            switched = self._control.enable_events(answers.keys())
            enabled = [name for name, outcome in switched.items() if outcome == "enabled"]
        if enabled or started:
            # Whatever they did without events, and what the run before them left, nothing told.
            self._reconcile.set()
        self._hand_over(answers=list(answers.values()), enabled=enabled)

    def _note_consumers(self, inspection: Inspection, *, everyone: bool) -> None:
        if everyone and inspection.consumers is not None:
            self._consumers = inspection.consumers
        bindings = [
            binding for answer in inspection.workers.values() for binding in answer.queues or ()
        ]
        names = self._open_queues().discover(bindings)
        if names != self._names:
            self._due.pop("queues", None)
        self._names = names

    def _look_at_queues(self) -> None:
        queues = self._open_queues()
        self._names = queues.discover()
        if queues.abilities.depth and self._names:
            # Where events may be off in some worker the counts are too low, and rates would be.
            taken = self._taken() if self._settings.context.enable_events else None
            measured = queues.measure(self._names, consumers=self._consumers, taken=taken)
            self._hand_over(queues=measured)

    def _look_at_waiting(self) -> None:
        """Find tasks that were sent and that no event told of: senders are silent by default."""
        queues = self._open_queues()
        if not queues.abilities.waiting:
            return
        now = time.time()
        findings = []
        for name in self._names:
            for message in self._newest(queues, name):
                if message.id and message.id not in self._seen_waiting:
                    self._seen_waiting[message.id] = None
                    findings.append(waiting_finding(message, now, self._settings.tags))
        while len(self._seen_waiting) > _REMEMBERED:
            del self._seen_waiting[next(iter(self._seen_waiting))]
        self._hand_over(finding for finding in findings if finding is not None)

    def _newest(self, queues: Queues, name: str) -> list[MessageRecord]:
        try:
            page = queues.waiting(name, 0, _NEWEST)
            if page.ready > _NEWEST:
                newest = queues.waiting(name, page.ready - _NEWEST, _NEWEST)
                return [*page.messages, *newest.messages]
            return page.messages
        except Refused:
            return []

    def _reconcile_all(self) -> None:
        workers = {record.hostname: record for record in self._workers()}
        inspection = self._control.inspect(
            workers.keys() or None, ("stats", "active", "reserved", "scheduled")
        )
        now = time.time()
        held = [
            held_finding(task, now)
            for answer in inspection.workers.values()
            for task in answer.held
        ]
        found = self._reconciler.look(inspection, workers, self._open_queues(), self._names)
        self._hand_over(held + found)

    def _open_queues(self) -> Queues:
        if self._queues is None:
            self._queues = open_queues(self._cluster, self._settings)
        return self._queues

    def _hand_over(
        self,
        findings: Iterable[Event] = (),
        *,
        answers: Sequence[WorkerAnswer] = (),
        queues: Sequence[QueueRecord] = (),
        enabled: Sequence[str] = (),
    ) -> None:
        events = self._door.admit_findings(findings)
        if not (events or answers or queues or enabled):
            return
        with self._lock:
            self._findings.events += events
            self._findings.answers += answers
            self._findings.queues += queues
            self._findings.enabled += enabled
        self._found()

    def _close(self) -> None:
        self._control.close()
        if self._queues is not None:
            self._queues.close()
        self._cluster.close()

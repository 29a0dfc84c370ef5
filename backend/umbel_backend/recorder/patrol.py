"""The rounds of a watch: one thread that asks broker and workers, for all who watch the same cluster.

An answer that is slow in coming delays nobody: workers that left a question unanswered are asked aside
(`SilentAsker`) until they answer again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from umbel_backend.broker.answers import WorkerAnswer
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.findings import held_finding
from umbel_backend.broker.routing import Binding
from umbel_backend.errors import UmbelError
from umbel_backend.events.door import Door
from umbel_backend.events.model import Event
from umbel_backend.recorder.members import Member, Members
from umbel_backend.recorder.pace import Pace
from umbel_backend.recorder.queue_round import QueueRound, consumers_of, told_by_agents
from umbel_backend.recorder.reconcile import Reconciler
from umbel_backend.recorder.totals import Totals
from umbel_backend.recorder.worker_round import WorkerRound
from umbel_backend.settings import Settings

_TICK_S = 1.0
# A little less than whole ticks: what is due a moment after one would wait for the next.
_EVERY_S = 1.9
"""How often workers and queues are asked while somebody looks, and what waits and runs always."""
_CALM_EVERY_S = 9.9
_NAMES_EVERY_S = 0.9
"""How often new queues are looked for while somebody looks: what is first used shows within two seconds."""
_RECONCILE_EVERY_S = 60.0
_RECONCILE_AGAIN_S = 10.0
"""After a look at all tasks that a worker which is well did not answer in time, or that came too early."""

log = logging.getLogger(__name__)


class Patrol:
    """Looks at broker and workers at intervals while it has members.

    Args:
        settings: The cluster, and the bounds of the door.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.problem: str | None = None
        """Why broker and workers could not be asked, in one sentence."""
        self._cluster = Cluster(settings.context)
        self._members = Members(Door(settings))
        self._pace = Pace()
        self._totals = Totals()
        self._queues = QueueRound(self._cluster, settings, self._members.taken, self._totals)
        self._workers = WorkerRound(
            self._cluster,
            self._members.workers,
            self._take_in,
            lambda answers: self._members.hand_over(answers=answers),
            lambda: self._wake.set(),
        )
        self._reconciler = Reconciler(self._cluster, self._members.unfinished)
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._reconcile = threading.Event()
        self._anew = threading.Event()
        self._logged: str | None = None
        self._held: dict[str, set[str]] = {}
        """Of each worker, the tasks it had when it last answered: told once, not with every answer."""
        self._thread = threading.Thread(target=self._run, name="umbel-watch", daemon=True)

    def join(self, member: Member) -> None:
        """Hand to ``member`` too what is found from now on, beginning with everything."""
        self._members.add(member)
        self._anew.set()
        self.look_now()
        if not self._thread.is_alive():
            self._thread.start()

    def leave(self, member: Member, timeout_s: float) -> bool:
        """Hand nothing more to ``member``; returns whether it was the last, and all has ended."""
        if not self._members.remove(member):
            return False
        self._stop.set()
        self._wake.set()
        self._workers.stop()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return True

    def look_now(self) -> None:
        """Ask for a look at everything, tasks of which an end is expected included."""
        self._reconcile.set()
        self._wake.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._look()
                self.problem = self._logged = None
            except UmbelError as error:
                self.problem = str(error)
                self._close()
            except Exception as error:
                # This thread must outlive whatever a transport raises; `problem` shows it.
                self.problem = f"{type(error).__name__}: {error}"
                if self._logged != self.problem:
                    log.exception("looking at broker and workers failed")
                    self._logged = self.problem
                self._close()
            self._wake.wait(_TICK_S)
            self._wake.clear()
        self._close()

    def _look(self) -> None:
        pace, members = self._pace, self._members
        if self._reconcile.is_set():
            pace.hurry_all(but=("waiting",))
        if self._anew.is_set():
            self._anew.clear()
            self._workers.ask_all_again()
            self._queues.tell_all_again()
            self._held.clear()
            pace.hurry_all()
        every_s = _EVERY_S if members.attentive else _CALM_EVERY_S
        self._workers.look(pace, every_s)
        self._look_at_queues(every_s)
        if pace.is_due("waiting", _EVERY_S):
            members.hand_over(self._queues.waiting(time.time()))
        if pace.is_due("progress", _EVERY_S):
            members.hand_over(self._reconciler.results_of(members.running()))
        if self._reconcile.is_set() or pace.is_due("reconcile", _RECONCILE_EVERY_S):
            self._reconcile.clear()
            if not self._stop.is_set():
                self._reconcile_or_again()

    def _look_at_queues(self, every_s: float) -> None:
        pace = self._pace
        began = pace.now()
        if pace.is_due("names", 0.0):
            if self._queues.find(self._members.queues_told()):
                pace.hurry("queues")
                pace.hurry("waiting")
            pace.rest("names", _NAMES_EVERY_S if self._members.attentive else every_s, began)
        if pace.is_due("queues", 0.0):
            workers = self._workers
            there, known = workers.there(), self._members.workers()
            consumers = consumers_of(there, workers.bound, is_alone=workers.is_alone)
            by_agents = told_by_agents(there & known.keys(), workers.bound, known)
            self._members.hand_over(queues=self._queues.measure(consumers, by_agents))
            pace.rest("queues", every_s, began)

    def _take_in(self, answers: Sequence[WorkerAnswer], is_started: bool) -> None:
        """Note what workers answered, wherever they were asked, and hand it over."""
        self._reconciler.learn(answers)
        self._totals.note(answers)
        bindings: list[Binding] = []
        for answer in answers:
            names = answer.queue_names
            if names is not None and self._workers.bound.get(answer.hostname) != names:
                self._workers.bound[answer.hostname] = names
                bindings += answer.queues or ()
        if bindings:
            self._queues.find(consumed=bindings)
            self._pace.hurry("queues")
        enabled = (
            self._workers.enable_events({each.hostname for each in answers}) if is_started else []
        )
        if enabled or is_started:
            # Whatever they did without events, and what the run before them left, nothing told.
            self._reconcile.set()
        self._members.hand_over(self._newly_held(answers), answers=answers, enabled=enabled)

    def _newly_held(self, answers: Sequence[WorkerAnswer]) -> list[Event]:
        """Return what no event tells of the tasks that workers have: mostly, from which queue."""
        now = time.time()
        found = []
        for answer in answers:
            if answer.active is None or answer.reserved is None or answer.scheduled is None:
                continue
            before = self._held.get(answer.hostname, set())
            found += [held_finding(task, now) for task in answer.held if task.id not in before]
            self._held[answer.hostname] = {task.id for task in answer.held}
        return found

    def _reconcile_or_again(self) -> None:
        """Look at every task; one that failed, or could not tell of all of them, is soon repeated."""
        is_whole = False
        try:
            is_whole = self._reconcile_all()
        finally:
            if not is_whole:
                self._pace.rest("reconcile", _RECONCILE_AGAIN_S, self._pace.now())

    def _reconcile_all(self) -> bool:
        """Look at every task of which an end is expected; returns whether all was told that can be."""
        inspection = self._workers.inspect_held()
        now = time.time()
        held = [
            held_finding(task, now)
            for answer in inspection.workers.values()
            for task in answer.held
        ]
        queues = self._queues
        found = self._reconciler.look(
            inspection, self._members.workers(), queues.queues, queues.names
        )
        self._members.hand_over(held + found)
        return not (inspection.silent or self._reconciler.is_unsure)

    def _close(self) -> None:
        self._workers.close()
        self._queues.close()
        self._cluster.close()

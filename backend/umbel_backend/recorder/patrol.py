"""The rounds of a watch: one thread that asks broker and workers, for all who watch the same cluster.

An answer that is slow in coming delays nobody: workers that left a question unanswered are asked aside
(`SilentAsker`) until they answer again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import Protocol

from umbel_backend.broker.answers import WorkerAnswer
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.control import Control, Inspection
from umbel_backend.broker.findings import held_finding, waiting_finding
from umbel_backend.broker.queues import Queues, open_queues
from umbel_backend.broker.routing import Binding
from umbel_backend.errors import Refused, UmbelError
from umbel_backend.events.door import Door
from umbel_backend.events.fold_workers import status_at
from umbel_backend.events.model import Event
from umbel_backend.recorder.reconcile import Reconciler
from umbel_backend.recorder.silent import SilentAsker
from umbel_backend.recorder.totals import Totals
from umbel_backend.records import MessageRecord, QueueRecord, TaskRecord, WorkerRecord
from umbel_backend.settings import Settings

_TICK_S = 1.0
_SHARE = 30
"""A round of questions is followed by a pause this many times as long, so that a large cluster is not
kept busy by being watched."""
_FIGURES_EVERY_S = 2.0
_CALM_FIGURES_EVERY_S = 10.0
_QUEUES_EVERY_S = 2.0
_CALM_QUEUES_EVERY_S = 10.0
_ALL_WORKERS_EVERY_S = 60.0
_WAITING_EVERY_S = 2.0
_PROGRESS_EVERY_S = 2.0
_RECONCILE_EVERY_S = 60.0
_PATIENCE_S = 1.0
"""How long all workers together are waited for; who needs longer is asked aside."""
_QUIET_PERIODS = 2
"""After missing so many heartbeats a worker is asked aside, before it counts as late."""
_NEWEST = 100
"""Waiting messages looked at in each queue, from the newest end."""
_REMEMBERED = 100_000
_FIGURES = ("stats", "active", "reserved", "scheduled", "active_queues")

log = logging.getLogger(__name__)


class Member(Protocol):
    """One who watches: what it knows, and where to hand what was found."""

    attentive: bool
    """Somebody looks at the figures now."""

    def known_workers(self) -> Sequence[WorkerRecord]:
        """Return the workers known from events."""

    def known_unfinished(self) -> Sequence[TaskRecord]:
        """Return the tasks of which an end is still expected."""

    def known_running(self) -> Sequence[str]:
        """Return the ids of tasks that run long enough to tell of progress."""

    def known_taken(self) -> Mapping[str, int] | None:
        """Return how many tasks workers took from each queue, None if that cannot be told."""

    def give(
        self,
        events: Sequence[Event],
        answers: Sequence[WorkerAnswer],
        queues: Sequence[QueueRecord],
        enabled: Sequence[str],
    ) -> None:
        """Take what was found."""


class Patrol:
    """Looks at broker and workers at intervals while it has members.

    Args:
        settings: The cluster, and the bounds of the door.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.problem: str | None = None
        """Why broker and workers could not be asked, in one sentence."""
        self._members: tuple[Member, ...] = ()
        self._cluster = Cluster(settings.context)
        self._control = Control(self._cluster)
        self._queues: Queues | None = None
        self._door = Door(settings)
        self._reconciler = Reconciler(self._cluster, self._unfinished)
        self._totals = Totals()
        self._told: SimpleQueue[Sequence[WorkerAnswer]] = SimpleQueue()
        self._silent = SilentAsker(Cluster(settings.context), self._aside)
        self._aside_names: set[str] = set()
        self._all_well = False
        self._reached: int | None = None
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._reconcile = threading.Event()
        self._anew = threading.Event()
        self._due: dict[str, float] = {}
        self._asked: dict[str, int | None] = {}
        self._seen_waiting: dict[str, None] = {}
        self._bound: dict[str, tuple[str, ...]] = {}
        """What each worker said it consumes."""
        self._names: list[str] = []
        self._counting: object = None
        self._logged: str | None = None
        self._thread = threading.Thread(target=self._run, name="umbel-watch", daemon=True)

    def join(self, member: Member) -> None:
        """Hand to ``member`` too what is found from now on, beginning with everything."""
        self._members = (*self._members, member)
        self._anew.set()
        self.look_now()
        if not self._thread.is_alive():
            self._thread.start()

    def leave(self, member: Member, timeout_s: float) -> bool:
        """Hand nothing more to ``member``; returns whether it was the last, and all has ended."""
        self._members = tuple(each for each in self._members if each is not member)
        if self._members:
            return False
        self._stop.set()
        self._wake.set()
        self._silent.stop()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return True

    def look_now(self) -> None:
        """Ask for a look at everything, tasks of which an end is expected included."""
        self._reconcile.set()
        self._wake.set()

    # The rounds

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
        if self._reconcile.is_set():
            self._due = {name: at for name, at in self._due.items() if name == "waiting"}
        if self._anew.is_set():
            self._anew.clear()
            self._asked.clear()
            self._seen_waiting.clear()
            self._due.clear()
        attentive = any(member.attentive for member in self._members)
        self._look_at_workers(_FIGURES_EVERY_S if attentive else _CALM_FIGURES_EVERY_S)
        if self._is_due("queues", 0):
            started = time.monotonic()
            self._look_at_queues()
            every_s = _QUEUES_EVERY_S if attentive else _CALM_QUEUES_EVERY_S
            self._put_off("queues", every_s, started)
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

    def _put_off(self, name: str, every_s: float, started: float) -> None:
        now = time.monotonic()
        self._due[name] = now + max(every_s, _SHARE * (now - started))

    # Workers

    def _look_at_workers(self, every_s: float) -> None:
        """Ask workers that are new, or were restarted, who they are; all of them at intervals."""
        self._take_aside()
        records = self._workers()
        now = time.time()
        well = {r.hostname: r.pid for r in records.values() if not _is_quiet(r, now)}
        quiet = {name for name, r in records.items() if _is_quiet(r, now) and not _is_off(r, now)}
        quiet |= self._aside_names & well.keys()
        well = {name: pid for name, pid in well.items() if name not in self._aside_names}
        self._all_well = not quiet
        self._silent.ask(quiet, well.keys())
        names = {name for name, pid in well.items() if self._asked.get(name, -1) != pid}
        if self._is_due("all workers", _ALL_WORKERS_EVERY_S):
            # Without events nobody is known: a ping finds workers that send none.
            ping = self._control.ping(known=well, timeout_s=_PATIENCE_S)
            names |= set(ping.answered) - quiet
        started = time.monotonic()
        if names:
            self._learn(names, (*_FIGURES, "conf"))
        elif well and self._is_due("figures", every_s):
            self._learn(well, _FIGURES)
            self._note_strangers(len(well))
        else:
            return
        self._put_off("figures", every_s, started)

    def _learn(self, names: Iterable[str], methods: Sequence[str]) -> None:
        inspection = self._control.inspect(set(names), methods, _PATIENCE_S)
        # Whoever is too slow for everybody to wait is asked aside until it answers.
        self._aside_names |= set(inspection.silent)
        self._reached = inspection.reached
        self._reconciler.learn(inspection)
        self._take_in(list(inspection.workers.values()))

    def _note_strangers(self, known: int) -> None:
        if self._all_well and not self._aside_names and self._reached is not None:
            self._silent.strangers = max(0, self._reached - known)

    def _take_in(self, answers: Sequence[WorkerAnswer]) -> None:
        """Note what workers answered, wherever they were asked, and hand it over."""
        started = any(self._asked.get(each.hostname, -1) != each.pid for each in answers)
        bindings: list[Binding] = []
        for answer in answers:
            self._asked[answer.hostname] = answer.pid
            queues = answer.queue_names
            if queues is not None and self._bound.get(answer.hostname) != queues:
                self._bound[answer.hostname] = queues
                bindings += answer.queues or ()
        self._totals.note(answers)
        if bindings:
            self._names = self._open_queues().discover(bindings)
            self._due.pop("queues", None)
        enabled: list[str] = []
        if started and self.settings.context.enable_events:
            switched = self._control.enable_events({each.hostname for each in answers})
            enabled = [name for name, outcome in switched.items() if outcome == "enabled"]
        if enabled or started:
            # Whatever they did without events, and what the run before them left, nothing told.
            self._reconcile.set()
        self._hand_over(answers=answers, enabled=enabled)

    def _aside(self, answers: Sequence[WorkerAnswer]) -> None:
        """Take what silent workers answered after all, and what is judged of the others."""
        self._told.put(answers)
        self._wake.set()

    def _take_aside(self) -> None:
        while True:
            try:
                answers = self._told.get_nowait()
            except Empty:
                return
            heard = [answer for answer in answers if answer.silence is None]
            self._aside_names -= {answer.hostname for answer in heard}
            for answer in answers:
                if answer.silence == "gone":
                    self._aside_names.discard(answer.hostname)
                    self._bound.pop(answer.hostname, None)
            if heard:
                self._reconciler.learn(Inspection({each.hostname: each for each in heard}, ()))
                self._take_in(heard)
            self._hand_over(answers=[each for each in answers if each.silence is not None])

    # Queues

    def _look_at_queues(self) -> None:
        queues = self._open_queues()
        self._names = queues.discover()
        if not queues.abilities.depth or not self._names:
            return
        consumers, taken = self._consumers(), self._taken()
        if isinstance(taken, dict) and not self.settings.context.enable_events:
            sure = [name for name in self._names if name in taken]
            unsure = [name for name in self._names if name not in taken]
            found = queues.measure(sure, consumers=consumers, taken=taken) if sure else []
            found += queues.measure(unsure, consumers=consumers) if unsure else []
            found.sort(key=lambda record: record.name)
        else:
            found = queues.measure(self._names, consumers=consumers, taken=taken)
        self._hand_over(queues=found)

    def _consumers(self) -> dict[str, int] | None:
        """Count by queue the workers that consume from it; None while one of them never told."""
        now = time.time()
        there = {name for name, record in self._workers().items() if not _is_off(record, now)}
        if not there or not there <= self._bound.keys():
            return None
        counts: dict[str, int] = {}
        for name in there:
            for queue in set(self._bound[name]):
                counts[queue] = counts.get(queue, 0) + 1
        return counts

    def _taken(self) -> Mapping[str, int] | None:
        """Return the counts that rates are made of, always from the same source."""
        if not self.settings.context.enable_events:
            # Where events may be off in some worker they would tell too little.
            return self._totals.tell(self._names)
        members = self._members
        if not members:
            return None
        if members[0] is not self._counting:
            self._counting = members[0]
            return None
        return members[0].known_taken()

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
                    self._totals.seen(message.name, name)
                    findings.append(waiting_finding(message, now, self.settings.tags))
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

    # Tasks

    def _reconcile_all(self) -> None:
        workers = self._workers()
        now = time.time()
        well = {
            name
            for name, record in workers.items()
            if not _is_quiet(record, now) and name not in self._aside_names
        }
        inspection = self._control.inspect(
            well or None, ("stats", "active", "reserved", "scheduled"), _PATIENCE_S
        )
        now = time.time()
        held = [
            held_finding(task, now)
            for answer in inspection.workers.values()
            for task in answer.held
        ]
        found = self._reconciler.look(inspection, workers, self._open_queues(), self._names)
        self._hand_over(held + found)

    # What the members know, and what they are handed

    def _workers(self) -> dict[str, WorkerRecord]:
        """Return the workers known to any member, as the one that heard of it last knows it."""
        found: dict[str, WorkerRecord] = {}
        for member in self._members:
            for record in member.known_workers():
                other = found.get(record.hostname)
                if other is None or (record.heartbeat_at or 0) > (other.heartbeat_at or 0):
                    found[record.hostname] = record
        return found

    def _unfinished(self) -> Sequence[TaskRecord]:
        found: dict[str, TaskRecord] = {}
        for member in self._members:
            found.update((record.id, record) for record in member.known_unfinished())
        return list(found.values())

    def _running(self) -> Sequence[str]:
        return list(dict.fromkeys(i for member in self._members for i in member.known_running()))

    def _hand_over(
        self,
        findings: Iterable[Event] = (),
        *,
        answers: Sequence[WorkerAnswer] = (),
        queues: Sequence[QueueRecord] = (),
        enabled: Sequence[str] = (),
    ) -> None:
        events = self._door.admit_findings(findings)
        if events or answers or queues or enabled:
            for member in self._members:
                member.give(events, answers, queues, enabled)

    def _open_queues(self) -> Queues:
        if self._queues is None:
            self._queues = open_queues(self._cluster, self.settings)
        return self._queues

    def _close(self) -> None:
        self._control.close()
        if self._queues is not None:
            self._queues.close()
        self._cluster.close()


def _is_quiet(record: WorkerRecord, now: float) -> bool:
    """Whether a worker was not heard of for so long that it is asked aside, or not at all."""
    if record.stopped_at is not None or record.heartbeat_at is None:
        return True
    return now - record.heartbeat_at > _QUIET_PERIODS * record.heartbeat_period_s


def _is_off(record: WorkerRecord, now: float) -> bool:
    return record.stopped_at is not None or status_at(record, now) == "offline"

"""One holding of the recorder's lease: from the capture to the database, until it is lost or given up.

One thread does everything but reading the socket (`Capture`) and asking broker and workers (`Watch`),
so that the working memory needs no lock. What could not be written is kept and tried again; what had
to be given up is a gap in the history.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Protocol

import sqlalchemy as sa

from umbel_backend.acts.reassert import forget_old
from umbel_backend.broker.answers import WorkerAnswer
from umbel_backend.db.changes import Changes, QueueSample, WorkerSample
from umbel_backend.db.lease import Lease
from umbel_backend.db.query import run
from umbel_backend.db.statements import tasks, workers
from umbel_backend.db.upkeep import keep_up
from umbel_backend.db.writer import Writer
from umbel_backend.errors import DatabaseUnavailable, LeaseLost, UmbelError
from umbel_backend.events.agent_stream import AgentStream
from umbel_backend.events.capture import Capture, Tap
from umbel_backend.events.clocks import Clocks
from umbel_backend.events.fold_workers import status_at
from umbel_backend.events.model import Event
from umbel_backend.recorder.agents import LINES_A_FLUSH, Agents, Stream
from umbel_backend.recorder.cancelled import CancelledTasks
from umbel_backend.recorder.filled_gaps import FilledGaps
from umbel_backend.recorder.memory import Memory
from umbel_backend.recorder.published_policies import PublishedPolicies
from umbel_backend.recorder.retention import Retention
from umbel_backend.recorder.standby import Heard
from umbel_backend.recorder.watch import Found, Watch
from umbel_backend.recorder.workers import described, with_status
from umbel_backend.records import Gap, QueueRecord, TaskRecord, WorkerRecord
from umbel_backend.settings import Settings

_RENEW_EVERY_S = 2.0
_FLUSH_EVERY_S = 0.25
_FEW_TASKS = 500
"""More than these wait up to `_FLUSH_MANY_AFTER_S`: a large batch costs less a row, and finds more of its
tasks at their end."""

_FLUSH_MANY_AFTER_S = 1.0
_FLUSH_TASKS = 5_000
_FOLDED_AT_ONCE = 15_000
_MOST_PENDING = 4 * _FLUSH_TASKS
"""Beyond this no more is folded before some is written: what comes faster than it can be written waits in
the capture's buffer, which has a bound and tells what it drops."""

_REST_S = 0.05
"""Between turns while much comes: a tenth less of the processor than taking every read by itself."""

_WORKERS_EVERY_S = 2.0
_SAMPLES_EVERY_S = 10.0
_PROGRESS_AFTER_S = 1.0
_PROGRESS_TASKS = 500
_RECONCILED_TASKS = 20_000
_FILLED_EVERY_S = 1.0
_UPKEEP_EVERY_S = 1_800.0
_FORGET_EVERY_S = 86_400.0
_HOLDS_EVERY_S = 60.0
_RETENTION_LATEST_S = 0.5
"""Between two steps of the retention while much comes."""
_UNWRITTEN_LIMIT = 100_000
"""Tasks kept for a database that cannot be written; beyond it the oldest are given up, as a gap."""

_GAP_WORTH_NOTING_S = 0.1

RecorderState = Literal["starting", "recording", "standby", "stopped"]


class Host(Protocol):
    """The recorder, as a session sees it."""

    settings: Settings
    log: logging.Logger
    stop: threading.Event
    wake: threading.Event
    source: str
    state: RecorderState
    problem: str | None
    recorded: int
    capture: Capture | Tap | None
    stream: Stream | None

    def make_capture(self) -> Capture | Tap:
        """Return what reads the events for one holding of the lease; not started."""

    def make_stream(self, clocks: Clocks) -> AgentStream:
        """Return what reads the agents' stream for one holding of the lease; not started."""

    def say(self, error: UmbelError) -> None:
        """Log a lasting problem once."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A stretch in which nobody recorded, up to now."""

    since: float
    reason: str = "no recorder was running"
    is_sure: bool = True
    """Whether ``since`` is known; a clock that was set back hides it."""


class Session:
    """One holding of the lease, from taking it to losing or releasing it.

    Args:
        recorder: Whose.
        engine: The database.
        lease: Held.
        silence: Since when nobody recorded; None if nobody ever did.
        heard: What the recorder heard while it stood by; None if it did not.
    """

    def __init__(
        self,
        recorder: Host,
        engine: sa.Engine,
        lease: Lease,
        silence: Silence | None,
        heard: Heard | None = None,
    ) -> None:
        self._recorder = recorder
        self._settings = recorder.settings
        self._log = recorder.log
        self._engine = engine
        self._lease = lease
        self._silence = silence
        self._heard = heard
        self._writer = Writer(engine)
        self._memory = Memory(self._load)
        self._gaps: list[Gap] = []
        self._given_up: Gap | None = None
        self._tasks_given_up = 0
        self._unfolded: list[Event] = []
        # Of what arrived, some was left in the capture's buffer.
        self._is_more = False
        self._found = Found()
        # Until when all that happened is in the database, by this machine's clock.
        self._taken_until: float | None = None
        self._written_until = time.time() if silence is None else silence.since
        self._queues: dict[str, QueueRecord] = {}
        self._capture = recorder.make_capture() if heard is None else heard.capture
        self._agents = Agents(recorder.make_stream(self._capture.clocks), self._memory)
        self._filled = FilledGaps()
        self._retention = Retention(engine, self._settings, self._log)
        self._cancelled = CancelledTasks(self._settings, engine, self._log)
        self._policies = PublishedPolicies(self._settings, engine, self._log)
        self._watch = Watch(
            self._settings,
            workers=self._known_workers,
            unfinished=self._unfinished,
            running=self._long_running,
            taken=self._memory.taken.tell,
            found=recorder.wake.set,
        )
        # Read by the watch thread: replaced as wholes, never changed.
        self._workers: Sequence[WorkerRecord] = ()
        self._running: Sequence[str] = ()
        self._due: dict[str, float] = {}
        self._flushed_at = 0.0

    def run(self) -> None:
        """Record until the recorder stops or the lease is lost.

        Raises:
            LeaseLost: Another recorder is active now.
        """
        self._recall_workers()
        self._recorder.capture = self._capture
        if self._heard is None:
            self._capture.start()
        self._recorder.stream = self._agents.stream
        self._agents.stream.start()
        self._watch.start()
        self._policies.start()
        self._recorder.state = "recording"
        try:
            while not self._recorder.stop.is_set():
                if not self._is_behind:
                    self._recorder.wake.wait(_FLUSH_EVERY_S)
                self._recorder.wake.clear()
                self._turn()
                if self._memory.pending > _FEW_TASKS and not self._is_behind:
                    self._recorder.stop.wait(_REST_S)
        finally:
            self._finish()

    def _turn(self) -> None:
        """Take what arrived, fold it, and write when it is time to."""
        try:
            if self._is_due("renew", _RENEW_EVERY_S):
                self._lease.renew(self._behind_s())
            self._note_live()
            self._take()
            if self._is_time_to_flush():
                self._flush()
            if self._is_due("upkeep", _UPKEEP_EVERY_S):
                keep_up(self._engine, time.time())
            if self._is_due("holds", _HOLDS_EVERY_S):
                self._cancelled.settle_holds()
            if self._is_due("tombstones", _FORGET_EVERY_S):
                forget_old(self._engine)
            # What happens now comes first.
            if self._memory.pending <= _FEW_TASKS or self._is_due("retention", _RETENTION_LATEST_S):
                self._retention.step(time.time())
            if self._recorder.problem is not None:
                self._log.info("the database can be written again")
                self._recorder.problem = None
        except DatabaseUnavailable as error:
            self._recorder.say(error)
            self._shed()
            self._recorder.stop.wait(0.5)

    @property
    def _is_behind(self) -> bool:
        """Whether there is more to do at once."""
        return self._is_more or self._memory.pending >= _FLUSH_TASKS

    @property
    def _has_room(self) -> bool:
        """Whether more may be folded; while the database is away `_shed` keeps the bound."""
        return self._memory.pending < _MOST_PENDING or self._recorder.problem is not None

    def _take(self) -> None:
        """Fold what arrived; what cannot be folded for want of the database is kept for the next turn.

        Nothing more is taken meanwhile: the capture's buffer has a bound, and turns what it must
        drop into a gap.
        """
        if not self._has_room:
            return
        if not self._unfolded:
            # In this order: what is seen is in the buffer already.
            seen_until = self._capture.seen_until() if "live" in self._due else None
            batch = self._capture.drain(_FOLDED_AT_ONCE)
            self._unfolded = batch.events
            self._is_more = batch.more
            self._taken_until = None if batch.more else seen_until
            self._note(batch.gaps)
        self._memory.fold(self._unfolded)
        for event in self._unfolded:
            if event.type == "worker-online":
                self._cancelled.heard(event.hostname, event.pid, is_new=True)
        self._unfolded = []
        self._take_from_agents()
        self._take_found()

    def _take_from_agents(self) -> None:
        lost = self._agents.take()
        self._gaps += lost
        self._filled.note_lost(lost)
        for gap in lost:
            self._log.warning("gap of %.1f s: %s", _length(gap), gap.reason)
        if self._is_due("filled", _FILLED_EVERY_S):
            self._agents.look_at(list(self._memory.workers))
            self._close_filled_gaps()

    def _close_filled_gaps(self) -> None:
        """Say of gaps that the agents' stream told what happened in them, once that is stored."""
        stream = self._agents.stream.status()
        if not self._agents.is_idle:
            return
        filled = self._filled.filled(stream, self._memory.workers.values(), time.time())
        self._gaps += filled
        for gap in filled:
            self._log.info("gap of %.1f s: %s", _length(gap), gap.reason)

    def _note(self, gaps: Sequence[Gap]) -> None:
        self._gaps += gaps
        self._filled.note(gaps)
        for gap in gaps:
            self._log.warning("gap of %.1f s: %s", _length(gap), gap.reason)
        if gaps:
            self._watch.reconcile()

    def _take_found(self) -> None:
        if not self._found.events:
            self._found = self._watch.take()
        found = self._found
        self._memory.fold(found.events)
        self._found = Found()
        for answer in found.answers:
            self._learn(answer)
        for queue in found.queues:
            self._queues[queue.name] = queue
        for name in found.enabled:
            self._log.info("switched task events on in %s, which ran without -E", name)

    def _behind_s(self) -> float:
        """How long ago the database last had everything; more than a moment if broker or it is away."""
        return max(0.0, time.time() - self._written_until)

    def _learn(self, answer: WorkerAnswer) -> None:
        """Add what a worker answered to what its events told."""
        known = self._memory.workers.get(answer.hostname)
        record = described(known or WorkerRecord(hostname=answer.hostname), answer, time.time())
        record.clock_skew_s = self._capture.skew_s(answer.hostname)
        record.clock_correction_s = self._capture.clocks.correction_s(answer.hostname)
        self._memory.update_worker(record)
        if answer.silence is None:
            self._cancelled.heard(answer.hostname, record.pid)
        names = answer.queue_names
        if names is not None:
            self._cancelled.consumes(answer.hostname, names)
            only = names[0] if len(set(names)) == 1 else None
            self._memory.consumes_only(answer.hostname, only)

    def _is_time_to_flush(self) -> bool:
        pending = self._memory.pending
        if pending >= _FLUSH_TASKS or len(self._agents.lines) >= LINES_A_FLUSH:
            return True
        waited_s = time.monotonic() - self._flushed_at
        return waited_s >= (_FLUSH_EVERY_S if pending <= _FEW_TASKS else _FLUSH_MANY_AFTER_S)

    def _flush(self) -> None:
        self._flushed_at = time.monotonic()
        changed = self._memory.take(_FLUSH_TASKS)
        due_workers = self._due_workers()
        samples = self._is_due("samples", _SAMPLES_EVERY_S)
        changes = Changes(
            tasks=changed,
            gaps=[*self._gaps, self._given_up] if self._given_up else self._gaps,
            workers=due_workers,
            worker_samples=self._worker_samples() if samples else (),
            queue_samples=[QueueSample.of(queue) for queue in self._queues.values()],
            logs=self._agents.lines,
            messages=self._agents.messages,
            fence=self._lease.fence,
        )
        if not _is_empty(changes):
            try:
                self._writer.write(changes)
            except DatabaseUnavailable:
                self._memory.give_back(changed)
                self._agents.not_written()
                raise
        self._retention.note(self._agents.lines)
        self._agents.written(len(changed))
        if self._given_up:
            self._filled.note([self._given_up])
        self._recorder.recorded += len(changed)
        self._gaps, self._given_up, self._tasks_given_up = [], None, 0
        if self._taken_until is not None and not (self._unfolded or self._memory.pending):
            self._written_until = self._taken_until
        self._queues = {}

    def _due_workers(self) -> list[WorkerRecord]:
        if not self._is_due("workers", _WORKERS_EVERY_S):
            return []
        now = time.time()
        for record in list(self._memory.workers.values()):
            status = status_at(record, now)
            if status != record.status:
                self._memory.update_worker(with_status(record, status))
                if status == "offline":
                    # What it had is nobody's now.
                    self._watch.reconcile()
        self._workers = tuple(self._memory.workers.values())
        self._running = self._memory.running_since(now - _PROGRESS_AFTER_S, _PROGRESS_TASKS)
        return self._memory.take_workers()

    def _worker_samples(self) -> list[WorkerSample]:
        now = time.time()
        return [
            WorkerSample.of(record, now)
            for record in self._memory.workers.values()
            if record.status != "offline"
        ]

    def _note_live(self) -> None:
        """Once the events flow, note the stretch in which nobody recorded, and look what was missed."""
        if self._capture.status().state != "live" or "live" in self._due:
            return
        if self._heard is not None:
            # Told to the recorder before this one as well, as far as it was there.
            self._memory.fold(self._heard.events, retold=True)
            self._heard.events = []
        self._due["live"] = 0.0
        self._log.info("recording")
        self._watch.reconcile()
        now = time.time()
        heard_since = now if self._heard is None or self._heard.since is None else self._heard.since
        if self._silence is None:
            return
        silent_s = heard_since - self._silence.since
        if silent_s <= _GAP_WORTH_NOTING_S and self._silence.is_sure:
            return
        gap = Gap(
            source="recorder",
            started_at=min(self._silence.since, heard_since),
            ended_at=heard_since,
            reason=self._silence.reason,
            events_lost=None,
        )
        self._gaps.append(gap)
        self._filled.note([gap])
        self._log.warning("nobody recorded for %.1f s", max(0.0, silent_s))

    def _shed(self) -> None:
        """Give up what is too much to keep, as one gap that grows until it can be written."""
        given_up = self._memory.shed(_UNWRITTEN_LIMIT)
        if given_up:
            self._agents.abandon()
            self._tasks_given_up += len(given_up)
            first = min(record.received_at or record.state_at for record in given_up)
            if self._given_up is not None:
                first = min(first, self._given_up.started_at)
            self._given_up = Gap(
                source=self._recorder.source,
                started_at=first,
                ended_at=max(first, time.time()),
                reason="the database could not be written;"
                f" {self._tasks_given_up} tasks were given up",
            )

    def _finish(self) -> None:
        """Write what is left and let go of the lease."""
        self._cancelled.stop()
        self._policies.stop()
        self._watch.stop()
        self._capture.stop()
        with suppress(LeaseLost):
            try:
                is_drained = False
                while not is_drained:
                    if not self._has_room:
                        self._flush()
                    drains = self._has_room and not self._unfolded
                    self._take()
                    is_drained = drains and not self._is_more
                self._due.clear()
                while True:
                    self._flush()
                    if not self._memory.pending:
                        break
                self._lease.release(self._behind_s())
                self._log.info("stopped; %d task rows written", self._recorder.recorded)
            except DatabaseUnavailable as error:
                self._log.error("%d tasks were not written: %s", self._memory.pending, error)
        self._agents.stream.stop()

    def _load(self, ids: Sequence[str]) -> dict[str, TaskRecord]:
        return run(self._engine, tasks.by_ids(ids))

    def _unfinished(self) -> Sequence[TaskRecord]:
        return run(self._engine, tasks.unfinished(_RECONCILED_TASKS))

    def _known_workers(self) -> Sequence[WorkerRecord]:
        return self._workers

    def _long_running(self) -> Sequence[str]:
        return self._running

    def _recall_workers(self) -> None:
        with suppress(DatabaseUnavailable):
            for record in run(self._engine, workers.every()):
                self._memory.workers[record.hostname] = record
                self._capture.clocks.recall(record.hostname, record.clock_correction_s)
        self._workers = tuple(self._memory.workers.values())

    def _is_due(self, name: str, every_s: float) -> bool:
        now = time.monotonic()
        if now < self._due.get(name, 0.0):
            return False
        self._due[name] = now + every_s
        return True


def _is_empty(changes: Changes) -> bool:
    return not (
        changes.tasks
        or changes.gaps
        or changes.workers
        or changes.worker_samples
        or changes.queue_samples
        or changes.logs
        or changes.messages
    )


def _length(gap: Gap) -> float:
    return (gap.ended_at or gap.started_at) - gap.started_at

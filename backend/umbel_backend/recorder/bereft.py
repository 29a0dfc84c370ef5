"""What is to be said of a task whose worker is gone: that it is lost, or that it comes back, and why.

A task that ran is LOST: nobody runs it. If its message was not acknowledged the broker delivers it again,
and then it is said when that is due. A task that a worker had merely taken waits again (PENDING), for
its message comes back in any case; unless there is none any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

from umbel_backend import states
from umbel_backend.broker.answers import WorkerAnswer
from umbel_backend.broker.control import Inspection
from umbel_backend.broker.queues import UnackedMessage
from umbel_backend.events.fold_workers import status_at
from umbel_backend.events.model import Event
from umbel_backend.records import TaskRecord, WorkerRecord
from umbel_backend.wire import iso

Unsure = Literal["unsure"]
UNSURE: Final[Unsure] = "unsure"
"""Whether the worker of a task that ran is gone will be known soon, and is to be asked again."""

_BOOT_TOLERANCE_S = 1.0
"""A worker tells its uptime in whole seconds."""
_FAR_S = 43_200.0
_LET_GO_AFTER_S = 10.0
"""What a worker took more recently it may have begun since it was asked."""


@dataclass(frozen=True, slots=True)
class GoneWorker:
    """A run of a worker that is over."""

    hostname: str
    at: float
    """When it was gone at the latest, or last heard of."""
    because: str
    """The evidence, as a sentence without its end."""
    is_here: bool = False
    """The run goes on, and has let go of the task: its connection to the broker broke in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """Which messages of some tasks exist."""

    waiting: Mapping[str, str] = field(default_factory=dict)
    """The queue each one waits in, by the task's id."""
    unacked: Mapping[str, UnackedMessage] = field(default_factory=dict)
    """Those that were delivered and not acknowledged."""
    is_complete: bool = True
    """Whether one that is in neither surely does not exist."""
    is_shown: bool = True
    """Whether the broker shows messages at all."""
    comes_back: bool = False
    """Of a broker that does not show them: whether it delivers anew what a lost connection held."""


def gone_worker(
    record: TaskRecord,
    inspection: Inspection,
    workers: Mapping[str, WorkerRecord],
    now: float,
) -> GoneWorker | Unsure | None:
    """Tell whether the worker that has ``record`` is gone; None if not, or if it cannot be told.

    A worker that answers and was started after it took the task is another run of it. A worker that
    does not answer is gone when its next run was heard of, when it said so, or when it was silent for as
    long as it takes to be offline.
    """
    taken_at = record.started_at if _ran(record) else record.received_at
    if not (_ran(record) or record.state == states.RECEIVED) or taken_at is None:
        return None
    name = record.worker
    if name is None:
        return None
    known, answer = workers.get(name), inspection.workers.get(name)
    if known is not None and known.is_doubled(now):
        # Another worker of the same name may have it.
        return UNSURE if _ran(record) else None
    if answer is not None:
        if answer.uptime_s is None or answer.active is None:
            return UNSURE if _ran(record) else None
        asked_at, started_at = inspection.asked_at, now - answer.uptime_s
        anew = _started_anew(name, taken_at, started_at) or _another_run(
            record, taken_at, answer, started_at, asked_at
        )
        return anew or _let_go(record, taken_at, answer, asked_at)
    if known is None:
        return None
    if status_at(known, now) == "offline":
        heard_at = known.stopped_at or known.heartbeat_at or now
        return GoneWorker(name, heard_at, f"{name} is offline, last heard of at {iso(heard_at)}")
    is_other = None not in (known.pid, record.pid) and known.pid != record.pid
    if is_other and known.started_at is not None:
        return _started_anew(name, taken_at, known.started_at)
    return None


def _another_run(
    record: TaskRecord, taken_at: float, answer: WorkerAnswer, started_at: float, asked_at: float
) -> GoneWorker | Unsure | None:
    """Tell by its process whether a worker of about the task's age is another run than took it.

    One that was killed and started anew at once is, by whole seconds, no younger than the task.
    """
    if None in (answer.pid, record.pid) or answer.pid == record.pid:
        return None
    if started_at < taken_at - _BOOT_TOLERANCE_S:
        # Another worker of the same name, which was there before.
        return None
    if asked_at - taken_at < _LET_GO_AFTER_S:
        # It may be the run before that answered.
        return UNSURE if _ran(record) else None
    return _anew(answer.hostname, max(started_at, taken_at))


def _let_go(
    record: TaskRecord, taken_at: float, answer: WorkerAnswer, asked_at: float
) -> GoneWorker | None:
    """Tell whether a worker that is well has no more what it had merely taken.

    Celery forgets it when its connection breaks, for it could not acknowledge it any more.
    """
    if record.state != states.RECEIVED or answer.reserved is None or answer.scheduled is None:
        return None
    if asked_at - taken_at < _LET_GO_AFTER_S:
        return None
    name = answer.hostname
    return GoneWorker(name, asked_at, f"{name} has let go of it", is_here=True)


def _ran(record: TaskRecord) -> bool:
    """Whether a process had it; a frozen one ends with its worker too."""
    is_frozen = record.state == states.PAUSED and record.paused_how == "frozen"
    return record.state == states.STARTED or is_frozen


def _started_anew(name: str, taken_at: float, started_at: float) -> GoneWorker | None:
    if taken_at > started_at - _BOOT_TOLERANCE_S:
        return None
    return _anew(name, started_at)


def _anew(name: str, started_at: float) -> GoneWorker:
    return GoneWorker(name, started_at, f"{name} was started anew at {iso(started_at)}")


def bereft_finding(
    record: TaskRecord,
    gone: GoneWorker,
    messages: Messages,
    worker: WorkerRecord | None,
    now: float,
) -> Event | None:
    """Tell what a task is whose worker is gone; None if that is not sure.

    Args:
        record: STARTED or RECEIVED.
        gone: What is known of its worker's end.
        messages: The messages that exist.
        worker: The worker as it was last known.
        now: When the messages were looked for.
    """
    ran = _ran(record)
    comes_back = _redelivery(record.id, messages, worker, now)
    if comes_back is None and messages.comes_back and (record.acks_late or not ran):
        comes_back = "awaiting redelivery by the broker"
    if comes_back is not None and not ran:
        text = f"{comes_back[0].upper()}{comes_back[1:]}: {gone.because}"
        return _finding("umbel-returned", record, gone, text, now)
    if comes_back is None and (gone.is_here or not _is_acknowledged(record, messages)):
        return None
    what = comes_back or ("" if ran else "its message is gone")
    text = f"Lost: {gone.because}" + (f"; {what}" if what else "")
    return _finding("umbel-lost", record, gone, text, now)


def _is_acknowledged(record: TaskRecord, messages: Messages) -> bool:
    """Whether a task whose message was not found surely has none."""
    ran = _ran(record)
    if not messages.is_shown:
        return ran
    # The message of a task that acknowledges early was gone when it began: it need not be looked for.
    return messages.is_complete or (ran and record.acks_late is False)


def _redelivery(
    task_id: str, messages: Messages, worker: WorkerRecord | None, now: float
) -> str | None:
    """Return how the message comes back, as a phrase; None if it is not found."""
    queue = messages.waiting.get(task_id)
    if queue is not None:
        return f"its message is in the queue {queue} again"
    message = messages.unacked.get(task_id)
    if message is None:
        return None
    due_at = message.redelivered_at
    if worker is not None and worker.visibility_timeout_s and message.taken_at is not None:
        due_at = message.taken_at + worker.visibility_timeout_s
    if due_at is None:
        return "awaiting redelivery"
    return f"awaiting redelivery, due at {_clock(due_at, now)}"


def _finding(kind: str, record: TaskRecord, gone: GoneWorker, text: str, now: float) -> Event:
    since = record.started_at or record.received_at or 0.0
    return Event(type=kind, id=record.id, at=max(gone.at, since), arrived_at=now, exception=text)


def _clock(at: float, now: float) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    return moment.strftime("%H:%M:%S UTC" if abs(at - now) < _FAR_S else "%Y-%m-%d %H:%M:%S UTC")

"""Folds the events of one task into its record. No clock, no I/O; `fold` changes nothing it is given.

The order of events is decided thus. Events of one worker arrive in the order it sent them, so
between them arrival decides. Between workers time decides, as corrected by `clocks`. An end is an
end: only a later ``task-received`` or ``task-started`` (a redelivery, a retry under the same id)
opens a record again, and then the run that ended is kept in ``attempts``. Between two ends of one
run Celery's own precedence decides (SUCCESS over FAILURE over REVOKED over REJECTED).
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from datetime import UTC, datetime

from umbel_agent.policies import heard
from umbel_backend import states
from umbel_backend.events import attempts
from umbel_backend.events.model import Event
from umbel_backend.records import Attempt, TaskRecord

_END_STATE = {
    "task-succeeded": states.SUCCESS,
    "task-failed": states.FAILURE,
    "task-revoked": states.REVOKED,
    "task-rejected": states.REJECTED,
    "umbel-succeeded": states.SUCCESS,
    "umbel-failed": states.FAILURE,
    "umbel-revoked": states.REVOKED,
    "umbel-lost": states.LOST,
}
_PRECEDENCE = {
    states.SUCCESS: 5,
    states.FAILURE: 4,
    states.REVOKED: 3,
    states.REJECTED: 2,
    states.LOST: 1,
}

_CLOCKS_DIFFER_S = 2.0
"""An act tells when it was by its own host's clock."""
_SAME_START_S = 1.0
"""A worker notes when it runs a task and tells it by an event a moment later: one start, two times."""
_SURELY_AFTER_S = 30.0
"""A task is given up for lost from the moment its worker was last heard of; within this it may have said a
last word before it died."""


def fold(record: TaskRecord | None, event: Event) -> TaskRecord:
    """Return the record as it is after ``event``; None stands for a task not seen before.

    Takes the events that `umbel_backend.events.door` lets in and the findings of the broker view
    (``umbel-…``). An event of another type changes nothing.
    """
    # Faster than copy.copy.
    new = TaskRecord(id=event.id, state_at=event.at) if record is None else record.__copy__()  # type: ignore[attr-defined]
    step = _STEPS.get(event.type)
    if step is not None:
        step(new, event, record is None)
    return new


def fold_into(record: TaskRecord, event: Event) -> None:
    """Make ``record`` what `fold` would return, for whoever has not handed it over to anybody yet."""
    step = _STEPS.get(event.type)
    if step is not None:
        step(record, event, False)


def _sent(record: TaskRecord, event: Event, first: bool) -> None:
    _describe(record, event)
    if record.sent_at is None or event.at < record.sent_at:
        record.sent_at = event.at
        if record.state == states.PENDING:
            record.state_at = event.at
    if event.queue:
        record.queue = event.queue


def _received(record: TaskRecord, event: Event, first: bool) -> None:
    _describe(record, event)
    if first:
        _begin(record, event)
    elif record.state == states.PENDING:
        if not attempts.is_of_ended_run(record, event) and not _is_returned(record, event):
            _begin(record, event)
    elif record.state == states.RETRY:
        if event.at == record.received_at:
            return
        if (event.retries or 0) >= len(record.attempts) or not (
            attempts.is_of_ended_run(record, event) or _is_before_retry(record, event)
        ):
            _begin(record, event)
    elif record.state == states.RECEIVED:
        if event.at >= (record.received_at or 0.0):
            _begin(record, event)
    elif record.state == states.PAUSED:
        if event.at > record.state_at:
            _begin(record, event)
    elif _reopens(record, event):
        attempts.end_run(record)
        _begin(record, event)
    elif record.state == states.STARTED and (
        (event.retries or 0) > len(record.attempts) or event.at > (record.started_at or 0.0)
    ):
        # The message of the next run is there before the worker tells that this one is retried, or
        # while it is still taken to run where it ran before.
        record.received_at = event.at
    elif _completes_run(record, event) and not attempts.is_of_ended_run(record, event):
        record.received_at = event.at


def _completes_run(record: TaskRecord, event: Event) -> bool:
    """Whether ``event``, told after the start, tells of the message of the present run.

    The last one that its worker received before the start: those before were of runs that died.
    """
    known_at = record.received_at
    if known_at is None:
        return True
    known_until = record.finished_at or record.started_at or 0.0
    return event.hostname == record.worker and known_at < event.at <= known_until


def _is_start_found_before(record: TaskRecord, event: Event) -> bool:
    """Whether its worker, when asked what it runs, told this start already, some moments off."""
    started_at = record.started_at or 0.0
    next_received_at = _next_received_at(record)
    return (
        record.pid is None
        and event.hostname == record.worker
        and (next_received_at is None or event.at < next_received_at)
        and abs(event.at - started_at) < _SAME_START_S
    )


def _is_started_anew(record: TaskRecord, event: Event) -> bool:
    """Whether the worker of the known run died: the next one is of another process of its name."""
    if event.hostname != record.worker or record.pid is None:
        return False
    return event.pid not in (None, record.pid)


def _is_returned(record: TaskRecord, event: Event) -> bool:
    """Whether ``event`` tells of the delivery that the task has come back from."""
    return record.received_at is not None and event.at <= record.received_at


def _begin(record: TaskRecord, event: Event) -> None:
    if record.state == states.PENDING:
        record.exception = None
    _enter(record, states.RECEIVED, event.at)
    record.received_at = event.at
    _run_by(record, event)


def _started(record: TaskRecord, event: Event, first: bool) -> None:
    if record.state == states.RECEIVED and not record.attempts and not record.retries:
        # Nearly every start: no other run is known or missing, so that none need be looked for.
        _run(record, event)
        return
    if attempts.has_begun(record, event):
        return
    if record.state == states.STARTED:
        if _is_start_found_before(record, event):
            record.started_at = record.state_at = event.at
            record.pid = event.pid
            return
        if event.at <= (record.started_at or 0.0):
            _insert_begun_elsewhere(record, event)
            return
        # Taken again while it ran: by another worker after the visibility timeout, or after a
        # crash; the run it had will not report its end.
        next_received_at = _next_received_at(record)
        attempts.end_run(record, lost=_is_started_anew(record, event))
        record.received_at = next_received_at
    elif attempts.is_of_ended_run(record, event):
        attempts.note_start_of_ended_run(record, event)
        return
    elif (
        _is_before_retry(record, event)
        or attempts.is_of_unseen_run(record, event)
        or attempts.is_before_ended_run(record, event)
    ):
        attempts.insert_begun_run(record, event)
        return
    elif record.is_ready:
        if not _reopens(record, event):
            is_here = record.worker in (None, event.hostname)
            if is_here and (record.started_at or 0.0) < event.at <= (record.finished_at or 0.0):
                attempts.begin_later(record, event)
            elif record.started_at is None and is_here:
                record.started_at = event.at
                record.pid = event.pid
            else:
                _insert_begun_elsewhere(record, event)
            return
        attempts.end_run(record)
    if record.state == states.PENDING:
        record.exception = None
    if record.attempts:
        # Of the run before.
        record.progress = None
    _run(record, event)


def _run(record: TaskRecord, event: Event) -> None:
    _enter(record, states.STARTED, event.at)
    record.started_at = event.at
    record.pid = event.pid
    _run_by(record, event)


def _retried(record: TaskRecord, event: Event, first: bool) -> None:
    policy, delay_s = heard(event.traceback) or (None, None)
    attempt = Attempt(
        number=len(record.attempts) + 1,
        started_at=record.started_at,
        ended_at=event.at,
        outcome=states.RETRY,
        exception=event.exception,
        worker=event.hostname or record.worker,
        policy=policy,
        delay_s=delay_s,
    )
    if any(
        earlier.ended_at == event.at and earlier.outcome == states.RETRY
        for earlier in record.attempts
    ):
        return
    if attempts.is_of_earlier_run(record, event):
        attempts.insert_ended_run(record, attempt)
        return
    next_received_at = _next_received_at(record)
    run_at = _run_at(record)
    late = (
        (run_at is not None and run_at > event.at)
        or (record.finished_at is not None and record.finished_at >= event.at)
        or _is_before_retry(record, event)
    )
    if late or attempts.is_of_ended_run(record, event):
        attempts.insert_ended_run(record, attempt)
        return
    if record.is_ready:
        attempts.end_run(record)
    record.attempts = (*record.attempts, attempt)
    _enter(record, states.RETRY, event.at)
    record.exception = event.exception
    record.traceback = event.traceback
    _run_by(record, event)
    record.received_at, record.started_at, record.pid = next_received_at, None, None
    record.runtime_s = None
    if next_received_at is not None and next_received_at > event.at:
        _enter(record, states.RECEIVED, next_received_at)


def _insert_begun_elsewhere(record: TaskRecord, event: Event) -> None:
    """Keep the start, told late, of a run on another worker; one of the same worker is this run's."""
    if event.hostname != record.worker:
        attempts.insert_begun_run(record, event)


def _is_before_retry(record: TaskRecord, event: Event) -> bool:
    """Whether ``event``, told late, is of another worker's run before the one that is retried."""
    return (
        record.state == states.RETRY
        and event.at < record.state_at
        and event.hostname not in ("", record.worker)
    )


def _next_received_at(record: TaskRecord) -> float | None:
    """When the message of the next run was received, if that came before this run was known to be over."""
    if record.started_at is not None and (record.received_at or 0.0) > record.started_at:
        return record.received_at
    return None


def _paused(record: TaskRecord, event: Event, first: bool) -> None:
    """Its message was put aside, or its run was stopped for a while."""
    _describe(record, event)
    was_only_sent = record.state == states.PENDING and record.received_at is None
    # When it was sent is known by the sender's clock only, which may be a little ahead.
    if record.is_ready or (event.at < record.state_at and not was_only_sent):
        return
    record.queue = event.queue or record.queue
    _enter(record, states.PAUSED, max(event.at, record.state_at))
    record.paused_how = event.paused_how
    if event.paused_how == "held":
        # Whoever had received it has it no more.
        record.received_at = record.worker = None


def _resumed(record: TaskRecord, event: Event, first: bool) -> None:
    """It is back at the head of its queue, or its run goes on."""
    _describe(record, event)
    if record.state == states.PAUSED and event.at >= record.state_at - _CLOCKS_DIFFER_S:
        is_run = record.paused_how == "frozen" and record.started_at is not None
        at = max(event.at, record.state_at)
        _enter(record, states.STARTED if is_run else states.PENDING, at)


def _cancelled(record: TaskRecord, event: Event, first: bool) -> None:
    """The worker gave a late-acking task back because it lost its broker connection."""
    event = copy(event)
    event.exception = "cancelled by Celery: the worker lost its connection to the broker"
    _retried(record, event, first)


def _ended(record: TaskRecord, event: Event, first: bool) -> None:
    state = _END_STATE[event.type]
    if event.name is not None or event.queue is not None:
        _describe(record, event)
        record.queue = record.queue or event.queue
    if record.is_ready and record.state != states.LOST:
        if event.type.startswith("umbel-"):
            _add_exact_result(record, event, state)
            return
        standing = _PRECEDENCE.get(record.state, 0)
        if standing > _PRECEDENCE[state]:
            return
        if standing == _PRECEDENCE[state] and event.at < (record.finished_at or 0.0):
            return
    elif attempts.is_of_ended_run(record, event) or _runs_elsewhere(record, event):
        return
    elif state == states.LOST and (_run_at(record) or 0.0) > event.at:
        # Another worker has it by now.
        return
    elif state == states.LOST and _is_taken_again(record, event):
        _lose_run_before(record, event)
        return
    record.finished_at = event.at
    _enter(record, state, event.at, keep_end=True)
    record.result = event.result
    record.result_exact = event.result_exact
    record.exception = event.exception
    record.traceback = event.traceback
    record.runtime_s = event.runtime
    # A lost task ran for nobody knows how long.
    if event.runtime is None and record.started_at is not None and state != states.LOST:
        record.runtime_s = max(0.0, event.at - record.started_at)
    if state == states.REVOKED and event.exception is None:
        record.exception = f"TaskRevokedError: {_revoked_because(event)}"
    _run_by(record, event)


def _is_taken_again(record: TaskRecord, event: Event) -> bool:
    """Whether the message of a run found to be lost was received again since."""
    return record.state == states.STARTED and (record.received_at or 0.0) > event.at


def _lose_run_before(record: TaskRecord, event: Event) -> None:
    """End the run that is known as lost; its message waits in a worker, nobody knows which."""
    received_at = record.received_at
    record.state, record.finished_at, record.exception = states.LOST, event.at, event.exception
    attempts.end_run(record)
    _enter(record, states.RECEIVED, received_at or event.at)
    record.received_at, record.worker = received_at, None


def _add_exact_result(record: TaskRecord, event: Event, state: str) -> None:
    """The result backend keeps whole what the event of the same end had as a repr."""
    if state == record.state and event.result_exact:
        record.result, record.result_exact = event.result, True


def _waits(record: TaskRecord, event: Event, first: bool) -> None:
    """The broker holds its message: tells everything of it but when it was sent."""
    _describe(record, event)
    if event.queue:
        record.queue = event.queue
    if record.state == states.PENDING:
        # What it was given back for is over: it is in its queue again.
        record.exception = None


def _is_told_whole(record: TaskRecord, event: Event, first: bool) -> None:
    """A worker's agent read its message as it received it: what it is, and nothing of what became of it."""
    _describe(record, event)
    record.queue = record.queue or event.queue


def _returned(record: TaskRecord, event: Event, first: bool) -> None:
    """Its worker is gone before it started it, and its message is delivered again: it waits."""
    if record.state == states.RECEIVED and event.at >= (record.received_at or 0.0):
        _enter(record, states.PENDING, event.at)
        record.exception = event.exception


def _is_held(record: TaskRecord, event: Event, first: bool) -> None:
    """A worker says it has the task but has not started it."""
    _describe(record, event)
    if event.queue and record.queue is None:
        record.queue = event.queue
    if first or record.state == states.PENDING:
        _enter(record, states.RECEIVED, event.at)
        _run_by(record, event)


def _is_active(record: TaskRecord, event: Event, first: bool) -> None:
    """A worker says it runs the task since ``event.at``."""
    _describe(record, event)
    if event.queue and record.queue is None:
        record.queue = event.queue
    if record.state in (states.PENDING, states.RECEIVED, states.RETRY, states.LOST):
        record.finished_at = record.exception = None
        _enter(record, states.STARTED, event.at)
        record.started_at = event.at
        _run_by(record, event)


def _progressed(record: TaskRecord, event: Event, first: bool) -> None:
    """How far it says it is; the last word of a run may come after its end, from another process."""
    known, told = record.progress, event.progress
    if told is None or (record.started_at is not None and event.at < record.started_at):
        return
    if record.state == states.LOST and _is_alive(record, event):
        record.finished_at = record.exception = None
        _enter(record, states.STARTED, record.started_at or event.at)
    if record.is_ready:
        is_of_this_run = event.at <= (record.finished_at or 0.0) and event.hostname == record.worker
        if not is_of_this_run or (known is not None and told.current < known.current):
            return
    record.progress = told


def _is_alive(record: TaskRecord, event: Event) -> bool:
    """Whether a task given up for lost told of itself long after its worker was last heard of."""
    told_after_s = event.at - (record.finished_at or 0.0)
    return event.hostname == record.worker and told_after_s > _SURELY_AFTER_S


_STEPS: dict[str, Callable[[TaskRecord, Event, bool], None]] = {
    "task-sent": _sent,
    "task-received": _received,
    "task-started": _started,
    "task-retried": _retried,
    "task-cancelled": _cancelled,
    "umbel-waiting": _waits,
    "umbel-message": _is_told_whole,
    "umbel-returned": _returned,
    "umbel-reserved": _is_held,
    "umbel-scheduled": _is_held,
    "umbel-active": _is_active,
    "umbel-progress": _progressed,
    "umbel-paused": _paused,
    "umbel-resumed": _resumed,
    **dict.fromkeys(_END_STATE, _ended),
}


def _describe(record: TaskRecord, event: Event) -> None:
    """Take over what the event says the task is; a later run's message wins, nothing known is lost."""
    later = (event.retries or 0) >= record.retries
    if event.name and (later or not record.name):
        record.name = event.name
    if event.args is not None and (event.args_exact or not record.args_exact):
        record.args = event.args
        record.kwargs = event.kwargs
        record.args_exact = event.args_exact
        record.args_complete = bool(event.args_complete)
    if event.root_id is not None:
        record.root_id = event.root_id
    # One that ran again under its own id names itself.
    if event.retry_of is not None and event.retry_of != record.id:
        record.retry_of = event.retry_of
    # A retry names the run it came from, which is the same task.
    if event.parent_id is not None and event.parent_id != record.id:
        record.parent_id = event.parent_id
    if event.group_id is not None:
        record.group_id = event.group_id
    if event.priority is not None:
        record.priority = event.priority
    if event.eta is not None and later:
        record.eta = instant(event.eta)
    if event.expires is not None and later:
        record.expires = instant(event.expires)
    if later and event.retries is not None:
        record.retries = event.retries
    if event.acks_late is not None:
        record.acks_late = event.acks_late
    if event.tags:
        record.tags = {**record.tags, **event.tags}


def instant(text: str) -> float | None:
    """Return the Unix seconds of an ISO 8601 text; a zone left out means UTC, None if unreadable."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _enter(record: TaskRecord, state: str, at: float, *, keep_end: bool = False) -> None:
    record.state = state
    record.state_at = at
    record.paused_how = None
    if not keep_end:
        record.finished_at = None


def _run_by(record: TaskRecord, event: Event) -> None:
    if event.hostname:
        record.worker = event.hostname


def _run_at(record: TaskRecord) -> float | None:
    """When the present run was last heard of before its end."""
    return record.started_at if record.started_at is not None else record.received_at


def _runs_elsewhere(record: TaskRecord, event: Event) -> bool:
    """Whether another worker took the task since ``event`` happened."""
    run_at = _run_at(record)
    return (
        run_at is not None
        and run_at > event.at
        and bool(event.hostname)
        and record.worker not in (None, event.hostname)
    )


def _reopens(record: TaskRecord, event: Event) -> bool:
    return record.finished_at is not None and event.at > record.finished_at


def _revoked_because(event: Event) -> str:
    if event.expired:
        return "expired"
    return "terminated" if event.terminated else "revoked"

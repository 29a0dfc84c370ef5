"""The runs of a task that has several: which of them an event tells of, and how they are kept in order.

Changes the record it is given: only `fold` calls these, on a record of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from umbel_backend import states
from umbel_backend.events.model import Event
from umbel_backend.records import Attempt, TaskRecord


def is_of_ended_run(record: TaskRecord, event: Event) -> bool:
    """Whether ``event`` belongs to a run that is already among ``attempts``."""
    if not record.attempts:
        return False
    last = record.attempts[-1]
    if last.ended_at is None or event.at > last.ended_at:
        return False
    is_of_present = record.state != states.RETRY and event.at >= (record.received_at or math.inf)
    if is_of_present and record.worker == event.hostname:
        # Of the present run, then: its worker's clock was set back a little between the two.
        return False
    return last.worker is None or not event.hostname or last.worker == event.hostname


def is_of_earlier_run(record: TaskRecord, event: Event) -> bool:
    """Whether a retry told only now belongs to a run that had to make way for the present one.

    A pool with a free process can start the next run before the worker has told that the one
    before it is retried.
    """
    if record.retries <= _retries_told(record):
        return False
    if record.state == states.RECEIVED:
        # What has not begun cannot be retried.
        return True
    retried = (each for each in record.attempts if each.outcome == states.RETRY)
    # By its start: the next run may begin before this one is told to be over.
    retried_at = max((each.started_at or each.ended_at or 0.0 for each in retried), default=0.0)
    return any(
        attempt.outcome == states.STARTED
        and attempt.worker == event.hostname
        and (attempt.started_at or 0.0) > retried_at
        for attempt in record.attempts
    )


def has_begun(record: TaskRecord, event: Event) -> bool:
    """Whether the start that ``event`` tells is that of a run among ``attempts``."""
    return any(
        attempt.started_at == event.at and attempt.worker == event.hostname
        for attempt in record.attempts
    )


def end_run(record: TaskRecord, *, lost: bool = False) -> None:
    """Move the run that the record shows into ``attempts`` and forget its outcome.

    Args:
        record: Changed.
        lost: Nothing will ever be told of how it ended: its worker died.
    """
    attempt = Attempt(
        number=len(record.attempts) + 1,
        started_at=record.started_at,
        ended_at=record.finished_at,
        outcome=states.LOST if lost else record.state,
        exception=f"Lost: {record.worker} was started anew" if lost else record.exception,
        worker=record.worker,
    )
    record.attempts = (*record.attempts, attempt)
    record.received_at = record.started_at = record.finished_at = record.runtime_s = None
    record.result = record.exception = record.traceback = record.pid = None
    record.result_exact = False
    record.progress = None


def note_start_of_ended_run(record: TaskRecord, event: Event) -> None:
    """Complete the last of the earlier runs by its start, told late."""
    last = record.attempts[-1]
    if last.started_at is None:
        noted = msgspec.structs.replace(last, started_at=event.at)
        record.attempts = (*record.attempts[:-1], noted)


def begin_later(record: TaskRecord, event: Event) -> None:
    """Take the start told late for that of the run that has ended; one known before was of another."""
    if record.started_at is not None and record.worker is not None:
        before = Attempt(0, record.started_at, None, states.STARTED, None, record.worker)
        record.attempts = _numbered((*record.attempts, before))
    record.started_at, record.pid = event.at, event.pid


def is_of_unseen_run(record: TaskRecord, event: Event) -> bool:
    """Whether a start told late belongs to a run before the message that is received by now.

    Of the runs before it fewer are known to be retried than it counts retries.
    """
    return (
        record.state == states.RECEIVED
        and record.retries > _retries_told(record)
        and event.at < (record.received_at or 0.0)
    )


def is_before_ended_run(record: TaskRecord, event: Event) -> bool:
    """Whether a start told late belongs to a run that made way for one that has ended since."""
    if not record.attempts:
        return False
    if record.worker == event.hostname and event.at >= (record.received_at or math.inf):
        # Of the present run: its worker's clock is a little behind that of the one before.
        return False
    return any((attempt.ended_at or 0.0) > event.at for attempt in record.attempts)


def insert_begun_run(record: TaskRecord, event: Event) -> None:
    """Keep the start, told late, of a run that came before the present one."""
    if not event.hostname or any(attempt.started_at == event.at for attempt in record.attempts):
        return
    begun = Attempt(0, event.at, None, states.STARTED, None, event.hostname)
    record.attempts = _numbered((*record.attempts, begun))


def insert_ended_run(record: TaskRecord, ended: Attempt) -> None:
    """Put a run whose end is told late among the earlier ones, by the time it ended.

    The last one without an end that the same worker began before is this one.
    """
    begun = [
        attempt
        for attempt in record.attempts
        if attempt.outcome == states.STARTED
        and attempt.worker == ended.worker
        and (attempt.started_at or 0.0) <= (ended.ended_at or 0.0)
    ]
    same = max(begun, key=lambda each: each.started_at or 0.0, default=None)
    others = [attempt for attempt in record.attempts if attempt is not same]
    started_at = None if same is None else same.started_at
    record.attempts = _numbered((*others, msgspec.structs.replace(ended, started_at=started_at)))


def _retries_told(record: TaskRecord) -> int:
    return sum(attempt.outcome == states.RETRY for attempt in record.attempts)


def _numbered(attempts: Iterable[Attempt]) -> tuple[Attempt, ...]:
    in_order = sorted(attempts, key=lambda each: each.ended_at or each.started_at or 0.0)
    return tuple(
        msgspec.structs.replace(attempt, number=n) for n, attempt in enumerate(in_order, 1)
    )

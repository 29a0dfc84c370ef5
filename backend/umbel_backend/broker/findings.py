"""What was found on the broker, with workers and in results, in the words of events for `fold`.

A finding is not yet bounded and redacted: `umbel_backend.events.door.Door.admit_findings` does that.
"""

from __future__ import annotations

from collections.abc import Sequence

from umbel_agent.protocol import RETRY_OF_HEADER
from umbel_backend.broker.answers import HeldTask
from umbel_backend.broker.result_meta import TaskResult
from umbel_backend.events.arguments import tags_in, tags_of
from umbel_backend.events.exceptions import describe
from umbel_backend.events.model import Event
from umbel_backend.records import MessageRecord
from umbel_backend.wire import iso

_ENDS = {"SUCCESS": "umbel-succeeded", "FAILURE": "umbel-failed", "REVOKED": "umbel-revoked"}


def waiting_finding(message: MessageRecord, now: float, tags: Sequence[str] = ()) -> Event | None:
    """Tell that a message waits in its queue at ``now``; None for one that is no task's.

    Args:
        message: As the broker view read it.
        now: When it was read.
        tags: Names looked for in its headers and keyword arguments.
    """
    if message.problem is not None or not message.id:
        return None
    found = {
        **(tags_of(message.headers, tags) or {}),
        **(tags_in(message.kwargs or "", tags) or {}),
    }
    return Event(
        type="umbel-waiting",
        at=now,
        arrived_at=now,
        id=message.id,
        name=message.name or None,
        args=message.args,
        kwargs=message.kwargs,
        args_exact=message.args_exact,
        args_complete=message.args_complete,
        retries=message.retries,
        root_id=message.root_id,
        parent_id=message.parent_id,
        group_id=message.group_id,
        eta=iso(message.eta),
        expires=iso(message.expires),
        queue=message.queue or None,
        priority=message.priority,
        tags=found or None,
        retry_of=message.headers.get(RETRY_OF_HEADER),
    )


def held_finding(task: HeldTask, now: float) -> Event:
    """Tell that a worker has a task; ``at`` is its start where the worker says so, else ``now``.

    ``pid`` stays empty: a record holds the worker's parent process, an answer names the pool's.
    """
    return Event(
        type=f"umbel-{task.held}",
        hostname=task.worker,
        at=now if task.started_at is None else task.started_at,
        arrived_at=now,
        id=task.id,
        name=task.name or None,
        args=task.args,
        kwargs=task.kwargs,
        args_exact=task.args_exact,
        eta=task.eta,
        queue=task.queue,
        priority=task.priority,
    )


def result_finding(result: TaskResult, now: float) -> Event | None:
    """Tell that a task is over, or how far it is; None if its result says neither.

    A stored end without its time says nothing of when it ended, and is left out.
    """
    if result.progress is not None:
        return Event(
            type="umbel-progress", at=now, arrived_at=now, id=result.id, progress=result.progress
        )
    kind = _ENDS.get(result.state)
    if kind is None or result.done_at is None:
        return None
    # Arguments are left out: the backend stores them as its own serializer made them, not as sent.
    return Event(
        type=kind,
        hostname=result.worker or "",
        at=result.done_at,
        arrived_at=now,
        id=result.id,
        name=result.name,
        retries=result.retries,
        queue=result.queue,
        parent_id=result.parent_id,
        group_id=result.group_id,
        result=result.result,
        result_exact=result.result is not None,
        exception=result.exception or describe(None, result.traceback),
        traceback=result.traceback,
    )

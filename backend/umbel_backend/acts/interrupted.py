"""What is known of an act whose process ended before it saw the outcome, and how it is finished. Pure."""

from __future__ import annotations

from umbel_backend import states
from umbel_backend.records import AuditRecord, TaskRecord

_OPEN = (
    "Its process ended before the outcome was seen, so that it may have been done or not. Doing it again"
    " finishes it."
)
_PURGE = (
    " What it had taken out of the queue and not deleted by then, the next purge or within minutes the"
    " recorder deletes."
)


def explain(record: AuditRecord, task: TaskRecord | None) -> str:
    """Return in a few sentences what became of an interrupted act.

    Args:
        record: Its row of the audit.
        task: Its target as history has it by now; None if history does not know it, or it is no task.
    """
    action = record.action
    if action == "resume" and "new_id" in record.parameters:
        # It had ended, and its message was to be sent again, as by a retry.
        action = "retry"
    words = {
        "retry": _retry,
        "cancel": _cancel,
        "run": _run,
        "pause": _pause,
        "resume": _resume,
    }.get(action)
    if words is not None and record.target_kind == "task":
        return words(record, task)
    also = _PURGE if action == "queue purge" else ""
    return f"{_OPEN}{also}"


def _retry(record: AuditRecord, task: TaskRecord | None) -> str:
    new_id = record.parameters.get("new_id")
    if new_id is None:
        return f"Its process ended before anything was sent. {_again(record)}."
    if new_id == record.target:
        if task is not None and (not task.is_ready or task.state_at > record.at):
            return f"Its message was sent: the task is {task.state} now."
        return (
            "Its process ended around the sending, and nothing was heard of the task since. If it does"
            f" not wait in {_queue(record)}, {_again(record).lower()}."
        )
    if task is not None and new_id in task.retried_as:
        return f"Its message was sent: the new task is {new_id}."
    return (
        f"Its process ended around the sending, and history does not know the new task {new_id}. If that"
        f" does not wait in {_queue(record)} either, it was not sent, provided that a recorder runs."
        f" {_again(record)}, which asks first."
    )


def _again(record: AuditRecord) -> str:
    return f"{record.action.capitalize()} it again"


def _pause(record: AuditRecord, task: TaskRecord | None) -> str:
    if task is None:
        return _OPEN
    if task.state == states.PAUSED and task.state_at >= record.at:
        return f"It took effect: the task is PAUSED ({task.paused_how}). Resuming it lets it go on."
    if task.is_ready:
        return f"The task has ended as {task.state}."
    return f"The task is {task.state} now. Pausing it again finishes it, whatever was begun."


def _resume(_record: AuditRecord, task: TaskRecord | None) -> str:
    if task is None:
        return _OPEN
    if task.state == states.PAUSED:
        return f"The task is PAUSED still ({task.paused_how}). Resuming it again finishes it."
    return f"The task is {task.state} now."


def _queue(record: AuditRecord) -> str:
    return str(record.parameters.get("queue") or "its queue")


def _cancel(record: AuditRecord, task: TaskRecord | None) -> str:
    if task is not None and task.state == states.REVOKED:
        return "It took effect: the task is REVOKED."
    if task is not None and task.is_ready and task.state_at > record.at:
        return f"The task ended as {task.state} all the same."
    return (
        "That it is cancelled was noted first, and workers that come online are told. Cancelling it again"
        " finishes it and shows its end."
    )


def _run(record: AuditRecord, task: TaskRecord | None) -> str:
    if task is not None:
        return f"Its message was sent: the task is {task.state}."
    return (
        "Its process ended around the sending, and history does not know the task. If it does not wait in"
        f" {_queue(record)} either, it was not sent, provided that a recorder runs. Running it again makes"
        " another task."
    )

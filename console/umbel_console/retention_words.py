"""How it is said that what the agent told of a task was deleted for its age."""

from __future__ import annotations

from umbel_backend.records import TaskRecord

_DAY_S = 86_400.0


def log_too_old(record: TaskRecord, days: int, now: float) -> str | None:
    """Return a sentence if the log of a task is deleted by now, else None.

    Args:
        record: The task.
        days: For how many days lines are kept; 0 is for ever.
        now: Unix seconds.
    """
    if not _is_older(record, days, now):
        return None
    return f"Its log is too old to be kept: lines are deleted after {days} days (log_days)."


def message_too_old(record: TaskRecord, days: int, now: float) -> str | None:
    """Return a sentence if the exact message of a task is deleted by now, else None."""
    if not _is_older(record, days, now):
        return None
    return (
        f"The exact message of {record.id} is too old to be kept: messages are deleted after"
        f" {days} days (message_days)."
    )


def _is_older(record: TaskRecord, days: int, now: float) -> bool:
    return days > 0 and record.state_at < now - days * _DAY_S

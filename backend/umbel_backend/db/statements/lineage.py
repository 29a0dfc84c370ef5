"""Writes which task a retry repeats; all else of a task is the recorder's to write."""

from __future__ import annotations

import sqlalchemy as sa

from umbel_backend.db.tables import task


def repeats(new_id: str, old_id: str) -> sa.Update:
    """Note that ``new_id`` repeats ``old_id``, whatever is known of it by now."""
    return (
        sa.update(task)
        .where(task.c.id == new_id, task.c.retry_of.is_(None))
        .values(retry_of=old_id)
    )

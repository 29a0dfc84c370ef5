"""Builders of records for tests that do not care about most fields."""

from __future__ import annotations

from typing import Any

from umbel_backend import states
from umbel_backend.records import TaskRecord


def a_task(
    id: str = "a1", state: str = states.SUCCESS, at: float = 1000.0, **fields: Any
) -> TaskRecord:
    """Return a task that entered ``state`` at ``at``; ``finished_at`` follows from them."""
    fields.setdefault("name", "mail.send")
    fields.setdefault("finished_at", at if states.is_ready(state) else None)
    return TaskRecord(id=id, state=state, state_at=at, **fields)

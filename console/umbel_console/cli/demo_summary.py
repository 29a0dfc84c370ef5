"""What the recorder of a demo has written, in a few numbers."""

from __future__ import annotations

from typing import Any

from umbel_backend.settings import Context
from umbel_console.cli.history import History


def observed(context: Context, *, since: float) -> dict[str, Any]:
    """Return ``tasks``, ``by_state``, ``workers`` and ``queues`` of what changed after ``since``."""
    history = History(context)
    by_state = history.count_by("state", since=since)
    return {
        "tasks": sum(by_state.values()),
        "by_state": by_state,
        "workers": sum(1 for worker in history.workers() if (worker.heartbeat_at or 0.0) >= since),
        "queues": len(history.count_by("queue", since=since)),
    }

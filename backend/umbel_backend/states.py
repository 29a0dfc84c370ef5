"""Task states, spelled as Celery spells them, and how they order.

``PAUSED`` and ``LOST`` are Umbel's own; everything else is from ``celery.states``, restated here so
that the core imports nothing.
"""

from __future__ import annotations

from typing import Final

PENDING: Final = "PENDING"
RECEIVED: Final = "RECEIVED"
STARTED: Final = "STARTED"
RETRY: Final = "RETRY"
SUCCESS: Final = "SUCCESS"
FAILURE: Final = "FAILURE"
REVOKED: Final = "REVOKED"
REJECTED: Final = "REJECTED"
PAUSED: Final = "PAUSED"
LOST: Final = "LOST"

ALL: Final = (
    PENDING,
    RECEIVED,
    STARTED,
    RETRY,
    SUCCESS,
    FAILURE,
    REVOKED,
    REJECTED,
    PAUSED,
    LOST,
)
"""Every state a record can be in, in the order a task usually meets them."""

READY: Final = frozenset({SUCCESS, FAILURE, REVOKED, REJECTED, LOST})
"""States in which nothing more is expected; a record in one of them has ``finished_at``."""

WAITING: Final = frozenset({PENDING, RECEIVED, RETRY})
"""States in which the task has yet to run, or to run again."""

ACTIVE: Final = frozenset({STARTED})
"""States in which a worker runs the task."""


def is_ready(state: str) -> bool:
    """Whether nothing more is expected of a task in ``state``."""
    return state in READY

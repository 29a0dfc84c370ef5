"""Counts the task rows that a batch changes, so that the roll-ups are always sums over the rows.

Every row counts once as PENDING, in the minute in which its task was first seen, and once as it ended,
in the minute of its end. A row that changes its end, or has none any more, is counted anew: a task that
was given up for LOST and then succeeded, or that ran a second time.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from umbel_backend import states
from umbel_backend.db.rollup import MINUTE_S, RUNTIME_BOUNDS_S, RollupBuffer


class RowCounts:
    """What a batch changes in the counts: `before` it is merged, `after` it was.

    Args:
        staged: The table that holds the batch.
    """

    def __init__(self, staged: str) -> None:
        self._new = _new_rows(staged)
        self._ended = _ended_rows(staged)

    def before(self, connection: sa.Connection, counts: RollupBuffer) -> None:
        """Count the tasks that are new, and take back the ends that may change."""
        for minute, name, count in connection.exec_driver_sql(self._new):
            counts.add_rows(_instant(minute), name, states.PENDING, int(count))
        for minute, name, state, bucket, count, total, _ in connection.exec_driver_sql(self._ended):
            counts.add_rows(_instant(minute), name, state, -int(count), bucket, -(total or 0.0))

    def after(self, connection: sa.Connection, counts: RollupBuffer) -> None:
        """Count the ends as they are now."""
        for row in connection.exec_driver_sql(self._ended):
            minute, name, state, bucket, count, total, longest = row
            at = _instant(minute)
            counts.add_rows(at, name, state, int(count), bucket, total or 0.0, longest)


def _instant(minute: Any) -> int:
    return int(minute) * MINUTE_S


def _new_rows(staged: str) -> str:
    first_seen = "coalesce(s.sent_at, s.received_at, s.state_at)"
    return (
        f"SELECT floor({first_seen} / {MINUTE_S}), s.name, count(*) FROM {staged} AS s"
        " WHERE NOT EXISTS (SELECT 1 FROM task WHERE task.id = s.id) GROUP BY 1, 2"
    )


def _ended_rows(staged: str) -> str:
    bounds = " ".join(
        f"WHEN t.runtime_s <= {bound!r} THEN {number}"
        for number, bound in enumerate(RUNTIME_BOUNDS_S)
    )
    bucket = f"CASE WHEN t.runtime_s IS NULL THEN NULL {bounds} ELSE {len(RUNTIME_BOUNDS_S)} END"
    return (
        f"SELECT floor(t.finished_at / {MINUTE_S}), t.name, t.state, {bucket},"
        " count(*), sum(t.runtime_s), max(t.runtime_s)"
        # The order of a CROSS JOIN is kept by SQLite, which else may walk through all tasks.
        f" FROM {staged} AS s CROSS JOIN task AS t"
        " WHERE t.id = s.id AND t.finished_at IS NOT NULL GROUP BY 1, 2, 3, 4"
    )

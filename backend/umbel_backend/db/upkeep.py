"""Keeps the database small and its planner informed; the recorder calls it now and then.

Touches only what charts are drawn from. Tasks are never deleted here.
"""

from __future__ import annotations

import sqlalchemy as sa

from umbel_backend.db.rollup import MINUTE_S
from umbel_backend.db.tables import queue_sample, task_rollup, worker_sample
from umbel_backend.db.transaction import writing

SAMPLES_KEPT_S = 7 * 86_400.0
"""Samples and counts per minute older than this are dropped; counts per hour stay."""


def keep_up(engine: sa.Engine, now: float) -> int:
    """Drop what is too old and refresh the planner's statistics; returns how many rows were dropped.

    Raises:
        DatabaseUnavailable: The database failed; nothing is lost by trying again later.
    """
    before = now - SAMPLES_KEPT_S
    statements = (
        sa.delete(worker_sample).where(worker_sample.c.at < before),
        sa.delete(queue_sample).where(queue_sample.c.at < before),
        sa.delete(task_rollup).where(
            task_rollup.c.resolution == MINUTE_S, task_rollup.c.bucket_at < before
        ),
    )
    dropped = 0
    for statement in statements:
        # One short transaction each, so that nobody waits for all of them.
        with writing(engine) as connection:
            dropped += connection.execute(statement).rowcount
    if engine.dialect.name == "sqlite":
        with writing(engine) as connection:
            connection.exec_driver_sql("PRAGMA analysis_limit = 400")
            connection.exec_driver_sql("PRAGMA optimize")
    return dropped

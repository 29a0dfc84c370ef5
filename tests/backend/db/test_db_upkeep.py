"""What is dropped from the database with time, and what is not."""

from __future__ import annotations

import sqlalchemy as sa

from umbel_backend.db.changes import Changes, QueueSample, WorkerSample
from umbel_backend.db.rollup import RollupBuffer
from umbel_backend.db.tables import queue_sample, task, task_rollup, worker_sample
from umbel_backend.db.upkeep import SAMPLES_KEPT_S, keep_up
from umbel_backend.db.writer import Writer
from umbel_backend.records import TaskRecord

NOW = 1_790_000_000.0


def test_old_samples_go_and_tasks_and_hourly_counts_stay(engine: sa.Engine) -> None:
    old, new = NOW - SAMPLES_KEPT_S - 60, NOW - 60
    rollups = RollupBuffer()
    for at in (old, new):
        rollups.add("app.add", "SUCCESS", at, 0.1)
    Writer(engine).write(
        Changes(
            tasks=[TaskRecord(id="t", state_at=old)],
            worker_samples=[WorkerSample(hostname="w", at=at) for at in (old, new)],
            queue_samples=[
                QueueSample(name="q", at=at, ready=1, by_priority={}) for at in (old, new)
            ],
            rollups=rollups.drain(),
        )
    )
    assert keep_up(engine, NOW) == 4
    with engine.connect() as connection:
        counts = [
            connection.scalar(sa.select(sa.func.count()).select_from(table))
            for table in (task, worker_sample, queue_sample, task_rollup)
        ]
    assert counts == [1, 1, 1, 4]

"""Roll-ups are sums over the task rows, whatever a row went through."""

from __future__ import annotations

import random
from typing import Any

import pytest
import sqlalchemy as sa

from umbel_backend import states
from umbel_backend.db.changes import Changes
from umbel_backend.db.rollup import runtime_bucket
from umbel_backend.db.tables import RUNTIME_BUCKETS, task, task_rollup
from umbel_backend.db.writer import Writer
from umbel_backend.records import TaskRecord

ENDS = (states.SUCCESS, states.FAILURE, states.REVOKED, states.LOST)


def a_task(number: int, state: str, at: float, **fields: Any) -> TaskRecord:
    finished_at = at if state in states.READY else None
    record = TaskRecord(
        id=f"t{number}", name="mail", state=state, state_at=at, finished_at=finished_at
    )
    for name, value in fields.items():
        setattr(record, name, value)
    return record


def counted(engine: sa.Engine, resolution: int = 60) -> dict[tuple[int, str, str], int]:
    """Return the counts of the roll-up that are not zero, by bucket, name and state."""
    table = task_rollup
    with engine.connect() as connection:
        rows = connection.execute(
            sa.select(table.c.bucket_at, table.c.name, table.c.state, table.c.count).where(
                table.c.resolution == resolution
            )
        ).all()
    return {(at, name, state): count for at, name, state, count in rows if count}


def test_a_row_counts_when_it_is_first_seen_and_when_it_ends(engine: sa.Engine) -> None:
    writer = Writer(engine)
    writer.write(Changes(tasks=[a_task(1, states.RECEIVED, 70.0, sent_at=59.0)]))
    assert counted(engine) == {(0, "mail", "PENDING"): 1}
    end = a_task(1, states.SUCCESS, 130.0, sent_at=59.0, runtime_s=0.3)
    for _ in range(3):
        writer.write(Changes(tasks=[end]))
    assert counted(engine) == {(0, "mail", "PENDING"): 1, (120, "mail", "SUCCESS"): 1}
    assert counted(engine, 3600) == {(0, "mail", "PENDING"): 1, (0, "mail", "SUCCESS"): 1}
    with engine.connect() as connection:
        row = connection.execute(
            sa.select(task_rollup).where(
                task_rollup.c.state == states.SUCCESS, task_rollup.c.resolution == 60
            )
        ).one()
    assert (row.runtime_sum_s, row.runtime_max_s) == (pytest.approx(0.3), pytest.approx(0.3))
    assert [row._mapping[f"r{n}"] for n in range(RUNTIME_BUCKETS)] == [
        int(n == runtime_bucket(0.3)) for n in range(RUNTIME_BUCKETS)
    ]


def test_a_task_given_up_for_lost_that_succeeds_after_all_no_longer_counts_as_lost(
    engine: sa.Engine,
) -> None:
    writer = Writer(engine)
    writer.write(Changes(tasks=[a_task(1, states.LOST, 70.0)]))
    assert counted(engine)[60, "mail", "LOST"] == 1
    writer.write(Changes(tasks=[a_task(1, states.SUCCESS, 200.0, runtime_s=130.0)]))
    assert counted(engine) == {(60, "mail", "PENDING"): 1, (180, "mail", "SUCCESS"): 1}


def test_a_task_that_runs_again_counts_again_only_when_it_ends(engine: sa.Engine) -> None:
    writer = Writer(engine)
    writer.write(Changes(tasks=[a_task(1, states.FAILURE, 70.0, runtime_s=1.0)]))
    writer.write(Changes(tasks=[a_task(1, states.RECEIVED, 75.0)]))
    assert counted(engine) == {(60, "mail", "PENDING"): 1}
    writer.write(Changes(tasks=[a_task(1, states.SUCCESS, 80.0, runtime_s=1.0)]))
    assert counted(engine) == {(60, "mail", "PENDING"): 1, (60, "mail", "SUCCESS"): 1}


@pytest.mark.parametrize("seed", range(4))
def test_counts_and_runtimes_are_those_of_the_rows(engine: sa.Engine, seed: int) -> None:
    chance, writer = random.Random(seed), Writer(engine)
    for _ in range(12):
        batch = {}
        for _ in range(chance.randint(1, 60)):
            state = chance.choice((states.RECEIVED, states.STARTED, *ENDS))
            runtime_s = chance.choice((None, chance.expovariate(0.2)))
            one = a_task(
                chance.randint(1, 80),
                state,
                chance.uniform(0.0, 9_000.0),
                name=chance.choice("ab"),
                runtime_s=runtime_s if state in states.READY else None,
            )
            batch[one.id] = one
        writer.write(Changes(tasks=list(batch.values())))
    with engine.connect() as connection:
        rows = connection.execute(sa.select(task)).all()
    for resolution in (60, 3600):
        expected: dict[tuple[int, str, str], int] = {}
        for row in rows:
            if row.finished_at is not None:
                key = (int(row.finished_at // resolution) * resolution, row.name, row.state)
                expected[key] = expected.get(key, 0) + 1
        found = counted(engine, resolution)
        assert {key: n for key, n in found.items() if key[2] != states.PENDING} == expected
        assert sum(n for key, n in found.items() if key[2] == states.PENDING) == len(rows)
    runtimes = [row.runtime_s for row in rows if row.finished_at and row.runtime_s is not None]
    wanted = [0] * RUNTIME_BUCKETS
    for runtime_s in runtimes:
        wanted[runtime_bucket(runtime_s)] += 1
    sums = [sa.func.sum(task_rollup.c[f"r{n}"]) for n in range(RUNTIME_BUCKETS)]
    with engine.connect() as connection:
        total, *found_in = connection.execute(
            sa.select(sa.func.sum(task_rollup.c.runtime_sum_s), *sums).where(
                task_rollup.c.resolution == 60
            )
        ).one()
    assert [int(n) for n in found_in] == wanted
    assert total == pytest.approx(sum(runtimes))

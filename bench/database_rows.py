"""The made-up history that `bench.database` writes and reads."""

from __future__ import annotations

import copy
import random
import time
import uuid
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import sqlalchemy as sa

from umbel_backend import states
from umbel_backend.db import migrations
from umbel_backend.db.changes import Changes
from umbel_backend.db.engine import database_url, open_engine
from umbel_backend.db.writer import Writer
from umbel_backend.records import Attempt, TaskRecord

CHUNK = 5_000
"""Tasks in a transaction: as many as the recorder writes at once when it is busy."""
FIRST_AT = 1_790_000_000.0
DAYS = 30
TRIGGERS = ("task_search_insert", "task_search_update", "task_search_delete")
TRACEBACK = (
    "Traceback (most recent call last):\n" + '  File "app/tasks.py", line 214, in run\n' * 12
)


def records(
    count: int, *, plain: bool = False, span_s: float = DAYS * 86_400
) -> Iterator[TaskRecord]:
    """Make tasks that ended one after the other, the oldest first; the same ones each time.

    Args:
        count: How many.
        plain: All succeed, without tags and attempts: rows of `tables.task` alone.
        span_s: Over how many seconds, from `FIRST_AT` on.
    """
    chance = random.Random(7)
    step_s = span_s / count
    for n in range(count):
        at = FIRST_AT + n * step_s
        task_id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        state = states.SUCCESS
        if not plain and n % 16 == 0:
            state = states.FAILURE if n % 64 else states.REVOKED
        failed = state == states.FAILURE
        runtime_s = chance.expovariate(1 / 2)
        yield TaskRecord(
            id=task_id,
            name=f"shop.{('orders', 'mail', 'media', 'orders')[n % 4]}.step_{n % 40}",
            state=state,
            state_at=at + runtime_s,
            queue=("default", "high", "reports", "default")[n % 4],
            priority=(3, 0, 9, None)[n % 4],
            worker=f"w{n % 8}@host-{n % 8}",
            args=f"('customer-{n}', {n})",
            kwargs=f"{{'feed': '{('north', 'south', 'east', 'west')[n // 3 % 4]}', 'row': {n}}}",
            args_complete=True,
            result=_result(n) if state == states.SUCCESS else None,
            exception="ConnectionError: 502 from payments.internal" if failed else None,
            traceback=TRACEBACK if failed else None,
            sent_at=at - 0.2,
            received_at=at - 0.1,
            started_at=at,
            finished_at=at + runtime_s,
            runtime_s=runtime_s,
            root_id=task_id,
            pid=7,
            attempts=() if plain or n % 50 else (Attempt(1, at - 9, at - 8, "RETRY", None, None),),
            tags={} if plain or n % 10 else {"user_id": f"u{n // 10 % 1000}"},
        )


def _result(n: int) -> str:
    word = "zebra" if n % 50_000 == 7 else "caravan" if n % 100 == 3 else "parcel"
    return f"{{'rows': {n}, 'ok': True, 'by': '{word}'}}"


def chunks(rows: Iterator[TaskRecord]) -> Iterator[list[TaskRecord]]:
    while chunk := list(islice(rows, CHUNK)):
        yield chunk


def begun(record: TaskRecord) -> TaskRecord:
    """Return ``record`` as it was while the task ran."""
    started = copy.copy(record)
    started.state, started.state_at = states.STARTED, record.started_at or 0.0
    started.result = started.finished_at = started.runtime_s = None
    return started


def new_database(path: Path, *, search: bool) -> sa.Engine:
    engine = open_engine(database_url(str(path), ""))
    migrations.upgrade(engine)
    if not search:
        with engine.begin() as connection:
            for name in TRIGGERS:
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
    return engine


def build(path: Path, count: int) -> float:
    """Make the file the reads are measured on; returns the seconds the `Writer` took."""
    engine = new_database(path, search=True)
    writer = Writer(engine)
    took_s = 0.0
    for chunk in chunks(records(count)):
        started = time.monotonic()
        writer.write(Changes(tasks=chunk))
        took_s += time.monotonic() - started
    engine.dispose()
    return took_s

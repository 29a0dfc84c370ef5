"""A writer killed in the middle leaves whole batches and an intact database."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter

import pytest
import sqlalchemy as sa

from umbel_backend.db import migrations
from umbel_backend.db.engine import open_engine
from umbel_backend.db.tables import attempt, task, task_tag

WRITE = """
import sys
import sqlalchemy as sa
from umbel_backend.db.changes import Changes
from umbel_backend.db.engine import open_engine
from umbel_backend.db.writer import Writer
from umbel_backend.records import Attempt, TaskRecord

writer = Writer(open_engine(sa.make_url(sys.argv[1])))
first = Attempt(1, 1.0, 2.0, "RETRY", "X: y", None)
for batch in range(100_000):
    writer.write(
        Changes(
            tasks=[
                TaskRecord(
                    id=f"{sys.argv[2]}-{batch}-{number}",
                    name=f"{sys.argv[2]}-{batch}",
                    state="SUCCESS",
                    state_at=float(batch),
                    finished_at=float(batch),
                    args="some words of argument text",
                    attempts=(first,),
                    tags={"user_id": str(number)},
                )
                for number in range(200)
            ]
        )
    )
    print(batch, flush=True)
"""


@pytest.mark.parametrize("seed", range(3))
def test_a_writer_killed_mid_batch_leaves_only_whole_batches(
    engine: sa.Engine, database_url: str, seed: int
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE, database_url, f"s{seed}"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for _ in range(3):
        assert process.stdout.readline()
    # Not waiting for anything: to strike at another place of a batch each time.
    time.sleep(random.Random(seed).random() * 0.03)
    process.kill()
    said = 3 + len(process.communicate()[0].splitlines())
    with engine.connect() as connection:
        names = Counter(connection.scalars(sa.select(task.c.name)))
        counts = [
            connection.scalar(sa.select(sa.func.count()).select_from(table))
            for table in (task, attempt, task_tag)
        ]
    assert set(names.values()) == {200}
    assert len(names) in (said, said + 1), "committed before it was said, or at most one more"
    assert counts == [200 * len(names)] * 3
    if engine.dialect.name == "sqlite":
        _check(str(engine.url.database).removeprefix("file:"))
    migrations.upgrade(open_engine(sa.make_url(database_url)))


def _check(path: str) -> None:
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.execute("INSERT INTO task_search (task_search, rank) VALUES ('integrity-check', 1)")
    connection.close()

"""The `Writer` against ``sqlite3.executemany``; see `bench.database`."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from bench.database_rows import begun, chunks, new_database, records
from bench.figures import Row, ratios, spread

from umbel_backend.db import sqlite_file, upsert
from umbel_backend.db.changes import Changes
from umbel_backend.db.writer import Writer
from umbel_backend.records import TaskRecord


def write_with_writer(path: Path, batches: Sequence[list[TaskRecord]], search: bool) -> float:
    """Return the CPU seconds of writing ``batches``."""
    engine = new_database(path, search=search)
    writer = Writer(engine)
    started = time.process_time()
    for batch in batches:
        writer.write(Changes(tasks=batch))
    took_s = time.process_time() - started
    engine.dispose()
    return took_s


def write_with_sqlite3(path: Path, batches: Sequence[list[TaskRecord]], search: bool) -> float:
    """Return the CPU seconds of upserting the rows of ``batches``, made beforehand."""
    new_database(path, search=search).dispose()
    connection = sqlite3.connect(path, isolation_level=None)
    sqlite_file.set_up_connection(connection, read_only=False)
    names = ", ".join(upsert.COLUMNS)
    marks = ", ".join("?" * len(upsert.COLUMNS))
    settings = ", ".join(f"{name} = excluded.{name}" for name in upsert.COLUMNS if name != "id")
    statement = (
        f"INSERT INTO task ({names}) VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET {settings}"
    )
    ready = [[upsert.row(record) for record in batch] for batch in batches]
    started = time.process_time()
    for rows in ready:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(statement, rows)
        connection.execute("COMMIT")
    took_s = time.process_time() - started
    connection.close()
    return took_s


def compare_writes(folder: Path, count: int, rounds: int) -> list[Row]:
    ended = list(chunks(records(count, plain=True)))
    batches = [[begun(record) for record in batch] for batch in ended] + ended
    rows = []
    for search in (True, False):
        ours, theirs = [], []
        for number in range(rounds):
            place = folder / f"write-{search}-{number}"
            ours.append(write_with_writer(place.with_suffix(".ours"), batches, search))
            theirs.append(write_with_sqlite3(place.with_suffix(".peer"), batches, search))
        speed = ratios(theirs, ours)
        rows.append(
            Row(
                what=f"rows/s, {'with' if search else 'without'} full text",
                ours=spread([2 * count / s for s in ours], digits=0),
                peer=spread([2 * count / s for s in theirs], digits=0),
                ratio=speed,
                bar=">= 0.8x",
                met=speed >= 0.8,
            )
        )
    return rows

"""The `Writer` against ``sqlite3.executemany``; see `bench.database`."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from bench.database_rows import DAYS, begun, chunks, new_database, records
from bench.figures import Row, ratios, spread

from umbel_backend.db import sqlite_file, upsert
from umbel_backend.db.changes import Changes
from umbel_backend.db.writer import Writer
from umbel_backend.records import TaskRecord

LIVE_RATE = 1_000
"""Tasks a second, as a recorder meets them; a batch of `CHUNK` then falls into a few minutes."""


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
    live_s, spread_s = count / LIVE_RATE, DAYS * 86_400
    return [
        compare(folder, count, rounds, search=True, span_s=live_s),
        compare(folder, count, rounds, search=False, span_s=live_s),
        compare(folder, count, rounds, search=True, span_s=spread_s),
        compare(folder, count, rounds, search=False, span_s=spread_s),
    ]


def compare(folder: Path, count: int, rounds: int, *, search: bool, span_s: float) -> Row:
    """Write ``count`` tasks that came within ``span_s`` seconds twice, begun and ended, both ways."""
    ended = list(chunks(records(count, plain=True, span_s=span_s)))
    batches = [[begun(record) for record in batch] for batch in ended] + ended
    ours, theirs = [], []
    is_live = span_s < 86_400
    for number in range(rounds):
        place = folder / f"write-{search}-{is_live}-{number}"
        ours.append(write_with_writer(place.with_suffix(".ours"), batches, search))
        theirs.append(write_with_sqlite3(place.with_suffix(".peer"), batches, search))
    speed = ratios(theirs, ours)
    when = "" if is_live else f", spread over {DAYS} days"
    return Row(
        what=f"rows/s, {'with' if search else 'without'} full text{when}",
        ours=spread([2 * count / s for s in ours], digits=0),
        peer=spread([2 * count / s for s in theirs], digits=0),
        ratio=speed,
        # Made-up times: as many counts of the roll-ups as rows, which no recorder meets.
        bar=">= 0.8x" if is_live else "",
        met=speed >= 0.8 if is_live else None,
    )

"""The database against the standard library: writes, pages, text search and export.

    python -m bench.database --rows 100000
    python -m bench.database --rows 1000000

Writes: the `Writer` against ``sqlite3.executemany`` upserts of the same rows, in transactions of the
same size into the same schema, with and without the full-text triggers on both sides. The peer gets
its tuples ready made. Each task is written twice, started and ended.
Reads: what the history screen asks, from the filter's text to the records, over a file that the
`Writer` made. ``LIKE`` looks at the same five columns.
Export: the rows of the whole file as JSON Lines and as CSV. The peer reads the same columns with
``sqlite3`` and writes them as they are with ``json`` and ``csv``, without the work on times,
arguments, attempts and formulas.
"""

from __future__ import annotations

import argparse
import copy
import csv
import json
import random
import sqlite3
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import sqlalchemy as sa
from bench.figures import Row, print_rows, ratios, spread

from umbel_backend import states
from umbel_backend.db import migrations, sqlite_file, upsert
from umbel_backend.db.changes import Changes
from umbel_backend.db.engine import database_url, open_engine
from umbel_backend.db.export import stream_tasks
from umbel_backend.db.query import run
from umbel_backend.db.statements import tasks
from umbel_backend.db.statements.tasks import Cursor
from umbel_backend.db.tables import task
from umbel_backend.db.writer import Writer
from umbel_backend.export import encode_tasks
from umbel_backend.filters import Filter, parse
from umbel_backend.filters.sql import match_counts, to_sql
from umbel_backend.records import Attempt, TaskRecord

CHUNK = 5_000
"""Tasks in a transaction: as many as the recorder writes at once when it is busy."""
PAGE = 20
DAYS = 30
REPEATS = 7
TRIGGERS = ("task_search_insert", "task_search_update", "task_search_delete")
TRACEBACK = (
    "Traceback (most recent call last):\n" + '  File "app/tasks.py", line 214, in run\n' * 12
)

FILTERS = (
    "",
    "state:FAILURE",
    "name:shop.orders.step_0",
    "name:shop.mail.*",
    "queue:high worker:w1@host-1",
    "queue:high worker:w3@host-3",
    "tag.user_id:u17",
    "exc:ConnectionError since:20d",
    "runtime:>8",
    "state:SUCCESS runtime:>8 queue:reports",
)
SEARCHES = (
    ("rare word", "zebra"),
    ("word of 1 in 100", "caravan"),
    ("word of 1 in 4", "north"),
    ("word of all", "customer"),
    ("absent word", "unicorn"),
)


def records(count: int, *, plain: bool = False) -> Iterator[TaskRecord]:
    """Make tasks that ended in the last days, the oldest first; the same ones each time.

    Args:
        count: How many.
        plain: All succeed, without tags and attempts: rows of `tables.task` alone.
    """
    chance = random.Random(7)
    first = 1_790_000_000.0
    step_s = DAYS * 86_400 / count
    for n in range(count):
        at = first + n * step_s
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


# Writes


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


# Reads


def condition(engine: sa.Engine, chosen: Filter, *, counting: bool = False) -> tasks.Where:
    """Return what the history screen asks for, after the question it puts first for a page."""
    if chosen.is_empty:
        return tasks.EVERY
    statement = None if counting else match_counts(chosen, dialect="sqlite")
    counts = None
    if statement is not None:
        with engine.connect() as connection:
            counts = tuple(connection.execute(statement).one())
    return to_sql(chosen, now=1_790_000_000.0 + DAYS * 86_400, dialect="sqlite", counts=counts)


def page_ms(engine: sa.Engine, text: str, before: Cursor | None) -> list[float]:
    def page() -> object:
        where = condition(engine, parse(text))
        return run(engine, tasks.page(where, before=before, limit=PAGE))

    return timed_ms(page)


def count_ms(engine: sa.Engine, text: str) -> list[float]:
    def count() -> object:
        return run(engine, tasks.count_capped(condition(engine, parse(text), counting=True)))

    return timed_ms(count)


def timed_ms(call: Callable[[], object]) -> list[float]:
    took = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        call()
        took.append((time.perf_counter() - started) * 1000)
    return took


def cursors(engine: sa.Engine, text: str) -> tuple[int, list[Cursor | None]]:
    """Return how many tasks ``text`` matches, and places at the top, half way and near the end."""
    where = condition(engine, parse(text))
    places: list[Cursor | None] = [None]
    with engine.connect() as connection:
        count = connection.scalar(sa.select(sa.func.count()).select_from(task).where(where)) or 0
        for share in (0.5, 0.95):
            statement = (
                sa.select(task.c.state_at, task.c.n)
                .where(where)
                .order_by(task.c.state_at.desc(), task.c.n.desc())
                .offset(int(count * share))
                .limit(1)
            )
            row = connection.execute(statement).first()
            if row is not None:
                places.append(Cursor(row.state_at, row.n))
    return count, places


def compare_pages(engine: sa.Engine) -> list[Row]:
    rows = []
    for text in FILTERS:
        found, places = cursors(engine, text)
        pages = [statistics.median(page_ms(engine, text, place)) for place in places]
        counted = statistics.median(count_ms(engine, text))
        shown = " / ".join(f"{ms:.1f}" for ms in pages)
        rows.append(
            Row(
                what=f"{text or '(all)'}: {found:,} rows, page at 0 / 50 / 95 %",
                ours=f"{shown} ms",
                bar="< 20 ms",
                met=max(pages) < 20,
            )
        )
        rows.append(Row(what="    capped count", ours=f"{counted:.1f} ms"))
    return rows


LIKE = " OR ".join(f"{name} LIKE ?" for name in ("name", "args", "kwargs", "result", "exception"))


def compare_search(engine: sa.Engine, path: Path) -> list[Row]:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
    sqlite_file.set_up_connection(connection, read_only=True)
    rows = []
    for label, word in SEARCHES:
        page = f"SELECT * FROM task WHERE {LIKE} ORDER BY state_at DESC, n DESC LIMIT {PAGE + 1}"
        capped = f"SELECT count(*) FROM (SELECT 1 FROM task WHERE {LIKE} LIMIT 10001)"
        for what, ours, statement in (
            ("page", page_ms(engine, word, None), page),
            ("count", count_ms(engine, word), capped),
        ):
            theirs = timed_ms(partial(fetch, connection, statement, [f"%{word}%"] * 5))
            ratio = statistics.median(ours) / statistics.median(theirs)
            rows.append(
                Row(
                    what=f"{label}, {what}",
                    ours=spread(ours, " ms"),
                    peer=spread(theirs, " ms"),
                    ratio=ratio,
                    bar="< 200 ms, <= 0.05x LIKE",
                    met=statistics.median(ours) < 200 and ratio <= 0.05,
                )
            )
    connection.close()
    return rows


def fetch(connection: sqlite3.Connection, statement: str, values: Sequence[str]) -> object:
    return connection.execute(statement, values).fetchall()


# Export


@dataclass(frozen=True, slots=True)
class Took:
    """What one run took."""

    wall_s: float
    cpu_s: float


@contextmanager
def clock(into: list[Took], per: float) -> Iterator[None]:
    """Measure the block, scaled by ``per``, and add it to ``into``."""
    wall, cpu = time.monotonic(), time.process_time()
    yield
    into.append(Took((time.monotonic() - wall) * per, (time.process_time() - cpu) * per))


def export_ours(engine: sa.Engine, target: Path, format: str) -> None:
    with target.open("wb") as file:
        for block in encode_tasks(stream_tasks(engine, tasks.EVERY), format):
            file.write(block)


def export_stdlib(path: Path, target: Path, format: str) -> None:
    names = [column.name for column in task.columns]
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    found = connection.execute(f"SELECT {', '.join(names)} FROM task ORDER BY n")
    with target.open("w", encoding="utf-8", newline="") as file:
        if format == "csv":
            writer = csv.writer(file)
            writer.writerow(names)
            writer.writerows(found)
        else:
            for row in found:
                file.write(json.dumps(dict(zip(names, row, strict=True))) + "\n")
    connection.close()


def compare_export(engine: sa.Engine, path: Path, count: int, rounds: int) -> list[Row]:
    rows = []
    for format, limit_s in (("jsonl", 8.0), ("csv", 15.0)):
        target = path.with_suffix(f".{format}")
        ours: list[Took] = []
        theirs: list[Took] = []
        for _ in range(rounds):
            with clock(ours, 1e6 / count):
                export_ours(engine, target, format)
            with clock(theirs, 1e6 / count):
                export_stdlib(path, target, format)
        target.unlink()
        rows.append(
            Row(
                what=f"{format}, wall time per million",
                ours=spread([took.wall_s for took in ours], " s"),
                peer=spread([took.wall_s for took in theirs], " s"),
                ratio=ratios([took.wall_s for took in ours], [took.wall_s for took in theirs]),
                bar=f"< {limit_s:.0f} s",
                met=statistics.median(took.wall_s for took in ours) < limit_s,
            )
        )
        rows.append(
            Row(
                what=f"{format}, CPU per million",
                ours=spread([took.cpu_s for took in ours], " s"),
                peer=spread([took.cpu_s for took in theirs], " s"),
                ratio=ratios([took.cpu_s for took in ours], [took.cpu_s for took in theirs]),
            )
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000, help="size of the history read")
    parser.add_argument(
        "--writes", type=int, default=50_000, help="tasks of the writing comparison"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("writes", "reads", "export"))
    parser.add_argument("--folder", type=Path, help="keeps the file, and takes the one it finds")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        if options.only in (None, "writes"):
            rows = compare_writes(Path(scratch), options.writes, options.rounds)
            print_rows(f"Writer / sqlite3.executemany, {options.writes:,} tasks twice, CPU", rows)
        if options.only == "writes":
            return
        folder = options.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"history-{options.rows}.db"
        if not path.exists():
            took_s = build(path, options.rows)
            speed = options.rows / took_s
            print(f"\n{options.rows:,} tasks written in {took_s:.1f} s ({speed:,.0f}/s, full text)")
        print(f"file of {options.rows:,} tasks: {path.stat().st_size / 2**20:,.0f} MiB")
        engine = open_engine(database_url(str(path), ""), read_only=True)
        if options.only in (None, "reads"):
            print_rows(f"Pages of {PAGE} at {options.rows:,} rows", compare_pages(engine))
            print_rows(f"Text search / LIKE at {options.rows:,} rows", compare_search(engine, path))
        if options.only in (None, "export"):
            rows = compare_export(engine, path, options.rows, options.rounds)
            print_rows(f"Export of {options.rows:,} rows / sqlite3 with json and csv", rows)
        engine.dispose()


if __name__ == "__main__":
    main()

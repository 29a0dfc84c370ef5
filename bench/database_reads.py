"""Pages, counts and text search of the history screen; see `bench.database`."""

from __future__ import annotations

import sqlite3
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from bench.database_rows import DAYS, FIRST_AT
from bench.figures import Row, spread

from umbel_backend.db import sqlite_file
from umbel_backend.db.query import run
from umbel_backend.db.statements import tasks
from umbel_backend.db.statements.tasks import Cursor
from umbel_backend.db.tables import task
from umbel_backend.filters import Filter, parse
from umbel_backend.filters.sql import match_counts, to_sql

PAGE = 20
COUNTED = 10_000
REPEATS = 7
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


def condition(
    engine: sa.Engine, chosen: Filter, *, start: float | None = None, cap: int | None = None
) -> tasks.Where:
    """Return what the history screen asks for, after the question it puts first."""
    if chosen.is_empty:
        return tasks.EVERY
    statement = match_counts(chosen, dialect="sqlite")
    counts = None
    if statement is not None:
        with engine.connect() as connection:
            counts = tuple(connection.execute(statement).one())
    now = FIRST_AT + DAYS * 86_400
    return to_sql(chosen, now=now, dialect="sqlite", counts=counts, start=start, cap=cap)


def page_ms(engine: sa.Engine, text: str, before: Cursor | None) -> list[float]:
    def page() -> object:
        start = None if before is None else before.state_at
        where = condition(engine, parse(text), start=start)
        return run(engine, tasks.page(where, before=before, limit=PAGE))

    return timed_ms(page)


def count_ms(engine: sa.Engine, text: str) -> list[float]:
    def count() -> object:
        where = condition(engine, parse(text), cap=COUNTED)
        return run(engine, tasks.count_capped(where, COUNTED))

    return timed_ms(count)


def timed_ms(call: Callable[[], object]) -> list[float]:
    """Return the CPU time of each call: what else the machine does would be most of the other."""
    took = []
    for _ in range(REPEATS):
        started = time.thread_time()
        call()
        took.append((time.thread_time() - started) * 1000)
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

"""The one road into the history: the recorder's changes, a transaction at a time."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import DataError, IntegrityError

from umbel_backend.db import tables, upsert
from umbel_backend.db.changes import Changes, Fence, QueueSample, RollupIncrement
from umbel_backend.db.failures import translated
from umbel_backend.db.rollup import RollupBuffer
from umbel_backend.db.row_counts import RowCounts
from umbel_backend.db.storable import storable
from umbel_backend.db.transaction import writing
from umbel_backend.errors import LeaseLost
from umbel_backend.records import Gap, KeptMessage, LogLine, TaskRecord, WorkerRecord

Values = tuple[Any, ...]

_encode = msgspec.json.Encoder().encode


class Writer:
    """Writes `Changes`; keep one for as long as the engine lives.

    Not for use by several threads at once.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._sql = _SQLITE if engine.dialect.name == "sqlite" else _POSTGRESQL
        self._stage = (
            self._stage_sqlite if engine.dialect.name == "sqlite" else self._stage_postgresql
        )

    def write(self, changes: Changes) -> None:
        """Write all of ``changes`` in one transaction.

        A task whose texts or numbers the database cannot hold is written with them escaped or
        left out.

        Raises:
            LeaseLost: The lease of ``changes.fence`` has another holder; nothing was written.
            DatabaseUnavailable: The database failed; nothing was written.
        """
        try:
            self._write(changes, changes.tasks)
        except (UnicodeError, OverflowError, DataError, IntegrityError, _Refused):
            self._write(changes, [storable(record) for record in changes.tasks])

    def _write(self, changes: Changes, tasks: Sequence[TaskRecord]) -> None:
        with writing(self._engine) as connection:
            if changes.fence:
                self._check(connection, changes.fence)
            if tasks:
                self._write_tasks(connection, tasks)
            sql = self._sql
            _many(connection, sql.gap, map(_gap_row, changes.gaps))
            _many(connection, sql.worker, map(_worker_row, changes.workers))
            _many(connection, sql.worker_sample, map(_worker_sample_row, changes.worker_samples))
            _many(connection, sql.queue_sample, map(_queue_sample_row, changes.queue_samples))
            self._add_up(connection, changes.rollups)
            _many(connection, sql.log, map(_log_row, changes.logs))
            _many(connection, sql.message, map(_message_row, changes.messages))

    def _check(self, connection: sa.Connection, fence: Fence) -> None:
        held = connection.exec_driver_sql(self._sql.fence, (fence.lease,)).first()
        if held is None or held.epoch != fence.epoch or not held.holder:
            holder = held.holder if held and held.holder else "nobody"
            raise LeaseLost(
                f"The lease {fence.lease!r} is held by {holder} now, so nothing was written."
            )

    def _write_tasks(self, connection: sa.Connection, tasks: Sequence[TaskRecord]) -> None:
        sql = self._sql
        connection.exec_driver_sql(sql.make_staged)
        self._stage(connection, tasks)
        counts = RollupBuffer()
        known = sql.row_counts.before(connection, tasks, counts)
        connection.exec_driver_sql(sql.merge)
        sql.row_counts.after(connection, known, counts)
        self._add_up(connection, counts.drain())
        if any(record.tags for record in tasks):
            connection.exec_driver_sql(sql.tags)
        _many(connection, sql.attempt, _attempt_rows(tasks))
        if sql.empty_staged:
            connection.exec_driver_sql(sql.empty_staged)

    def _add_up(self, connection: sa.Connection, increments: Iterable[RollupIncrement]) -> None:
        rows = list(map(_rollup_row, increments))
        if self._sql.rollup_many:
            rows = _by_the_hundred(connection, self._sql.rollup_many, rows, _ROLLUPS_ADDED)
        _many(connection, self._sql.rollup, rows)

    def _stage_sqlite(self, connection: sa.Connection, tasks: Sequence[TaskRecord]) -> None:
        """Stage many rows a statement, for the driver lets go of the interpreter at each.

        Whoever reads events meanwhile takes it, and gives it back as late as after 5 ms.
        """
        rows = list(map(upsert.sqlite_row, tasks))
        left = _by_the_hundred(connection, self._sql.stage_many, rows, _ROWS_STAGED)
        _many(connection, self._sql.stage, left)

    def _stage_postgresql(self, connection: sa.Connection, tasks: Sequence[TaskRecord]) -> None:
        driver = connection.connection.driver_connection
        assert driver is not None
        refused = connection.dialect.loaded_dbapi.DataError
        with translated(self._engine.url), driver.cursor() as cursor:
            try:
                with cursor.copy(self._sql.stage) as copy:
                    for record in tasks:
                        copy.write_row(upsert.row(record))
            except refused as error:
                raise _Refused from error


class _Refused(Exception):
    """PostgreSQL cannot hold a value of the rows it was sent."""


def _by_the_hundred(
    connection: sa.Connection, statement: str, rows: list[Values], count: int
) -> list[Values]:
    """Run a ``statement`` of ``count`` rows for as many as there are; returns the rest."""
    whole = len(rows) - len(rows) % count
    for first in range(0, whole, count):
        values = tuple(chain.from_iterable(rows[first : first + count]))
        connection.exec_driver_sql(statement, values)
    return rows[whole:]


def _many(connection: sa.Connection, statement: str, rows: Iterable[Values]) -> None:
    values = list(rows)
    if values:
        connection.exec_driver_sql(statement, values)


def _attempt_rows(tasks: Sequence[TaskRecord]) -> list[Values]:
    return [
        (
            one.number,
            one.started_at,
            one.ended_at,
            one.outcome,
            one.exception,
            one.worker,
            one.policy,
            one.delay_s,
            record.id,
        )
        for record in tasks
        for one in record.attempts
    ]


def _gap_row(gap: Gap) -> Values:
    return (gap.source, gap.started_at, gap.ended_at, gap.reason, gap.events_lost)


def _worker_row(record: WorkerRecord) -> Values:
    return (
        record.hostname,
        record.status,
        record.pid,
        record.started_at,
        record.stopped_at,
        record.heartbeat_at,
        _encode(record).decode(),
    )


_worker_sample_row = attrgetter(*tables.worker_sample.c.keys())


def _queue_sample_row(sample: QueueSample) -> Values:
    return (
        sample.name,
        sample.at,
        sample.ready,
        _encode(sample.by_priority).decode(),
        sample.unacked,
        sample.consumers,
        sample.in_rate,
        sample.out_rate,
        sample.oldest_age_s,
    )


def _rollup_row(increment: RollupIncrement) -> Values:
    return (
        increment.resolution,
        increment.bucket_at,
        increment.name,
        increment.state,
        increment.count,
        increment.runtime_sum_s,
        increment.runtime_max_s,
        *increment.runtimes,
    )


def _log_row(one: tuple[str, LogLine]) -> Values:
    task_id, line = one
    return (
        task_id,
        line.at,
        line.level,
        line.logger,
        line.text,
        line.stream_id,
        line.position,
        line.retries,
        line.pid,
    )


def _message_row(message: KeptMessage) -> Values:
    body = message.body
    return (
        message.id,
        message.kept_at,
        None if body is None else zlib.compress(body, _COMPRESSION),
        json.dumps(message.headers),
        json.dumps(message.properties),
        message.content_type,
        message.content_encoding,
        message.size_bytes,
        message.withheld,
        message.sealed,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Statements:
    """Driver-level SQL, built once."""

    fence: str
    make_staged: str
    stage: str
    stage_many: str
    """Stages `_ROWS_STAGED` rows; on PostgreSQL the same as ``stage``."""
    merge: str
    empty_staged: str | None
    tags: str
    attempt: str
    gap: str
    worker: str
    worker_sample: str
    queue_sample: str
    rollup: str
    rollup_many: str | None
    """Adds `_ROLLUPS_ADDED` rows; None where the driver sends many at once by itself."""
    row_counts: RowCounts
    log: str
    message: str


_COMPRESSION = 1
"""Of zlib: a fifth of the time of its usual level, for a tenth more of bytes."""
_STAGED = "staged_task"
# SQLite took no more than 999 parameters before 3.32, and takes 32,766 since.
_ROWS_STAGED = 200 if sqlite3.sqlite_version_info >= (3, 32) else 999 // len(upsert.COLUMNS)
_ROLLUPS_ADDED = 30
_FENCE = "SELECT holder, epoch FROM lease WHERE name = ?"
_ATTEMPT = """
INSERT INTO attempt
    (number, started_at, ended_at, outcome, exception, worker, policy, delay_s, task_n)
SELECT CAST(? AS INTEGER), CAST(? AS DOUBLE PRECISION), CAST(? AS DOUBLE PRECISION),
    CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT),
    CAST(? AS DOUBLE PRECISION), n
FROM task WHERE id = ?
ON CONFLICT (task_n, number) DO UPDATE SET started_at = excluded.started_at,
    ended_at = excluded.ended_at, outcome = excluded.outcome, exception = excluded.exception,
    worker = excluded.worker, policy = excluded.policy, delay_s = excluded.delay_s
"""
_LOG = """
INSERT INTO task_log (task, at, level, logger, text, stream_id, position, retries, pid)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (stream_id, position) DO NOTHING
"""
_MESSAGE_WINS = """
WHERE task_message.body IS NULL
    OR (excluded.body IS NOT NULL AND excluded.kept_at >= task_message.kept_at)
"""
_TAGS = """
INSERT INTO task_tag (task_n, key, value)
SELECT task.n, tag.key, tag.value
FROM {staged} AS staged JOIN task ON task.id = staged.id, {each} AS tag
WHERE staged.tags IS NOT NULL
ON CONFLICT (task_n, key) DO UPDATE SET value = excluded.value
WHERE task_tag.value <> excluded.value
"""


def _upsert(
    table: sa.Table,
    keys: Sequence[str],
    set_to: Callable[[str, str], str] | None = None,
    rows: int = 1,
) -> str:
    """Return an insert of all columns but a serial ``n`` that overwrites the row of the same keys."""
    names = [column.name for column in table.columns if column.name != "n"]
    value = set_to or (lambda _table, name: f"excluded.{name}")
    settings = ", ".join(
        f"{name} = {value(table.name, name)}" for name in names if name not in keys
    )
    marks = ", ".join("?" * len(names))
    return (
        f"INSERT INTO {table.name} ({', '.join(names)}) VALUES {', '.join([f'({marks})'] * rows)}"
        f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {settings}"
    )


def _add(table: str, name: str, greatest: str) -> str:
    if name == "runtime_max_s":
        return (
            f"{greatest}(coalesce(excluded.{name}, {table}.{name}),"
            f" coalesce({table}.{name}, excluded.{name}))"
        )
    return f"{table}.{name} + excluded.{name}"


def _statements(*, sqlite: bool) -> _Statements:
    greatest = "max" if sqlite else "greatest"
    names = ", ".join(upsert.COLUMNS)

    def marked(text: str) -> str:
        return text if sqlite else text.replace("?", "%s")

    if sqlite:
        make_staged = f"CREATE TEMP TABLE IF NOT EXISTS {_STAGED} ({names})"
        marks = f"({', '.join('?' * len(upsert.COLUMNS))})"
        stage = f"INSERT INTO {_STAGED} VALUES {marks}"
        stage_many = f"INSERT INTO {_STAGED} VALUES {', '.join([marks] * _ROWS_STAGED)}"
    else:
        make_staged = (
            f"CREATE TEMP TABLE IF NOT EXISTS {_STAGED} ON COMMIT DELETE ROWS"
            f" AS SELECT {names} FROM task WITH NO DATA"
        )
        stage = stage_many = f"COPY {_STAGED} ({names}) FROM STDIN"

    def rollup(rows: int) -> str:
        keys = ("resolution", "bucket_at", "name", "state")
        return _upsert(tables.task_rollup, keys, partial(_add, greatest=greatest), rows)

    each = "json_each(staged.tags)" if sqlite else "jsonb_each_text(CAST(staged.tags AS jsonb))"
    return _Statements(
        # A takeover waits for this transaction, so whoever passes the check also commits in time.
        fence=marked(_FENCE if sqlite else f"{_FENCE} FOR SHARE"),
        make_staged=make_staged,
        stage=stage,
        stage_many=stage_many,
        merge=upsert.merge_staged(_STAGED, greatest),
        empty_staged=f"DELETE FROM {_STAGED}" if sqlite else None,
        tags=_TAGS.format(staged=_STAGED, each=each),
        attempt=marked(_ATTEMPT),
        gap=marked(_upsert(tables.gap, ("source", "started_at"))),
        worker=marked(_upsert(tables.worker, ("hostname",))),
        worker_sample=marked(_upsert(tables.worker_sample, ("hostname", "at"))),
        queue_sample=marked(_upsert(tables.queue_sample, ("name", "at"))),
        rollup=marked(rollup(1)),
        rollup_many=rollup(_ROLLUPS_ADDED) if sqlite else None,
        row_counts=RowCounts(_STAGED, sqlite=sqlite),
        log=marked(_LOG),
        message=marked(_upsert(tables.task_message, ("task",)) + _MESSAGE_WINS),
    )


_SQLITE = _statements(sqlite=True)
_POSTGRESQL = _statements(sqlite=False)

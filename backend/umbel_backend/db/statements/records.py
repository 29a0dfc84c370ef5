"""From rows back to complete `TaskRecord`s: the task's own row, its attempts, its retries."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from umbel_backend.db.query import Rows
from umbel_backend.db.tables import attempt, task
from umbel_backend.records import Attempt, Progress, TaskRecord

# Booleans are read as numbers: SQLAlchemy would convert each value of each row in Python.
_FLAGS = ("args_exact", "args_complete", "result_exact", "acks_late")
COLUMNS = tuple(
    sa.type_coerce(column, sa.Integer).label(column.name) if column.name in _FLAGS else column
    for column in task.columns
)
"""What to select for `record`, in its order."""

_encode = msgspec.json.Encoder().encode
_progress = msgspec.json.Decoder(Progress).decode
_tags = msgspec.json.Decoder(dict[str, str]).decode


def record(row: Sequence[Any]) -> TaskRecord:
    """Return the record of a row of `COLUMNS`, still without attempts and retries."""
    (
        _n, id_, name, state, state_at, queue, priority, worker, args, kwargs, args_exact,
        args_complete, result, result_exact, exception, traceback, sent_at, received_at,
        started_at, finished_at, runtime_s, retries, root_id, parent_id, group_id, retry_of, eta,
        expires, pid, progress, paused_how, _attempts, tags, acks_late,
    ) = row  # fmt: skip
    return TaskRecord(
        id=id_,
        name=name,
        state=state,
        state_at=state_at,
        queue=queue,
        priority=priority,
        worker=worker,
        args=args,
        kwargs=kwargs,
        args_exact=bool(args_exact),
        args_complete=bool(args_complete),
        result=result,
        result_exact=bool(result_exact),
        exception=exception,
        traceback=traceback,
        sent_at=sent_at,
        received_at=received_at,
        started_at=started_at,
        finished_at=finished_at,
        runtime_s=runtime_s,
        retries=retries,
        root_id=root_id,
        parent_id=parent_id,
        group_id=group_id,
        retry_of=retry_of,
        eta=eta,
        expires=expires,
        pid=pid,
        progress=_progress(progress) if progress else None,
        paused_how=paused_how,
        tags=_tags(tags) if tags else {},
        acks_late=None if acks_late is None else bool(acks_late),
    )


def complete(
    rows: Rows, dialect: str, *, with_retries: bool = True
) -> Generator[sa.Executable, Rows, list[TaskRecord]]:
    """Return the records of ``rows``, with attempts and retries read by further statements.

    ``with_retries`` false spares the search for retries when it is known that there are none.
    """
    records = [record(row) for row in rows]
    numbers = [row.n for row in rows if row.attempts]
    if numbers:
        attempts = yield _attempts_of(numbers, dialect)
        _add_attempts(rows, records, attempts)
    if records and with_retries:
        retries = yield _retries_of([one.id for one in records], dialect)
        add_retries(records, retries)
    return records


def add_retries(records: Iterable[TaskRecord], retries: Iterable[Sequence[Any]]) -> None:
    """Set ``retried_as`` of ``records`` from rows of (original's id, retry's id)."""
    found: dict[str, list[str]] = {}
    for original, retry in retries:
        found.setdefault(original, []).append(retry)
    if found:
        for one in records:
            one.retried_as = tuple(found.get(one.id, ()))


def _add_attempts(rows: Rows, records: Sequence[TaskRecord], attempts: Rows) -> None:
    found: dict[int, list[Attempt]] = {}
    for number, *values in attempts:
        found.setdefault(number, []).append(Attempt(*values))
    for row, one in zip(rows, records, strict=True):
        if row.attempts:
            one.attempts = tuple(found.get(row.n, ()))


def among(
    column: sa.ColumnElement[Any], values: Sequence[int] | Sequence[str], dialect: str
) -> sa.ColumnElement[bool]:
    """Return that ``column`` is one of ``values``, as one parameter however many there are."""
    if dialect == "sqlite":
        listed = sa.func.json_each(_encode(values).decode()).table_valued("value")
        return column.in_(sa.select(listed.c.value))
    return column == sa.any_(sa.literal(list(values), postgresql.ARRAY(column.type)))


def _attempts_of(numbers: Sequence[int], dialect: str) -> sa.Select[Any]:
    return (
        sa.select(*attempt.columns)
        .where(among(attempt.c.task_n, numbers, dialect))
        .order_by(attempt.c.task_n, attempt.c.number)
    )


def _retries_of(ids: Sequence[str], dialect: str) -> sa.Select[Any]:
    return (
        sa.select(task.c.retry_of, task.c.id)
        .where(among(task.c.retry_of, ids, dialect))
        .order_by(task.c.n)
    )

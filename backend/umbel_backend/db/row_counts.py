"""Counts the task rows that a batch changes, so that the roll-ups are always sums over the rows.

Every row counts once as PENDING, in the minute in which its task was first seen, and once as it ended,
in the minute of its end. A row that changes its end, or has none any more, is counted anew: a task that
was given up for LOST and then succeeded, or that ran a second time.

A row that is new becomes what the batch says, so that only rows that were there are looked at in the
database. What they hold comes as one JSON text: the driver lets go of the interpreter at every row that
is fetched, and a thread that reads events takes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from umbel_backend import states
from umbel_backend.db.rollup import MINUTE_S, RUNTIME_BOUNDS_S, RollupBuffer
from umbel_backend.records import TaskRecord

_Row = tuple[str, int | None, str, str, int | None, float | None]
"""Of a task that is there: id, minute of its end (None without one), name, state, number of its runtime's
bucket, runtime."""

_decode = msgspec.json.Decoder(list[_Row]).decode
_encode = msgspec.json.Encoder().encode


class RowCounts:
    """What a batch changes in the counts: `before` it is merged, `after` it was.

    Args:
        staged: The table that holds the batch.
        sqlite: Whether the database is SQLite.
    """

    def __init__(self, staged: str, *, sqlite: bool) -> None:
        rows = _rows_as_json(sqlite)
        # The order of a CROSS JOIN is kept by SQLite, which else may walk through all tasks.
        self._known = f"SELECT {rows} FROM {staged} AS s CROSS JOIN task AS t WHERE t.id = s.id"
        if sqlite:
            named = "json_each(?) AS s CROSS JOIN task AS t WHERE t.id = s.value"
        else:
            named = "json_array_elements_text(CAST(%s AS json)) AS s (value) JOIN task AS t"
            named += " ON t.id = s.value"
        self._of_known = f"SELECT {rows} FROM {named}"

    def before(
        self, connection: sa.Connection, tasks: Iterable[TaskRecord], counts: RollupBuffer
    ) -> list[str]:
        """Count the tasks that are new, and take back the ends that may change.

        Returns:
            The ids of those that are not new.
        """
        known = []
        for task_id, minute, name, state, bucket, runtime_s in _read(connection, self._known):
            known.append(task_id)
            if minute is not None:
                at, back_s = minute * MINUTE_S, -(runtime_s or 0.0)
                counts.add_rows(at, name, state, -1, bucket, back_s)
        _count_new(tasks, frozenset(known), counts)
        return known

    def after(self, connection: sa.Connection, known: Sequence[str], counts: RollupBuffer) -> None:
        """Count the ends of the tasks that were ``known`` as they are now."""
        if not known:
            return
        rows = _read(connection, self._of_known, (_encode(known).decode(),))
        for _id, minute, name, state, bucket, runtime_s in rows:
            if minute is not None:
                at = minute * MINUTE_S
                counts.add_rows(at, name, state, 1, bucket, runtime_s or 0.0, runtime_s)


def _count_new(tasks: Iterable[TaskRecord], known: frozenset[str], counts: RollupBuffer) -> None:
    """Count those of ``tasks`` that are not ``known``: as first seen, and as they ended."""
    first_seen: dict[tuple[int, str], int] = {}
    for record in tasks:
        if record.id in known:
            continue
        at = record.sent_at
        if at is None:
            at = record.state_at if record.received_at is None else record.received_at
        key = (int(at // MINUTE_S), record.name)
        first_seen[key] = first_seen.get(key, 0) + 1
        if record.finished_at is not None:
            counts.add(record.name, record.state, record.finished_at, record.runtime_s)
    for (minute, name), count in first_seen.items():
        counts.add_rows(minute * MINUTE_S, name, states.PENDING, count)


def _read(connection: sa.Connection, statement: str, values: tuple[Any, ...] = ()) -> list[_Row]:
    found = connection.exec_driver_sql(statement, values).scalar()
    if found is None:
        return []
    return _decode(found)


def _rows_as_json(sqlite: bool) -> str:
    """Return SQL for the `_Row` of every task ``t`` as one text.

    Minute and bucket are counted here, as JSON cuts the numbers they depend on.
    """
    bounds = " ".join(
        f"WHEN t.runtime_s <= {bound!r} THEN {number}"
        for number, bound in enumerate(RUNTIME_BOUNDS_S)
    )
    bucket = f"CASE WHEN t.runtime_s IS NULL THEN NULL {bounds} ELSE {len(RUNTIME_BOUNDS_S)} END"
    # Not floor() on SQLite: SQLAlchemy puts Python's in its place, which is called for every row.
    minutes = f"t.finished_at / {MINUTE_S}"
    minute = f"CAST({minutes} AS INTEGER)" if sqlite else f"CAST(floor({minutes}) AS BIGINT)"
    columns = f"t.id, {minute}, t.name, t.state, {bucket}, t.runtime_s"
    if sqlite:
        return f"json_group_array(json_array({columns}))"
    return f"CAST(json_agg(json_build_array({columns})) AS text)"

"""Reads results that Celery keeps in a database, by a SELECT of its own.

Celery's own backend is not used: older versions unpickle the value as they read the row.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from umbel_backend.broker.answers import text, whole
from umbel_backend.broker.reasons import why
from umbel_backend.broker.result_meta import (
    TOO_LARGE,
    TaskResult,
    json_text,
    long_text,
    value_of,
)
from umbel_backend.broker.results import ResultsUnavailable
from umbel_backend.broker.urls import mask_url, secrets_in
from umbel_backend.events.text import clean

_TABLE = "celery_taskmeta"
_BATCH = 200
_WHOLE_BYTES = 65_536
_BASIC = ["task_id", "status", "result", "date_done", "traceback"]
_EXTENDED = ["name", "args", "kwargs", "worker", "retries", "queue"]
_CONNECT_ARGS: dict[str, dict[str, Any]] = {
    "sqlite": {"timeout": 3},
    "psycopg": {"connect_timeout": 3, "options": "-c statement_timeout=5000"},
    "psycopg2": {"connect_timeout": 3, "options": "-c statement_timeout=5000"},
    "mysqldb": {"connect_timeout": 3, "read_timeout": 5},
    "pymysql": {"connect_timeout": 3, "read_timeout": 5},
}


class DatabaseResults:
    """Reads Celery's table ``celery_taskmeta``; changes nothing and creates nothing."""

    def __init__(self, url: str) -> None:
        self.url = mask_url(url)
        self._secrets = secrets_in(url)
        self._url = url.partition("+")[2]
        self._engine: sa.Engine | None = None
        self._columns: list[str] = []

    def read(self, ids: Collection[str]) -> dict[str, TaskResult]:
        """Read in batches; see `Results.read`."""
        wanted = list(ids)
        found: dict[str, TaskResult] = {}
        try:
            with self._open().connect() as connection:
                for start in range(0, len(wanted), _BATCH):
                    for row in connection.execute(self._select(wanted[start : start + _BATCH])):
                        result = _result_of(row._mapping)
                        found[result.id] = result
        except (sa.exc.SQLAlchemyError, OSError, ImportError) as error:
            self.close()
            reason = why(error, self._secrets)
            raise ResultsUnavailable(
                f"The result backend {self.url} cannot be read: {reason}."
            ) from None
        return found

    def close(self) -> None:
        """Close the connections."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()

    def _open(self) -> sa.Engine:
        if self._engine is not None:
            return self._engine
        url = sa.make_url(self._url)
        backend, file = url.get_backend_name(), url.database
        if backend == "sqlite" and file and not Path(file).exists():
            # Connecting would create it.
            raise FileNotFoundError(f"No such file: {file}")
        arguments = _CONNECT_ARGS.get(
            "sqlite" if backend == "sqlite" else url.get_driver_name(), {}
        )
        engine = sa.create_engine(url, connect_args=arguments, pool_size=1, max_overflow=2)
        there = {column["name"] for column in sa.inspect(engine).get_columns(_TABLE)}
        self._columns = [name for name in (*_BASIC, *_EXTENDED) if name in there]
        self._engine = engine
        return engine

    def _select(self, ids: list[str]) -> sa.Select[Any]:
        large = {"result": sa.LargeBinary, "args": sa.LargeBinary, "kwargs": sa.LargeBinary}
        types: dict[str, Any] = {**large, "date_done": sa.DateTime, "retries": sa.Integer}
        table = sa.table(
            _TABLE, *(sa.column(name, types.get(name, sa.String)) for name in self._columns)
        )
        shown: list[sa.ColumnElement[Any]] = []
        for column in table.c:
            if column.name in large:
                fits = sa.func.length(column) <= _WHOLE_BYTES
                shown.append(sa.case((fits, column), else_=sa.null()).label(column.name))
                shown.append(column.is_not(None).label(f"has_{column.name}"))
            elif column.name == "traceback":
                shown.append(sa.func.substr(column, 1, _WHOLE_BYTES).label("traceback"))
            else:
                shown.append(column)
        return sa.select(*shown).where(table.c.task_id.in_(ids))


def _result_of(row: Any) -> TaskResult:
    state = clean(str(row.get("status") or ""), 50)
    value, has_value = row.get("result"), bool(row.get("has_result"))
    fields: dict[str, Any] = {"problem": TOO_LARGE} if value is None and has_value else {}
    if isinstance(value, bytes):
        fields = value_of(state, value)
    done = row.get("date_done")
    if isinstance(done, datetime):
        done = (done if done.tzinfo else done.replace(tzinfo=UTC)).timestamp()
    return TaskResult(
        id=str(row["task_id"]),
        state=state,
        **fields,
        traceback=long_text(row.get("traceback")),
        done_at=done if isinstance(done, float) else None,
        retries=whole(row.get("retries")),
        name=text(row.get("name")) or None,
        worker=text(row.get("worker")) or None,
        queue=text(row.get("queue")) or None,
        args=json_text(row["args"]) if isinstance(row.get("args"), bytes) else None,
        kwargs=json_text(row["kwargs"]) if isinstance(row.get("kwargs"), bytes) else None,
    )

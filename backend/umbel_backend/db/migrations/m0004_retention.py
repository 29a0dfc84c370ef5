"""Schema version 4: which run wrote a line, and what was deleted for age or size. Frozen from here on."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

TABLES = ("cleanup",)

_COMMON = """
CREATE TABLE IF NOT EXISTS cleanup (
    at {double} NOT NULL,
    what {text} NOT NULL,
    reason {text} NOT NULL,
    row_count BIGINT NOT NULL,
    byte_count BIGINT NOT NULL,
    CONSTRAINT pk_cleanup PRIMARY KEY (at, what, reason)
);
CREATE INDEX IF NOT EXISTS ix_task_message_kept_at ON task_message (kept_at)
"""


def apply(connection: sa.Connection) -> None:
    """Make everything of version 4 that is not there yet."""
    for statement in _statements(connection):
        connection.exec_driver_sql(statement)


def _statements(connection: sa.Connection) -> Iterator[str]:
    types = (
        {"text": "TEXT", "double": "DOUBLE"}
        if connection.dialect.name == "sqlite"
        else {"text": 'TEXT COLLATE "C"', "double": "DOUBLE PRECISION"}
    )
    yield from _COMMON.format(**types).split(";")
    there = {each["name"] for each in sa.inspect(connection).get_columns("task_log")}
    for name, kind in (("retries", "INTEGER"), ("pid", "BIGINT")):
        if name not in there:
            yield f"ALTER TABLE task_log ADD COLUMN {name} {kind}"

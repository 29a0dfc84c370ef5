"""Schema version 5: tasks that were put aside, and queues that are paused. Frozen from here on."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

TABLES = ("hold", "queue_pause")

_COMMON = """
CREATE TABLE IF NOT EXISTS hold (
    task {text} NOT NULL,
    queue {text} NOT NULL,
    place {text} NOT NULL,
    held_at {double} NOT NULL,
    rank BIGINT NOT NULL,
    operator {text} NOT NULL,
    reason {text} NOT NULL,
    message {bytes},
    CONSTRAINT pk_hold PRIMARY KEY (task)
);
CREATE TABLE IF NOT EXISTS queue_pause (
    queue {text} NOT NULL,
    paused_at {double} NOT NULL,
    operator {text} NOT NULL,
    reason {text} NOT NULL,
    workers {text} NOT NULL,
    CONSTRAINT pk_queue_pause PRIMARY KEY (queue)
)
"""


def apply(connection: sa.Connection) -> None:
    """Make everything of version 5 that is not there yet."""
    for statement in _statements(connection.dialect.name):
        connection.exec_driver_sql(statement)


def _statements(dialect: str) -> Iterator[str]:
    types = (
        {"text": "TEXT", "double": "DOUBLE", "bytes": "BLOB"}
        if dialect == "sqlite"
        else {"text": 'TEXT COLLATE "C"', "double": "DOUBLE PRECISION", "bytes": "BYTEA"}
    )
    yield from _COMMON.format(**types).split(";")

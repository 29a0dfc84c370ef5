"""Schema version 7: types of tasks and workers that are paused. Frozen from here on."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

TABLES = ("type_pause", "worker_pause")

_COMMON = """
CREATE TABLE IF NOT EXISTS type_pause (
    pattern {text} NOT NULL,
    paused_at {double} NOT NULL,
    operator {text} NOT NULL,
    reason {text} NOT NULL,
    CONSTRAINT pk_type_pause PRIMARY KEY (pattern)
);
CREATE TABLE IF NOT EXISTS worker_pause (
    hostname {text} NOT NULL,
    paused_at {double} NOT NULL,
    operator {text} NOT NULL,
    reason {text} NOT NULL,
    queues {text} NOT NULL,
    CONSTRAINT pk_worker_pause PRIMARY KEY (hostname)
)
"""


def apply(connection: sa.Connection) -> None:
    """Make everything of version 7 that is not there yet."""
    for statement in _statements(connection.dialect.name):
        connection.exec_driver_sql(statement)


def _statements(dialect: str) -> Iterator[str]:
    types = (
        {"text": "TEXT", "double": "DOUBLE"}
        if dialect == "sqlite"
        else {"text": 'TEXT COLLATE "C"', "double": "DOUBLE PRECISION"}
    )
    yield from _COMMON.format(**types).split(";")

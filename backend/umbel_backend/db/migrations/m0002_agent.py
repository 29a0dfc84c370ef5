"""Schema version 2: what the agents' stream tells. Frozen: later versions are later modules."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator

import sqlalchemy as sa

TABLES = ("task_log", "task_message", "installation")

_COMMON = """
CREATE TABLE IF NOT EXISTS task_log (
    n {serial},
    task {text} NOT NULL,
    at {double} NOT NULL,
    level INTEGER NOT NULL,
    logger {text} NOT NULL,
    text {text} NOT NULL,
    stream_id {text} NOT NULL,
    position INTEGER NOT NULL,
    CONSTRAINT pk_task_log PRIMARY KEY (n),
    CONSTRAINT uq_task_log_stream_id_position UNIQUE (stream_id, position)
);
CREATE TABLE IF NOT EXISTS task_message (
    task {text} NOT NULL,
    kept_at {double} NOT NULL,
    body {bytes},
    headers {text} NOT NULL,
    properties {text} NOT NULL,
    content_type {text},
    content_encoding {text},
    size_bytes BIGINT,
    withheld {text},
    sealed BOOLEAN NOT NULL,
    CONSTRAINT pk_task_message PRIMARY KEY (task)
);
CREATE TABLE IF NOT EXISTS installation (
    id {text} NOT NULL,
    made_at {double} NOT NULL,
    CONSTRAINT pk_installation PRIMARY KEY (id)
)
"""


def apply(connection: sa.Connection) -> None:
    """Make everything of version 2 that is not there yet."""
    for statement in _statements(connection):
        connection.exec_driver_sql(statement)
    if not connection.scalar(sa.text("SELECT count(*) FROM installation")):
        connection.execute(
            sa.text("INSERT INTO installation (id, made_at) VALUES (:id, :at)"),
            {"id": secrets.token_hex(8), "at": time.time()},
        )


def _statements(connection: sa.Connection) -> Iterator[str]:
    is_sqlite = connection.dialect.name == "sqlite"
    types = (
        {"serial": "INTEGER NOT NULL", "text": "TEXT", "double": "DOUBLE", "bytes": "BLOB"}
        if is_sqlite
        else {
            "serial": "BIGSERIAL NOT NULL",
            "text": 'TEXT COLLATE "C"',
            "double": "DOUBLE PRECISION",
            "bytes": "BYTEA",
        }
    )
    yield from _COMMON.format(**types).split(";")
    # The row number is the last column of every SQLite index anyway.
    order = "(task, at)" if is_sqlite else "(task, at, n)"
    yield f"CREATE INDEX IF NOT EXISTS ix_task_log_task ON task_log {order}"
    if "acks_late" not in {each["name"] for each in sa.inspect(connection).get_columns("task")}:
        yield "ALTER TABLE task ADD COLUMN acks_late BOOLEAN"

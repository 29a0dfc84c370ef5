"""Schema version 1. Frozen: later versions are later modules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

TABLES = (
    "task",
    "attempt",
    "task_tag",
    "gap",
    "worker",
    "worker_sample",
    "queue_sample",
    "task_rollup",
    "lease",
    "schema_version",
)

_COMMON = """
CREATE TABLE IF NOT EXISTS task (
    n {serial},
    id {text} NOT NULL,
    name {text} NOT NULL,
    state {text} NOT NULL,
    state_at {double} NOT NULL,
    queue {text},
    priority INTEGER,
    worker {text},
    args {text},
    kwargs {text},
    args_exact BOOLEAN NOT NULL,
    args_complete BOOLEAN NOT NULL,
    result {text},
    result_exact BOOLEAN NOT NULL,
    exception {text},
    traceback {text},
    sent_at {double},
    received_at {double},
    started_at {double},
    finished_at {double},
    runtime_s {double},
    retries INTEGER NOT NULL,
    root_id {text},
    parent_id {text},
    group_id {text},
    retry_of {text},
    eta {double},
    expires {double},
    pid INTEGER,
    progress {text},
    paused_how {text},
    attempts INTEGER NOT NULL,
    tags {text},
    CONSTRAINT pk_task PRIMARY KEY (n),
    CONSTRAINT uq_task_id UNIQUE (id),
    CONSTRAINT ck_task_ready_has_end CHECK (
        (state IN ('SUCCESS', 'FAILURE', 'REVOKED', 'REJECTED', 'LOST'))
        = (finished_at IS NOT NULL)
    )
);
CREATE TABLE IF NOT EXISTS attempt (
    task_n {big} NOT NULL,
    number INTEGER NOT NULL,
    started_at {double},
    ended_at {double},
    outcome {text} NOT NULL,
    exception {text},
    worker {text},
    CONSTRAINT pk_attempt PRIMARY KEY (task_n, number),
    CONSTRAINT fk_attempt_task_n FOREIGN KEY (task_n) REFERENCES task (n) ON DELETE CASCADE
){rowless};
CREATE TABLE IF NOT EXISTS task_tag (
    task_n {big} NOT NULL,
    key {text} NOT NULL,
    value {text} NOT NULL,
    CONSTRAINT pk_task_tag PRIMARY KEY (task_n, key),
    CONSTRAINT fk_task_tag_task_n FOREIGN KEY (task_n) REFERENCES task (n) ON DELETE CASCADE
){rowless};
CREATE TABLE IF NOT EXISTS gap (
    n {serial},
    source {text} NOT NULL,
    started_at {double} NOT NULL,
    ended_at {double},
    reason {text} NOT NULL,
    events_lost BIGINT,
    CONSTRAINT pk_gap PRIMARY KEY (n),
    CONSTRAINT uq_gap_source_started_at UNIQUE (source, started_at)
);
CREATE TABLE IF NOT EXISTS worker (
    hostname {text} NOT NULL,
    status {text} NOT NULL,
    pid BIGINT,
    started_at {double},
    stopped_at {double},
    heartbeat_at {double},
    record {text} NOT NULL,
    CONSTRAINT pk_worker PRIMARY KEY (hostname)
);
CREATE TABLE IF NOT EXISTS worker_sample (
    hostname {text} NOT NULL,
    at {double} NOT NULL,
    active INTEGER,
    reserved INTEGER,
    processed BIGINT,
    loadavg {double},
    cpu_percent {double},
    memory_bytes BIGINT,
    CONSTRAINT pk_worker_sample PRIMARY KEY (hostname, at)
){rowless};
CREATE TABLE IF NOT EXISTS queue_sample (
    name {text} NOT NULL,
    at {double} NOT NULL,
    ready BIGINT NOT NULL,
    by_priority {text} NOT NULL,
    unacked BIGINT,
    consumers INTEGER,
    in_rate {double},
    out_rate {double},
    oldest_age_s {double},
    CONSTRAINT pk_queue_sample PRIMARY KEY (name, at)
){rowless};
CREATE TABLE IF NOT EXISTS task_rollup (
    resolution INTEGER NOT NULL,
    bucket_at BIGINT NOT NULL,
    name {text} NOT NULL,
    state {text} NOT NULL,
    count BIGINT NOT NULL,
    runtime_sum_s {double} NOT NULL,
    runtime_max_s {double},
    {runtime_columns},
    CONSTRAINT pk_task_rollup PRIMARY KEY (resolution, bucket_at, name, state)
){rowless};
CREATE TABLE IF NOT EXISTS lease (
    name {text} NOT NULL,
    holder {text} NOT NULL,
    epoch BIGINT NOT NULL,
    acquired_at {double} NOT NULL,
    renewed_at {double} NOT NULL,
    expires_at {double} NOT NULL,
    CONSTRAINT pk_lease PRIMARY KEY (name)
);
CREATE TABLE IF NOT EXISTS schema_version (
    version INTEGER NOT NULL,
    applied_at {double} NOT NULL,
    applied_by {text} NOT NULL,
    CONSTRAINT pk_schema_version PRIMARY KEY (version)
);
CREATE INDEX IF NOT EXISTS ix_task_unfinished ON task (state_at) WHERE finished_at IS NULL;
CREATE INDEX IF NOT EXISTS ix_task_root_id ON task (root_id) WHERE root_id <> id;
CREATE INDEX IF NOT EXISTS ix_task_parent_id ON task (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS ix_task_group_id ON task (group_id) WHERE group_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS ix_task_retry_of ON task (retry_of) WHERE retry_of IS NOT NULL;
CREATE INDEX IF NOT EXISTS ix_worker_sample_at ON worker_sample (at);
CREATE INDEX IF NOT EXISTS ix_queue_sample_at ON queue_sample (at)
"""

# The row number is the last column of every SQLite index anyway.
_SQLITE_INDEXES = """
CREATE INDEX IF NOT EXISTS ix_task_state_at ON task (state_at);
CREATE INDEX IF NOT EXISTS ix_task_state ON task (state, state_at);
CREATE INDEX IF NOT EXISTS ix_task_name ON task (name COLLATE NOCASE, state_at);
CREATE INDEX IF NOT EXISTS ix_task_queue ON task (queue COLLATE NOCASE, state_at);
CREATE INDEX IF NOT EXISTS ix_task_worker ON task (worker COLLATE NOCASE, state_at);
CREATE INDEX IF NOT EXISTS ix_task_exception ON task (
    substr(exception, 1, instr(exception || ':', ':') - 1) COLLATE NOCASE, state_at
) WHERE exception IS NOT NULL;
CREATE INDEX IF NOT EXISTS ix_task_tag_key ON task_tag (key, value COLLATE NOCASE, task_n)
"""

_POSTGRESQL_INDEXES = """
CREATE INDEX IF NOT EXISTS ix_task_state_at ON task (state_at, n);
CREATE INDEX IF NOT EXISTS ix_task_state ON task (state, state_at, n);
CREATE INDEX IF NOT EXISTS ix_task_name ON task (lower(name COLLATE "C"), state_at, n);
CREATE INDEX IF NOT EXISTS ix_task_queue ON task (lower(queue COLLATE "C"), state_at, n);
CREATE INDEX IF NOT EXISTS ix_task_worker ON task (lower(worker COLLATE "C"), state_at, n);
CREATE INDEX IF NOT EXISTS ix_task_exception ON task (
    lower(split_part(exception, ':', 1) COLLATE "C"), state_at, n
) WHERE exception IS NOT NULL;
CREATE INDEX IF NOT EXISTS ix_task_tag_key ON task_tag (key, lower(value COLLATE "C"), task_n)
"""

_SEARCHED = ("name", "args", "kwargs", "result", "exception")


def apply(connection: sa.Connection) -> None:
    """Make everything of version 1 that is not there yet."""
    statements = _sqlite() if connection.dialect.name == "sqlite" else _postgresql()
    for statement in statements:
        connection.exec_driver_sql(statement)


def _sqlite() -> Iterator[str]:
    types = {"serial": "INTEGER NOT NULL", "big": "INTEGER", "text": "TEXT", "double": "DOUBLE"}
    types["rowless"] = " WITHOUT ROWID"
    yield from _tables(types)
    yield from _SQLITE_INDEXES.split(";")
    columns = ", ".join(_SEARCHED)
    new = ", ".join(f"new.{column}" for column in _SEARCHED)
    old = ", ".join(f"old.{column}" for column in _SEARCHED)
    changed = " OR ".join(f"old.{column} IS NOT new.{column}" for column in _SEARCHED)
    forget = (
        f"INSERT INTO task_search (task_search, rowid, {columns}) VALUES ('delete', old.n, {old});"
    )
    learn = f"INSERT INTO task_search (rowid, {columns}) VALUES (new.n, {new});"
    # Sizes serve ranking only, which nobody asks for.
    yield (
        f"CREATE VIRTUAL TABLE IF NOT EXISTS task_search USING fts5 ({columns},"
        " content='task', content_rowid='n', tokenize='ascii', columnsize=0)"
    )
    yield f"CREATE TRIGGER IF NOT EXISTS task_search_insert AFTER INSERT ON task BEGIN {learn} END"
    yield f"CREATE TRIGGER IF NOT EXISTS task_search_delete AFTER DELETE ON task BEGIN {forget} END"
    yield (
        f"CREATE TRIGGER IF NOT EXISTS task_search_update AFTER UPDATE OF {columns} ON task"
        f" WHEN {changed} BEGIN {forget} {learn} END"
    )


def _postgresql() -> Iterator[str]:
    types = {
        "serial": "BIGSERIAL NOT NULL",
        "big": "BIGINT",
        "text": 'TEXT COLLATE "C"',
        "double": "DOUBLE PRECISION",
        "rowless": "",
    }
    yield from _tables(types)
    yield from _POSTGRESQL_INDEXES.split(";")
    yield (
        'ALTER TABLE task ADD COLUMN IF NOT EXISTS search TEXT COLLATE "C"'
        f" GENERATED ALWAYS AS ({_words(_SEARCHED)}) STORED"
    )


def _words(columns: Sequence[str]) -> str:
    """Return SQL for the words SQLite's ``ascii`` tokenizer finds, a line a column: `` one two ``.

    One replacement over all columns together takes half the time of one each.
    """
    lines = " || E' \\n ' || ".join(
        f"replace(coalesce({column}, ''), E'\\n', ' ')" for column in columns
    )
    lowered = f"lower((' ' || {lines} || ' ') COLLATE \"C\")"
    return f"regexp_replace({lowered}, '[\\x01-\\x09\\x0b-/:-`{{-\\x7f]+', ' ', 'g')"


def _tables(types: dict[str, str]) -> Iterator[str]:
    runtime_columns = ",\n    ".join(f"r{number} BIGINT NOT NULL" for number in range(20))
    yield from _COMMON.format(runtime_columns=runtime_columns, **types).split(";")

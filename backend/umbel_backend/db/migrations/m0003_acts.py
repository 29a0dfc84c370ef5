"""Schema version 3: operators, what they did, and which tasks they cancelled. Frozen from here on."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

TABLES = ("audit", "audit_head", "act_batch", "operator", "tombstone")

_COMMON = """
CREATE TABLE IF NOT EXISTS audit (
    id BIGINT NOT NULL,
    at {double} NOT NULL,
    operator {text} NOT NULL,
    origin {text} NOT NULL,
    action {text} NOT NULL,
    target_kind {text} NOT NULL,
    target {text} NOT NULL,
    reason {text} NOT NULL,
    parameters {text} NOT NULL,
    batch {text} NOT NULL,
    hash {text} NOT NULL,
    outcome {text},
    outcome_at {double},
    detail {text},
    outcome_id BIGINT,
    outcome_hash {text},
    CONSTRAINT pk_audit PRIMARY KEY (id),
    CONSTRAINT uq_audit_outcome_id UNIQUE (outcome_id)
);
CREATE INDEX IF NOT EXISTS ix_audit_target ON audit (target, id);
CREATE INDEX IF NOT EXISTS ix_audit_batch ON audit (batch, id);
CREATE INDEX IF NOT EXISTS ix_audit_operator ON audit (operator, at);
CREATE TABLE IF NOT EXISTS audit_head (
    name {text} NOT NULL,
    last_id BIGINT NOT NULL,
    hash {text} NOT NULL,
    CONSTRAINT pk_audit_head PRIMARY KEY (name)
);
CREATE TABLE IF NOT EXISTS act_batch (
    batch {text} NOT NULL,
    host {text} NOT NULL,
    pid BIGINT NOT NULL,
    started_at {double} NOT NULL,
    expires_at {double} NOT NULL,
    CONSTRAINT pk_act_batch PRIMARY KEY (batch)
);
CREATE TABLE IF NOT EXISTS operator (
    name {text} NOT NULL,
    role {text} NOT NULL,
    added_at {double} NOT NULL,
    added_by {text} NOT NULL,
    CONSTRAINT pk_operator PRIMARY KEY (name)
);
CREATE TABLE IF NOT EXISTS tombstone (
    task {text} NOT NULL,
    created_at {double} NOT NULL,
    operator {text} NOT NULL,
    reason {text} NOT NULL,
    settled_at {double},
    CONSTRAINT pk_tombstone PRIMARY KEY (task)
);
CREATE INDEX IF NOT EXISTS ix_tombstone_created_at ON tombstone (created_at)
"""


def apply(connection: sa.Connection) -> None:
    """Make everything of version 3 that is not there yet."""
    for statement in _statements(connection.dialect.name):
        connection.exec_driver_sql(statement)
    if not connection.scalar(sa.text("SELECT count(*) FROM audit_head")):
        connection.exec_driver_sql(
            "INSERT INTO audit_head (name, last_id, hash) VALUES ('audit', 0, '')"
        )


def _statements(dialect: str) -> Iterator[str]:
    types = (
        {"text": "TEXT", "double": "DOUBLE"}
        if dialect == "sqlite"
        else {"text": 'TEXT COLLATE "C"', "double": "DOUBLE PRECISION"}
    )
    yield from _COMMON.format(**types).split(";")

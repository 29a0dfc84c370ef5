"""Schema version 6: policies, and by which of them a run was retried. Frozen from here on."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

TABLES = ("policy",)

_COMMON = """
CREATE TABLE IF NOT EXISTS policy (
    kind {text} NOT NULL,
    pattern {text} NOT NULL,
    definition {text},
    version BIGINT NOT NULL,
    changed_at {double} NOT NULL,
    changed_by {text} NOT NULL,
    CONSTRAINT pk_policy PRIMARY KEY (kind, pattern)
)
"""


def apply(connection: sa.Connection) -> None:
    """Make everything of version 6 that is not there yet."""
    for statement in _statements(connection):
        connection.exec_driver_sql(statement)


def _statements(connection: sa.Connection) -> Iterator[str]:
    types = (
        {"text": "TEXT", "double": "DOUBLE"}
        if connection.dialect.name == "sqlite"
        else {"text": 'TEXT COLLATE "C"', "double": "DOUBLE PRECISION"}
    )
    yield _COMMON.format(**types)
    there = {each["name"] for each in sa.inspect(connection).get_columns("attempt")}
    for name, kind in (("policy", types["text"]), ("delay_s", types["double"])):
        if name not in there:
            yield f"ALTER TABLE attempt ADD COLUMN {name} {kind}"

"""The trigram index behind text search on PostgreSQL, which an extension has to allow.

SQLite's full-text index needs no permission and is part of the schema.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from umbel_backend.errors import DatabaseUnavailable

INDEX = "ix_task_search"
SPEED_HINT = (
    "Text search works without its index, slowly: let an administrator run"
    " `CREATE EXTENSION pg_trgm` in this database, then `umbel db upgrade`."
)


def exists(connection: sa.Connection) -> bool:
    """Whether text search is indexed."""
    if connection.dialect.name == "sqlite":
        return sa.inspect(connection).has_table("task_search")
    found = connection.scalar(sa.select(sa.func.to_regclass(INDEX).is_not(None)))
    return bool(found)


def ensure(connection: sa.Connection) -> None:
    """Make the index if it is missing and the extension is there or may be installed."""
    if connection.dialect.name != "postgresql" or exists(connection):
        return
    try:
        with connection.begin_nested():
            connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            connection.exec_driver_sql(
                f"CREATE INDEX {INDEX} ON task USING gin (search gin_trgm_ops)"
            )
    except (DBAPIError, DatabaseUnavailable):
        # Not installed on the server, or this user may not: `exists` tells the operator.
        return

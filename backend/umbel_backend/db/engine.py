"""Opens the database: one synchronous or asynchronous engine, set up and checked.

Failures of an engine made here leave it as `DatabaseUnavailable`, whenever they happen.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from umbel_backend.db import failures, migrations, sqlite_file
from umbel_backend.db.address import database_url, shown
from umbel_backend.db.transaction import WRITE_OPTION
from umbel_backend.errors import DatabaseUnavailable

if TYPE_CHECKING:
    # Brings the ORM with it, which no command line needs.
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["database_url", "open_async_engine", "open_engine", "shown"]


def open_engine(url: sa.URL, *, read_only: bool = False) -> sa.Engine:
    """Open the database at ``url``, made by `database_url`, and try one connection.

    A SQLite file that is missing is made, unless ``read_only``. The schema may still be old or
    empty: the recorder calls `migrations.upgrade`, readers `migrations.require_current`.

    Raises:
        DatabaseUnavailable: It cannot be opened, or a newer Umbel made its schema.
    """
    _prepare(url, read_only=read_only)
    with _driver_at_hand():
        engine = sa.create_engine(
            _driver_url(url, "sqlite", read_only), **_options(url, read_only=read_only)
        )
    _hook(engine, url, read_only=read_only)
    try:
        migrations.refuse_newer(migrations.schema_status(engine), url)
    except BaseException:
        engine.dispose()
        raise
    return engine


def open_async_engine(url: sa.URL) -> AsyncEngine:
    """Make an asynchronous engine for an existing database; it connects at its first use.

    Raises:
        DatabaseUnavailable: There is no such SQLite file, or a driver is not installed.
    """
    from sqlalchemy.ext.asyncio import create_async_engine

    if url.get_backend_name() == "sqlite":
        sqlite_file.require(url)
    with _driver_at_hand():
        engine = create_async_engine(
            _driver_url(url, "sqlite+aiosqlite", False), **_options(url, read_only=False)
        )
    _hook(engine.sync_engine, url, read_only=False)
    return engine


def _prepare(url: sa.URL, *, read_only: bool) -> None:
    if url.get_backend_name() != "sqlite":
        return
    if read_only:
        sqlite_file.require(url)
    else:
        sqlite_file.create(url)


def _driver_url(url: sa.URL, sqlite_driver: str, read_only: bool) -> sa.URL:
    if url.get_backend_name() == "sqlite":
        return sqlite_file.file_url(url, driver=sqlite_driver, read_only=read_only)
    return url


def _options(url: sa.URL, *, read_only: bool) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": failures.BUSY_TIMEOUT_S}}
    arguments: dict[str, Any] = {}
    if "connect_timeout" not in url.query:
        arguments["connect_timeout"] = failures.CONNECT_TIMEOUT_S
    if "application_name" not in url.query:
        arguments["application_name"] = "umbel"
    if read_only and "options" not in url.query:
        arguments["options"] = "-c default_transaction_read_only=on"
    return {"connect_args": arguments, "pool_pre_ping": True}


def _hook(engine: sa.Engine, url: sa.URL, *, read_only: bool) -> None:
    failures.install(engine, url)
    if engine.dialect.name != "sqlite":
        return

    def connected(connection: Any, _record: object) -> None:
        sqlite_file.set_up_connection(connection, read_only=read_only)

    def begun(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get(WRITE_OPTION)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    sa.event.listen(engine, "connect", connected)
    sa.event.listen(engine, "begin", begun)


@contextmanager
def _driver_at_hand() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise DatabaseUnavailable(
            "PostgreSQL needs the driver psycopg: pip install 'umbel[postgres]'."
        ) from error

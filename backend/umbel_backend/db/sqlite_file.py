"""The SQLite file: made for its owner alone, and how each connection to it is set up."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from umbel_backend.db import phrases
from umbel_backend.db.address import shown
from umbel_backend.db.failures import BUSY_TIMEOUT_S, translated
from umbel_backend.errors import DatabaseUnavailable

WRITER_CACHE_KIB = 32_768
READER_CACHE_KIB = 16_384
READER_MMAP_BYTES = 268_435_456
_WAL_PAGES = 4_000
_WAL_LIMIT_BYTES = 67_108_864


def create(url: sa.URL) -> None:
    """Make the file, readable by its owner alone from its first byte, and its folder, if missing.

    SQLite gives its companion files (``-wal``, ``-shm``) the mode of the main one.

    Raises:
        DatabaseUnavailable: The folder or the file cannot be made.
    """
    path = Path(str(url.database))
    with translated(url):
        for folder in reversed([path.parent, *path.parent.parents]):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        except FileExistsError:
            pass
        else:
            os.close(descriptor)
        _use_wal(path)


def require(url: sa.URL) -> None:
    """Refuse a file that is not there, in words that say how to get one."""
    path = Path(str(url.database))
    with translated(url):
        exists = path.exists()
    if not exists:
        raise DatabaseUnavailable(
            f"There is no database at {shown(url)} yet; `umbel recorder` makes it."
        )


def file_url(url: sa.URL, *, driver: str, read_only: bool) -> sa.URL:
    """Return ``url`` so that SQLite itself never creates the file, which it would make readable by all."""
    mode = "ro" if read_only else "rw"
    return sa.URL.create(
        driver, database=f"file:{quote(str(url.database))}", query={"mode": mode, "uri": "true"}
    )


def set_up_connection(connection: Any, *, read_only: bool) -> None:
    """Set what holds per connection; ``connection`` is the driver's, sync or adapted async."""
    # Without this the driver opens transactions by itself, late and never IMMEDIATE.
    connection.isolation_level = None
    pragmas = {
        "busy_timeout": int(BUSY_TIMEOUT_S * 1000),
        "synchronous": "NORMAL",
        "foreign_keys": "ON",
        "temp_store": "MEMORY",
        "cache_size": -(READER_CACHE_KIB if read_only else WRITER_CACHE_KIB),
        "wal_autocheckpoint": _WAL_PAGES,
        "journal_size_limit": _WAL_LIMIT_BYTES,
    }
    if read_only:
        pragmas |= {"query_only": "ON", "mmap_size": READER_MMAP_BYTES}
    connection.create_function(phrases.FUNCTION, 2, phrases.holds, deterministic=True)
    cursor = connection.cursor()
    for name, value in pragmas.items():
        cursor.execute(f"PRAGMA {name}={value}")
    cursor.close()


def _use_wal(path: Path) -> None:
    """Switch the file to a write-ahead log, which it keeps.

    SQLite does not wait for another program that switches at the same moment, so this does.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, isolation_level=None)
    try:
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() > deadline:
                    raise
            time.sleep(0.02)
    finally:
        connection.close()

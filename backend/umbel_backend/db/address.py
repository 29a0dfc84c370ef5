"""Which database is meant: from a ``--db`` value or the broker's address to a SQLAlchemy URL."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import platformdirs
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from umbel_backend.errors import InvalidValue

_DEFAULT_PORTS = {"redis": 6379, "rediss": 6379, "valkey": 6379, "amqp": 5672, "amqps": 5671}
_LONGEST_NAME = 80


def database_url(db: str | None, broker_url: str) -> sa.URL:
    """Return the URL of the database, for `open_engine` and `open_async_engine`.

    Args:
        db: A file path or a SQLAlchemy URL whose driver may be left out; None gives every broker a
            file of its own in the user's data folder.
        broker_url: Only its host, port and database name a file; user and password never do.

    Raises:
        InvalidValue: The URL cannot be read, or names another kind of database.
    """
    if not db:
        folder = platformdirs.user_data_path("umbel", appauthor=False)
        return _file_url(folder / f"{_broker_name(broker_url)}.db")
    if "://" not in db:
        return _file_url(Path(db).expanduser())
    try:
        url = sa.make_url(db)
    except (ArgumentError, ValueError) as error:
        raise InvalidValue(
            "The database URL cannot be read; write postgresql://user@host/name or a file path."
        ) from error
    kind = url.drivername.partition("+")[0]
    if kind in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if kind != "sqlite":
        raise InvalidValue(f"Umbel keeps its history in SQLite or PostgreSQL, not in {kind}.")
    if url.database in (None, "", ":memory:"):
        raise InvalidValue("A SQLite database needs a file: sqlite:///path/to/umbel.db")
    return _file_url(Path(str(url.database)).expanduser())


def shown(url: sa.URL) -> str:
    """Return how to name the database to a person: a path, or a URL without its password."""
    if url.get_backend_name() == "sqlite":
        path = str(url.database)
        # An engine knows its file as a ``file:`` address.
        return unquote(path.removeprefix("file:")) if "uri" in url.query else path
    user = f"{url.username}@" if url.username else ""
    port = f":{url.port}" if url.port else ""
    return f"postgresql://{user}{url.host or ''}{port}/{url.database or ''}"


def _file_url(path: Path) -> sa.URL:
    return sa.URL.create("sqlite", database=str(path.absolute()))


def _broker_name(broker_url: str) -> str:
    """Name a broker by host, port and database; distinct brokers get distinct file names."""
    # Several brokers of one cluster are joined by ";"; the first stands for all.
    parts = urlsplit(broker_url.split(";")[0].strip())
    try:
        port = parts.port
    except ValueError:
        port = None
    port = port or _DEFAULT_PORTS.get(parts.scheme)
    path = unquote(parts.path).removeprefix("/")
    if not path and parts.scheme in ("redis", "rediss", "valkey"):
        path = "0"
    identity = "-".join(str(part) for part in (parts.hostname or parts.scheme, port, path) if part)
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", identity).strip("._") or "broker"
    if name == identity and len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(identity.encode()).hexdigest()[:8]
    return f"{name[:_LONGEST_NAME]}-{digest}"

"""Turns what a database driver raises into one plain sentence; the only place that does.

`install` hooks it into an engine, so that opening, working, fetching and committing are all
covered; `translated` is for calls that go past the engine.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import ExceptionContext

from umbel_backend.db.address import shown
from umbel_backend.errors import DatabaseUnavailable, UmbelError

BUSY_TIMEOUT_S = 5.0
"""How long SQLite waits for another program's write before it gives up."""
CONNECT_TIMEOUT_S = 5

_UPGRADE = "run `umbel db upgrade` to make them"


def install(engine: sa.Engine, url: sa.URL) -> None:
    """Make every database failure of ``engine`` leave it as `DatabaseUnavailable`."""

    def translate(context: ExceptionContext) -> None:
        failure = unavailable(url, context.original_exception)
        if failure is not None:
            raise failure from context.original_exception

    sa.event.listen(engine, "handle_error", translate)


@contextmanager
def translated(url: sa.URL) -> Iterator[None]:
    """Turn a driver's or the system's failure in the block into `DatabaseUnavailable`."""
    try:
        yield
    except UmbelError:
        raise
    except Exception as error:
        failure = unavailable(url, error)
        if failure is None:
            raise
        raise failure from error


def unavailable(url: sa.URL, error: BaseException) -> DatabaseUnavailable | None:
    """Say what ``error`` means for an operator; None if it is a fault of ours, not of the database."""
    original = getattr(error, "orig", None) or error
    if isinstance(original, sqlite3.Error):
        sentence = _sqlite(url, original)
    elif isinstance(original, OSError):
        sentence = f"The database {shown(url)} cannot be used: {_reason(original)}."
    elif type(original).__module__.partition(".")[0] == "psycopg":
        sentence = _postgresql(url, original)
    else:
        return None
    return None if sentence is None else DatabaseUnavailable(sentence)


def _sqlite(url: sa.URL, error: sqlite3.Error) -> str | None:
    where = shown(url)
    code = getattr(error, "sqlite_errorname", None) or ""
    text = str(error)
    sentences = {
        "SQLITE_BUSY": f"The database {where} is locked by another program;"
        f" waited {BUSY_TIMEOUT_S:g} s.",
        "SQLITE_LOCKED": f"The database {where} is locked by another program.",
        "SQLITE_FULL": f"There is no room left for the database {where}: disk or quota is full.",
        "SQLITE_READONLY": f"The database {where} is read-only{_why_read_only(url)}.",
        "SQLITE_NOTADB": f"The file {where} is not an SQLite database.",
        "SQLITE_CORRUPT": f"The database {where} is damaged ({text});"
        " move the file away or restore it from a backup.",
        "SQLITE_IOERR": f"Reading or writing the database {where} failed ({text}).",
        "SQLITE_PERM": f"The database {where} may not be used by this user.",
        "SQLITE_AUTH": f"The database {where} may not be used by this user.",
        "SQLITE_NOLFS": f"The database {where} is too large for this file system.",
    }
    if code.startswith("SQLITE_CANTOPEN"):
        return f"The database {where} cannot be opened: {_why_not_open(url)}."
    for name, sentence in sentences.items():
        if code == name or code.startswith(f"{name}_"):
            return sentence
    if text.startswith("no such table"):
        return f"The database {where} lacks Umbel's tables: {_UPGRADE}."
    return None


def _why_read_only(url: sa.URL) -> str:
    path = Path(str(url.database))
    if not os.access(path, os.W_OK):
        return ": this user may not write the file"
    if not os.access(path.parent, os.W_OK):
        return f": this user may not write in the folder {path.parent}"
    return ""


def _why_not_open(url: sa.URL) -> str:
    path = Path(str(url.database))
    if path.is_dir():
        return "it is a folder, not a file"
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    if not path.exists():
        return "there is no such file"
    if not os.access(path, os.R_OK):
        return "this user may not read it"
    return f"its companion files in {path.parent} cannot be made"


def _reason(error: OSError) -> str:
    reason = (error.strerror or type(error).__name__).lower()
    return f"{reason} ({error.filename})" if error.filename else reason


_BY_SQLSTATE = {
    "28": "refused the login of {user}",
    "3D000": "is not there: the server has no database of that name",
    "53100": "has no room left: the server's disk is full",
    "53300": "has no connection left to give",
    "53": "is out of resources",
    "25006": "is read-only",
    "42501": "does not let {user} do this",
    "55P03": "is locked by another program",
    "40P01": "is locked by another program",
    "57014": "took too long and was stopped",
    "57P": "went away: the server was stopped",
    "58": "cannot read or write its files",
    "42P01": "lacks Umbel's tables: " + _UPGRADE,
    "08": "went away",
}
_BY_TEXT = {
    "authentication failed": "28",
    "no password supplied": "28",
    "no pg_hba.conf entry": "28",
    'role "': "28",
    'database "': "3D000",
    "too many clients": "53300",
    "starting up": "57P",
    "shutting down": "57P",
}


def _postgresql(url: sa.URL, error: BaseException) -> str | None:
    state = getattr(error, "sqlstate", None)
    text = " ".join(str(error).split())
    if state is None:
        # Before a session exists, psycopg has only libpq's text.
        state = next((known for part, known in _BY_TEXT.items() if part in text), None)
    if state is not None:
        for known, sentence in _BY_SQLSTATE.items():
            if state.startswith(known):
                user = url.username or "this user"
                return f"The database {shown(url)} {sentence.format(user=user)}."
        return None
    names: tuple[Any, ...] = tuple(kind.__name__ for kind in type(error).__mro__)
    if "OperationalError" not in names and "InterfaceError" not in names:
        return None
    return f"The database {shown(url)} cannot be reached: {_cause(url, text)}."


def _cause(url: sa.URL, text: str) -> str:
    for part in ("Connection refused", "timeout expired", "could not translate host name"):
        if part in text:
            return part.lower()
    if url.password:
        text = text.replace(str(url.password), "***")
    return text.rstrip(".")[:200]

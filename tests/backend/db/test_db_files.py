"""What is said when a database cannot be used, and who may read its files."""

from __future__ import annotations

import os
import pwd
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from harness.records import a_task
from harness.waiting import free_port
from umbel_backend.db import migrations
from umbel_backend.db.changes import Changes
from umbel_backend.db.engine import database_url, open_async_engine, open_engine
from umbel_backend.db.failures import unavailable
from umbel_backend.db.query import run, run_async
from umbel_backend.db.statements import tasks
from umbel_backend.db.writer import Writer
from umbel_backend.errors import DatabaseUnavailable

OPEN = """
import os, sys
from importlib.metadata import version
import sqlalchemy as sa
from umbel_backend.db import migrations
from umbel_backend.db.changes import Changes
from umbel_backend.db.engine import database_url, open_engine
from umbel_backend.db.writer import Writer
from umbel_backend.errors import DatabaseUnavailable
from umbel_backend.records import TaskRecord

os.umask(int(sys.argv[2], 8))
# What is imported late may be out of reach for the user stepped down to.
sa.inspect(sa.create_engine("sqlite://")).get_table_names()
version("umbel")
if sys.argv[3] != "-1":
    os.setgroups([])
    os.setuid(int(sys.argv[3]))
try:
    engine = open_engine(database_url(sys.argv[1], ""))
    migrations.upgrade(engine)
    Writer(engine).write(Changes(tasks=[TaskRecord(id="a", state_at=1.0)]))
    folder = os.path.dirname(sys.argv[1])
    for name in sorted(os.listdir(folder)):
        print(name, oct(os.stat(os.path.join(folder, name)).st_mode & 0o777))
    print("folder", oct(os.stat(folder).st_mode & 0o777))
except DatabaseUnavailable as error:
    print(error)
"""


def opened(path: Path, *, umask: str = "000", as_ordinary_user: bool = False) -> str:
    """Open, upgrade and write ``path`` in another process; return what it prints."""
    user = pwd.getpwnam("nobody").pw_uid if as_ordinary_user and os.getuid() == 0 else -1
    done = subprocess.run(
        [sys.executable, "-c", OPEN, str(path), umask, str(user)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, so that tests run by root can step down."""
    folder = Path(tempfile.mkdtemp(prefix="umbel-db-"))
    folder.chmod(0o777)
    if os.getuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    yield folder
    folder.chmod(0o777)
    shutil.rmtree(folder)


def test_files_are_their_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    assert opened(tmp_path / "new" / "deep" / "umbel.db", umask="000").splitlines() == [
        "umbel.db 0o600",
        "umbel.db-shm 0o600",
        "umbel.db-wal 0o600",
        "folder 0o700",
    ]
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_a_folder_that_may_not_be_written_is_named(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    said = opened(open_folder / "umbel.db", as_ordinary_user=True)
    assert said == (
        f"The database {open_folder}/umbel.db cannot be used:"
        f" permission denied ({open_folder}/umbel.db)."
    )


def test_a_file_that_may_not_be_written_is_called_read_only(open_folder: Path) -> None:
    path = open_folder / "umbel.db"
    assert "umbel.db 0o600" in opened(path, as_ordinary_user=True)
    path.chmod(0o444)
    said = opened(path, as_ordinary_user=True)
    assert said == f"The database {path} is read-only: this user may not write the file."


def test_writing_through_a_read_only_engine_is_refused(tmp_path: Path) -> None:
    url = database_url(str(tmp_path / "umbel.db"), "")
    migrations.upgrade(open_engine(url))
    reader = open_engine(url, read_only=True)
    assert run(reader, tasks.count_capped(tasks.EVERY)).count == 0
    with pytest.raises(DatabaseUnavailable, match=r"^The database .*umbel\.db is read-only\.$"):
        Writer(reader).write(Changes(tasks=[a_task()]))


def test_readers_say_how_to_make_a_database_that_is_not_there(tmp_path: Path) -> None:
    url = database_url(str(tmp_path / "umbel.db"), "")
    for open_ in (lambda: open_engine(url, read_only=True), lambda: open_async_engine(url)):
        with pytest.raises(DatabaseUnavailable) as refused:
            open_()
        assert str(refused.value) == (
            f"There is no database at {tmp_path}/umbel.db yet; `umbel recorder` makes it."
        )
    assert not (tmp_path / "umbel.db").exists()


def test_a_file_of_another_kind_is_not_taken_for_a_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("to do\n" * 1000)
    with pytest.raises(DatabaseUnavailable) as refused:
        open_engine(database_url(str(path), ""))
    assert str(refused.value) == f"The file {path} is not an SQLite database."
    assert path.read_text() == "to do\n" * 1000


def test_a_folder_is_not_taken_for_a_database(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match="it is a folder, not a file"):
        open_engine(database_url(str(tmp_path), ""))


def on_connect(engine: sa.Engine, *pragmas: str) -> None:
    """Apply ``pragmas`` to every connection that ``engine`` makes from now on."""

    def apply(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    engine.dispose()
    sa.event.listen(engine, "connect", apply)


def test_a_database_locked_by_another_program_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "umbel.db"
    engine = open_engine(database_url(str(path), ""))
    migrations.upgrade(engine)
    on_connect(engine, "busy_timeout=50")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnavailable, match=f"^The database {path} is locked by another"):
        Writer(engine).write(Changes(tasks=[a_task()]))
    assert run(engine, tasks.count_capped(tasks.EVERY)).count == 0
    other.execute("ROLLBACK")
    Writer(engine).write(Changes(tasks=[a_task()]))
    assert run(engine, tasks.count_capped(tasks.EVERY)).count == 1


def test_a_full_disk_is_said_to_be_and_leaves_no_half_batch(tmp_path: Path) -> None:
    path = tmp_path / "umbel.db"
    engine = open_engine(database_url(str(path), ""))
    migrations.upgrade(engine)
    pages = sqlite3.connect(path).execute("PRAGMA page_count").fetchone()[0]
    on_connect(engine, f"max_page_count={pages + 20}")
    written = 0

    def fill() -> None:
        nonlocal written
        writer = Writer(engine)
        for batch in range(1000):
            rows = [a_task(f"{batch}-{number}", args="x" * 500) for number in range(10)]
            writer.write(Changes(tasks=rows))
            written += len(rows)

    with pytest.raises(DatabaseUnavailable) as refused:
        fill()
    assert str(refused.value) == (
        f"There is no room left for the database {path}: disk or quota is full."
    )
    assert run(engine, tasks.count_capped(tasks.EVERY)).count == written > 0


async def test_an_asynchronous_engine_says_the_same(tmp_path: Path) -> None:
    url = database_url(str(tmp_path / "umbel.db"), "")
    open_engine(url).dispose()
    engine = open_async_engine(url)
    with pytest.raises(DatabaseUnavailable) as refused:
        await run_async(engine, tasks.count_capped(tasks.EVERY))
    await engine.dispose()
    assert str(refused.value) == (
        f"The database {tmp_path}/umbel.db lacks Umbel's tables:"
        " run `umbel db upgrade` to make them."
    )


def test_a_server_that_is_away_is_named_without_its_password() -> None:
    port = free_port()
    with pytest.raises(DatabaseUnavailable) as refused:
        open_engine(database_url(f"postgresql://ada:secret@127.0.0.1:{port}/umbel", ""))
    assert str(refused.value) == (
        f"The database postgresql://ada@127.0.0.1:{port}/umbel cannot be reached:"
        " connection refused."
    )


@pytest.mark.postgres
def test_an_unknown_user_and_an_unknown_database_are_told_apart(postgres_url: str) -> None:
    url = sa.make_url(postgres_url)
    with pytest.raises(DatabaseUnavailable, match="refused the login of eve"):
        open_engine(url.set(username="eve", password="secret"))
    with pytest.raises(DatabaseUnavailable, match="the server has no database of that name"):
        open_engine(url.set(database="nowhere"))


def test_a_refused_password_is_said_without_repeating_it() -> None:
    url = sa.make_url("postgresql+psycopg://ada:secret@db/umbel")
    error = psycopg.OperationalError('FATAL:  password authentication failed for user "ada"')
    assert str(unavailable(url, error)) == (
        "The database postgresql://ada@db/umbel refused the login of ada."
    )
    assert "secret" not in str(unavailable(url, psycopg.OperationalError("bad secret")))


@pytest.mark.postgres
def test_a_session_ended_by_the_server_is_said_and_the_next_one_works(postgres_url: str) -> None:
    engine = open_engine(sa.make_url(postgres_url))
    other = open_engine(sa.make_url(postgres_url))
    with engine.connect() as connection:
        pid = connection.scalar(sa.text("SELECT pg_backend_pid()"))
        with other.connect() as killer:
            killer.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        with pytest.raises(DatabaseUnavailable, match="went away"):
            connection.scalar(sa.text("SELECT 1"))
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1
    other.dispose()
    engine.dispose()

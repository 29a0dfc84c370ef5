"""A throw-away PostgreSQL cluster on loopback."""

from __future__ import annotations

import glob
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from harness.waiting import wait_until
from umbel_backend.demo.processes import GuardedProcess, free_port

_USER = "umbel"
# PostgreSQL refuses to run as root; the switch execs, so that the pid stays the server's own.
_AS_USER = (
    "import os, pwd, sys; u = pwd.getpwnam(sys.argv[1]); os.setgroups([]); os.setgid(u.pw_gid);"
    " os.setuid(u.pw_uid); os.execv(sys.argv[2], sys.argv[2:])"
)


def find_postgres() -> Path | None:
    """Return the directory of ``initdb`` and ``postgres``; None where they cannot be run."""
    if os.getuid() == 0 and not any(user.pw_name == "postgres" for user in pwd.getpwall()):
        return None
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
    if found := shutil.which("initdb"):
        folders.insert(0, str(Path(found).resolve().parent))
    for folder in folders:
        if (Path(folder) / "initdb").exists() and (Path(folder) / "postgres").exists():
            return Path(folder)
    return None


class PostgresCluster:
    """Made by initdb in a temporary folder, without fsync, removed at the end."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="umbel-postgres-"))
        self._port = free_port()
        self._numbers = itertools.count(1)
        self._process: GuardedProcess | None = None

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of ``database``."""
        return f"postgresql+psycopg://{_USER}@127.0.0.1:{self._port}/{database}"

    def create_database(self) -> tuple[str, str]:
        """Create an empty database; return its URL and its name."""
        name = f"test_{next(self._numbers)}"
        self._admin(f"CREATE DATABASE {name}")
        return self.url(name), name

    def drop_database(self, name: str) -> None:
        """Remove a database, whoever is still connected."""
        self._admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def __enter__(self) -> Self:
        data = self._folder / "data"
        prefix: list[str] = []
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
            prefix = [sys.executable, "-I", "-S", "-c", _AS_USER, owner.pw_name]
        make = [str(self._programs / "initdb"), "-D", str(data), "-U", _USER, "-A", "trust"]
        make += ["-E", "UTF8", "--locale=C", "--no-sync"]
        made = subprocess.run(
            [*prefix, *make], capture_output=True, text=True, check=False, cwd=self._folder
        )
        assert made.returncode == 0, f"initdb failed:\n{made.stdout}{made.stderr}"
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "shared_buffers": "32MB",
            "max_connections": "60",
        }
        serve = [str(self._programs / "postgres"), "-D", str(data), "-p", str(self._port)]
        serve += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._process = GuardedProcess(
            [*prefix, *serve],
            pid_file=self._folder / "postgres.pid",
            log=self._folder / "postgres.log",
            cwd=self._folder,
        )
        wait_until(self._answers, 30, lambda: f"PostgreSQL to answer:\n{self._log()}")
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            # SIGINT ends it fast; SIGTERM would wait for clients, SIGKILL would leak shared memory.
            process = self._process
            process.kill(signal.SIGINT)
            wait_until(lambda: not process.is_running, 10, "PostgreSQL to end")
            process.end()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _admin(self, statement: str) -> None:
        with psycopg.connect(self._dsn(), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _dsn(self) -> str:
        return f"postgresql://{_USER}@127.0.0.1:{self._port}/postgres"

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.is_running, f"PostgreSQL ended:\n{self._log()}"
        try:
            psycopg.connect(self._dsn(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _log(self) -> str:
        return self._process.log_text() if self._process else ""

"""``umbel recorder`` as a process, and what it wrote, read as a user and as SQLite would."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from harness.command import UMBEL, Run, home_environment, run_inside, run_umbel
from harness.waiting import wait_until


class Site:
    """One broker, one database file, and Umbel's processes over them, in a home of their own."""

    def __init__(self, folder: Path, broker_url: str, backend_url: str | None = None) -> None:
        self.folder = folder
        self.broker_url = broker_url
        self.file = folder / "umbel.db"
        self.environment = {
            **home_environment(folder),
            "UMBEL_BROKER": broker_url,
            "UMBEL_DB": str(self.file),
        }
        if backend_url is not None:
            self.environment["UMBEL_RESULT_BACKEND"] = backend_url
        self._log = folder / "recorder.log"
        self._processes: list[subprocess.Popen[bytes]] = []

    def recorder(self) -> subprocess.Popen[bytes]:
        """Start a recorder and wait until events flow into it."""
        before = self.log().count("INFO    recording")
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [UMBEL, "recorder"],
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._processes.append(process)
        wait_until(
            lambda: self.log().count("INFO    recording") > before,
            30,
            lambda: f"the recorder to record; its log:\n{self.log()}",
        )
        return process

    def log(self) -> str:
        """Return what recorders logged so far."""
        return self._log.read_text() if self._log.exists() else ""

    def stop(self) -> None:
        """End all recorders."""
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self._processes:
            process.wait(30)

    def umbel(self, *words: str) -> Run:
        """Run a command to its end, in a process of its own."""
        return run_umbel(*words, environment=self.environment, cwd=self.folder)

    def inside(self, *words: str) -> Run:
        """Run a command in this process, which is quicker."""
        return run_inside(*words, environment=self.environment, cwd=self.folder)

    def query(self, statement: str, *values: object) -> list[Any]:
        """Ask SQLite itself; nothing while there is no database yet."""
        if not self.file.exists():
            return []
        with closing(sqlite3.connect(self.file, timeout=30)) as connection:
            return connection.execute(statement, values).fetchall()

    def count(self, where: str = "1 = 1") -> int:
        """Return how many task rows there are."""
        rows = self.query(f"SELECT count(*) FROM task WHERE {where}")
        return int(rows[0][0]) if rows else 0

    def gaps(self) -> list[dict[str, Any]]:
        """Return what ``umbel gaps --json`` tells, with instants as Unix seconds."""
        found: list[dict[str, Any]] = self.umbel("gaps", "--json").json()
        for gap in found:
            for name in ("started_at", "ended_at"):
                gap[name] = gap[name] and datetime.fromisoformat(gap[name]).timestamp()
        return found

    def is_sound(self) -> bool:
        """Whether SQLite finds the file, its references and its text index in order."""
        with closing(sqlite3.connect(self.file)) as connection:
            connection.execute(
                "INSERT INTO task_search (task_search, rank) VALUES ('integrity-check', 1)"
            )
            return (
                connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                and connection.execute("PRAGMA foreign_key_check").fetchall() == []
            )


def rss_mib(process: subprocess.Popen[bytes]) -> float:
    """Return how much memory ``process`` holds."""
    return float(psutil.Process(process.pid).memory_info().rss) / 2**20

"""The demo cluster: server, two workers, beat, traffic and further commands, as one thing."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import platformdirs

from umbel_backend.demo.processes import (
    DirectoryLock,
    GuardedProcess,
    end_left_behind,
    wait_for,
)
from umbel_backend.demo.server import EmbeddedServer
from umbel_backend.errors import DatabaseUnavailable, UmbelError

WORKERS: Mapping[str, Sequence[str]] = {
    "w1": ("high", "default"),
    "w2": ("default", "reports"),
}
"""Each worker's name and queues; its node name is ``NAME@demo``."""

Part = Literal["starting", "running", "ended"]


def default_data_dir() -> Path:
    """Return where the demo keeps its data when no folder is given: the platform's data folder."""
    return Path(platformdirs.user_data_dir("umbel", appauthor=False)) / "demo"


@dataclass(frozen=True, slots=True)
class _Plan:
    name: str
    command: Sequence[str]
    grace_s: float


class DemoStack:
    """Starts everything at once and ends everything in order; nothing outlives this process.

    Args:
        data_dir: Server data, database, logs and pid files; one demo at a time. None is
            `default_data_dir`.
        extra: Further commands, for example the recorder, run with `env` and ended after the
            workers, so that they see how those end.
        seed: Of the traffic.
        concurrency: Pool processes of each worker.
        traffic: False starts everything but the traffic and the beat.
    """

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        extra: Sequence[Sequence[str]] = (),
        seed: int = 7,
        concurrency: int = 4,
        traffic: bool = True,
    ) -> None:
        self.data_dir = (data_dir or default_data_dir()).expanduser().resolve()
        self.log_dir = self.data_dir / "logs"
        self.database = self.data_dir / "umbel.db"
        self.server = EmbeddedServer(self.data_dir / "server")
        self._extra = extra
        self._seed = seed
        self._concurrency = concurrency
        self._traffic = traffic
        self._lock = DirectoryLock(self.data_dir / "demo.lock")
        self._parts: dict[str, GuardedProcess] = {}
        self._consuming: set[str] = set()

    @property
    def broker_url(self) -> str:
        """URL of the broker; its port is known after `start`."""
        return self.server.url(0)

    @property
    def backend_url(self) -> str:
        """URL of the result backend: another database of the same server."""
        return self.server.url(1)

    @property
    def env(self) -> dict[str, str]:
        """Environment of every process of the stack, with Celery's and Umbel's variables."""
        return {
            **os.environ,
            "CELERY_BROKER_URL": self.broker_url,
            "CELERY_RESULT_BACKEND": self.backend_url,
            "UMBEL_BROKER": self.broker_url,
            "UMBEL_RESULT_BACKEND": self.backend_url,
            "UMBEL_DB": str(self.database),
        }

    def start(self) -> Self:
        """Start all of it; returns as soon as the broker answers, the workers follow in seconds.

        What an earlier, killed demo left running in the same folder is ended first.

        Raises:
            Refused: A demo already runs in this folder; the sentence names its process.
            BrokerUnavailable: There is no server program, or it did not start.
            DatabaseUnavailable: The folder cannot be made.
        """
        try:
            self.log_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise DatabaseUnavailable(
                f"The demo's folder {self.data_dir} cannot be made: {error.strerror}."
            ) from error
        self._lock.acquire()
        try:
            self._end_left_behind()
            self.server.start()
            for plan in self._plans():
                self._parts[plan.name] = GuardedProcess(
                    plan.command,
                    pid_file=self.data_dir / f"{plan.name}.pid",
                    log=self.log_dir / f"{plan.name}.log",
                    env=self.env,
                    cwd=self.data_dir,
                    grace_s=plan.grace_s,
                )
        except BaseException:
            self.stop()
            raise
        return self

    def status(self) -> dict[str, Part]:
        """Return how each part is: ``server``, ``w1``, ``w2``, ``beat``, ``traffic``, ``extra1`` …

        A worker is ``starting`` until it consumes.
        """
        found: dict[str, Part] = {"server": "running" if self.server.is_running else "ended"}
        for name, process in self._parts.items():
            if not process.is_running:
                found[name] = "ended"
            else:
                found[name] = "running" if self._is_up(name, process) else "starting"
        return found

    def ready(self) -> bool:
        """Whether every part runs and both workers consume.

        Raises:
            UmbelError: A part has ended by itself; the sentence ends with its last words.
        """
        status = self.status()
        for name, state in status.items():
            if state == "ended":
                raise UmbelError(f"The demo's {name} has ended by itself. {self._last_words(name)}")
        return bool(status) and all(state == "running" for state in status.values())

    def wait_ready(self, timeout_s: float = 30.0) -> None:
        """Wait until `ready`.

        Raises:
            UmbelError: Not within ``timeout_s``, or a part has ended.
        """
        if not wait_for(self.ready, timeout_s):
            waiting = ", ".join(name for name, state in self.status().items() if state != "running")
            raise UmbelError(
                f"The demo was not ready in {timeout_s:g} s; still starting: {waiting}."
            )

    def pids(self) -> dict[str, int]:
        """Return the process id of every part; pool processes are not among them."""
        running = {name: part.pid for name, part in self._parts.items() if part.is_running}
        return {"server": self.server.pid, **running} if self.server.is_running else running

    def stop(self) -> None:
        """End everything in order, within some 5 s: producers, workers, the rest, the server."""
        for names in (("traffic", "beat"), tuple(WORKERS), tuple(self._parts)):
            ending = [self._parts.pop(name) for name in names if name in self._parts]
            for process in ending:
                process.ask_to_end()
            for process in ending:
                process.end()
        self._consuming.clear()
        self.server.stop()
        self._lock.release()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _plans(self) -> list[_Plan]:
        celery = [sys.executable, "-m", "celery", "-A", "umbel_backend.demo.app"]
        pool = [
            "-P",
            "prefork",
            "-c",
            str(self._concurrency),
            "-E",
            "-l",
            "INFO",
            "--without-mingle",
        ]
        # The longest tasks run for minutes, so that a warm shutdown is cut off after a moment.
        plans = [
            _Plan(f"extra{number}", command, 2.0) for number, command in enumerate(self._extra, 1)
        ]
        plans += [
            _Plan(
                name,
                [*celery, "worker", "-n", f"{name}@demo", *pool, "-Q", ",".join(queues)],
                2.0,
            )
            for name, queues in WORKERS.items()
        ]
        if self._traffic:
            schedule = str(self.data_dir / "beat-schedule")
            beat = [*celery, "beat", "-s", schedule, "--pidfile=", "-l", "INFO"]
            produce = [sys.executable, "-m", "umbel_backend.demo.traffic"]
            plans.append(_Plan("beat", beat, 1.0))
            plans.append(_Plan("traffic", [*produce, "--seed", str(self._seed)], 0.5))
        return plans

    def _end_left_behind(self) -> None:
        # The server's own start ends a server left behind; it knows better whether it is ours.
        for pid_file in sorted(self.data_dir.glob("*.pid")):
            end_left_behind(pid_file, grace_s=1.0)

    def _is_up(self, name: str, process: GuardedProcess) -> bool:
        if name not in WORKERS or name in self._consuming:
            return True
        if f"{name}@demo ready." not in process.log_text():
            return False
        self._consuming.add(name)
        return True

    def _last_words(self, name: str) -> str:
        if name == "server":
            return f"See {self.server.data_dir / 'server.log'}."
        return self._parts[name].log_tail(1).strip() or "It wrote nothing."

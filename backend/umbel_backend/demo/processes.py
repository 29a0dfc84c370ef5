"""Processes that end with their starter, and the ending of what an earlier start left behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from umbel_backend.demo import child
from umbel_backend.errors import Refused, UmbelError

_POLL_S = 0.02


def free_port() -> int:
    """Return a port on 127.0.0.1 that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Whether ``condition`` became true within ``timeout_s``; it is asked every 20 ms."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
    return True


class DirectoryLock:
    """The right to run things in a directory; the kernel gives it back when the holder dies."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            Refused: Another process holds it; the sentence names that process.
        """
        handle = self.path.open("a+")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            handle.close()
            raise Refused(
                f"{self.path.parent} is in use by process {holder}; end that one first or choose"
                " another directory."
            ) from None
        handle.truncate(0)
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        self._file = handle

    def release(self) -> None:
        """Give the lock back; doing it twice is fine."""
        if self._file is not None:
            self._file.close()
            self._file = None


class GuardedProcess:
    """A command under `umbel_backend.demo.child`: it ends by `end` or when this process dies.

    It leads a process group of its own, out of reach of the terminal's Ctrl-C. Standard output and
    error go to ``log``. Starting does not wait for it.

    Args:
        command: Program and arguments.
        pid_file: Where the pid is kept for `end_left_behind`.
        log: Overwritten at each start.
        env: The whole environment; None passes this process's own.
        cwd: Working directory; None is this process's own.
        grace_s: Between SIGTERM and SIGKILL; 0 goes straight to SIGKILL.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        pid_file: Path,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        grace_s: float = 3.0,
    ) -> None:
        self.log_path = log
        self.grace_s = grace_s
        self._pid: int | None = None
        # -I and -S: no site-packages, no user's PYTHON* settings, a start in some 15 ms.
        supervisor = [sys.executable, "-I", "-S", child.__file__, str(pid_file), str(grace_s)]
        log.write_bytes(b"")
        # Appending, so that a log that is cut while it is written has no hole.
        with log.open("ab") as output:
            try:
                self._supervisor = subprocess.Popen(
                    [*supervisor, *command],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=output,
                    env=env,
                    cwd=cwd,
                    start_new_session=True,
                )
            except OSError as error:
                raise UmbelError(f"{command[0]} could not be started: {error}.") from error

    @property
    def pid(self) -> int:
        """Process id of the command itself.

        Raises:
            UmbelError: It could not be started.
        """
        if self._pid is None:
            pipe = self._supervisor.stdout
            assert pipe is not None
            # A plain read would never come back if the supervisor were stopped by a debugger.
            ready = not pipe.closed and select.select([pipe], [], [], 10)[0]
            line = pipe.readline() if ready else b""
            if not line.strip():
                raise UmbelError(f"A process did not start: {self.log_tail() or 'no output'}")
            self._pid = int(line)
            pipe.close()
        return self._pid

    def poll(self) -> int | None:
        """Return the command's exit code, 128 + N after signal N; None while it runs."""
        return self._supervisor.poll()

    @property
    def is_running(self) -> bool:
        """Whether the command has not ended yet."""
        return self.poll() is None

    def log_text(self) -> str:
        """Return everything it has written so far."""
        with contextlib.suppress(OSError):
            return self.log_path.read_text(errors="replace")
        return ""

    def log_tail(self, lines: int = 20) -> str:
        """Return the last ``lines`` lines it has written."""
        return "\n".join(self.log_text().splitlines()[-lines:])

    def ask_to_end(self) -> None:
        """Begin the end, as `end` does, without waiting for it."""
        if self._supervisor.stdin is not None:
            self._supervisor.stdin.close()

    def end(self) -> None:
        """SIGTERM, the grace, SIGKILL for the whole group; returns when it is gone."""
        self.ask_to_end()
        try:
            self._supervisor.wait(self.grace_s + 5)
        except subprocess.TimeoutExpired:
            child.kill_group(self.pid)
            self._supervisor.kill()
            self._supervisor.wait()
        # Read what the pipe still holds before it is closed.
        with contextlib.suppress(UmbelError):
            _ = self.pid
        if self._supervisor.stdout is not None:
            self._supervisor.stdout.close()

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the command alone and, if it is SIGKILL, wait until it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
        if number == signal.SIGKILL:
            self._supervisor.wait(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end()


def left_behind(pid_file: Path) -> int | None:
    """Return the pid in ``pid_file`` if that very process still runs, else None."""
    try:
        pid_text, _, known = pid_file.read_text().strip().partition(" ")
        pid = int(pid_text)
    except (OSError, ValueError):
        return None
    return pid if known and child.identity(pid) == known else None


def end_left_behind(pid_file: Path, *, grace_s: float = 2.0) -> int | None:
    """End the process an earlier, killed start left, with its group; return its pid, if any.

    Nothing is done to a process that merely has the same pid. Call it under the `DirectoryLock`, so
    that what the file names cannot belong to a living starter.
    """
    pid = left_behind(pid_file)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        if not wait_for(lambda: child.identity(pid) is None, grace_s):
            child.kill_group(pid)
            wait_for(lambda: child.identity(pid) is None, 5.0)
    pid_file.unlink(missing_ok=True)
    return pid

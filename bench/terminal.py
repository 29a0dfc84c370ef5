"""A program on a pseudo terminal: every byte it wrote with its time, and what the screen showed then.

Reading is all that happens while the program runs; the screen is put together afterwards from what
was kept, so that looking costs the measured program nothing.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pyte

ROOT = Path(__file__).parent.parent


class Terminal:
    """A command on a terminal of its own.

    Args:
        command: What to run.
        columns, lines: Size of the terminal.
        environment: Over this process's own.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        columns: int = 120,
        lines: int = 40,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.columns, self.lines = columns, lines
        self.chunks: list[tuple[float, bytes]] = []
        """What it wrote, each with when it was read (`time.monotonic`)."""
        self._end, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            command,
            stdin=child,
            stdout=child,
            stderr=child,
            cwd=ROOT,
            start_new_session=True,
            env={
                **os.environ,
                "TERM": "xterm-256color",
                "COLORTERM": "truecolor",
                "COLUMNS": str(columns),
                "LINES": str(lines),
                **(environment or {}),
            },
        )
        os.close(child)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def press(self, keys: str) -> float:
        """Send ``keys``; returns when."""
        at = time.monotonic()
        os.write(self._end, keys.encode())
        return at

    def bytes_between(self, start: float, end: float) -> int:
        """Return how many bytes were written between two moments."""
        return sum(len(chunk) for at, chunk in list(self.chunks) if start <= at < end)

    def holds(self, words: bytes) -> bool:
        """Whether ``words`` were written in one piece, wherever; cheap, for waiting."""
        return words in b"".join(chunk for _, chunk in list(self.chunks))

    def wait_for(self, words: bytes, timeout_s: float = 30.0) -> None:
        """Wait until ``words`` were written.

        Raises:
            TimeoutError: They were not; with the last of what was.
        """
        deadline = time.monotonic() + timeout_s
        while not self.holds(words):
            if time.monotonic() > deadline or self.process.poll() is not None:
                tail = b"".join(chunk for _, chunk in self.chunks)[-2000:]
                raise TimeoutError(f"{words!r} was not written in {timeout_s:.0f} s: {tail!r}")
            time.sleep(0.01)

    def screens(self, start: float = 0.0) -> Iterator[tuple[float, pyte.Screen]]:
        """Replay what was written: when a piece came, and the screen after it (always the same object).

        Args:
            start: Pieces read before are replayed too, but not told.
        """
        screen = pyte.Screen(self.columns, self.lines)
        stream = pyte.ByteStream(screen)
        for at, chunk in list(self.chunks):
            stream.feed(chunk)
            if at >= start:
                yield at, screen

    def stop(self) -> None:
        """End the program: politely, then not."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)
        self._thread.join(2)
        os.close(self._end)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _read(self) -> None:
        while True:
            try:
                ready, _, _ = select.select([self._end], [], [], 0.5)
                if not ready:
                    if self.process.poll() is not None:
                        return
                    continue
                chunk = os.read(self._end, 65_536)
            except OSError:
                return
            if not chunk:
                return
            self.chunks.append((time.monotonic(), chunk))

"""A program on a pseudo terminal: what it sends, and what its screen shows."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pyte

from harness.waiting import wait_until


class Terminal:
    """A process on a terminal of its own, of ``width`` by ``height`` cells.

    Its three streams are that terminal, as in a shell; Textual draws on standard error.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: dict[str, str],
        cwd: Path,
        *,
        width: int = 120,
        height: int = 36,
        preexec: Callable[[], None] | None = None,
    ) -> None:
        self.screen = pyte.Screen(width, height)
        self.sent = b""
        """Everything the program wrote."""
        self._stream = pyte.ByteStream(self.screen)
        self._end, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.process = subprocess.Popen(
            list(command),
            stdin=child,
            stdout=child,
            stderr=child,
            env={"TERM": "xterm-256color", **environment},
            cwd=cwd,
            start_new_session=True,
            preexec_fn=preexec,
        )
        os.close(child)

    def resize(self, width: int, height: int) -> None:
        """Make the window ``width`` by ``height`` cells, and tell the program so."""
        self.screen.resize(height, width)
        fcntl.ioctl(self._end, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        # It has no controlling terminal, whose kernel would send this.
        self.process.send_signal(signal.SIGWINCH)

    @property
    def text(self) -> str:
        """What the screen shows, line by line."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def line(self, words: str) -> str:
        """Return the first line that shows ``words``; empty if none does."""
        return next((line for line in self.text.splitlines() if words in line), "")

    def place(self, words: str) -> tuple[int, int]:
        """Return column and line, from 0, of the first ``words`` on the screen.

        Raises:
            AssertionError: They are not there.
        """
        for y, line in enumerate(self.screen.display):
            if words in line:
                return line.index(words), y
        raise AssertionError(f"{words!r} is not on the screen:\n{self.text}")

    def until(self, words: str | Callable[[str], object], timeout_s: float = 20.0) -> str:
        """Wait until the screen shows ``words``, or until it passes a test; returns its text."""

        def shown() -> bool:
            self.read()
            return bool(words(self.text)) if callable(words) else words in self.text

        wait_until(shown, timeout_s, lambda: f"{words!r}; the screen shows\n{self.text}")
        return self.text

    def press(self, keys: str) -> None:
        """Type ``keys``."""
        os.write(self._end, keys.encode())

    def read(self, timeout_s: float = 0.02) -> bool:
        """Take what the program wrote since; False when there was nothing."""
        if not select.select([self._end], [], [], timeout_s)[0]:
            return False
        try:
            chunk = os.read(self._end, 65_536)
        except OSError:
            return False
        self.sent += chunk
        self._stream.feed(chunk)
        return bool(chunk)

    def click(self, column: int, line: int, *, modifiers: int = 0) -> None:
        """Press and release the left mouse button over a cell, counted from 0.

        Args:
            column: Of the cell.
            line: Of the cell.
            modifiers: What xterm adds for keys held: 4 for shift, 16 for ctrl.
        """
        where = f"{modifiers};{column + 1};{line + 1}"
        self.press(f"\x1b[<{where}M\x1b[<{where}m")

    def settle(self, quiet_s: float = 0.3) -> None:
        """Wait until the program has been quiet for ``quiet_s``, or has had its say for 2 s."""
        deadline = time.monotonic() + 2
        while self.read(quiet_s) and time.monotonic() < deadline:
            pass

    def end(self, timeout_s: float = 20.0) -> int:
        """Wait until the program ends, and return its exit code."""

        def ended() -> bool:
            self.read()
            return self.process.poll() is not None

        wait_until(ended, timeout_s, lambda: f"it to end; the screen shows\n{self.text}")
        while self.read(0):
            pass
        return self.process.returncode

    def hang_up(self) -> None:
        """Take the terminal away, as a broken line does."""
        if self._end >= 0:
            os.close(self._end)
        self._end = -1

    def close(self) -> None:
        """End what still runs: politely, by taking its terminal away, then not."""
        self.hang_up()
        try:
            # The kernel would tell it, were this its controlling terminal.
            self.process.send_signal(signal.SIGHUP)
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

"""The entry the command line calls, in a process and on a terminal of its own."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyte
import pytest

SCRIPT = """
import sys
from umbel_backend.settings import Context, Settings
from umbel_console.opening import run
sys.exit(run(Settings(context=Context(name="prod", broker="redis://127.0.0.1:1/0", db=sys.argv[1]))))
"""


class Terminal:
    """A process on a pseudo terminal, and what its screen shows."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.screen = pyte.Screen(100, 30)
        self._stream = pyte.ByteStream(self.screen)
        self.sent = b""
        self._end, child = pty.openpty()
        self.process = subprocess.Popen(
            command,
            stdin=child,
            stdout=child,
            stderr=child,
            close_fds=True,
            env={**os.environ, **environment, "COLUMNS": "100", "LINES": "30"},
        )
        os.close(child)

    def read(self, timeout_s: float) -> None:
        ready, _, _ = select.select([self._end], [], [], timeout_s)
        if ready:
            try:
                chunk = os.read(self._end, 65_536)
            except OSError:
                return
            self.sent += chunk
            self._stream.feed(chunk)

    def until(self, words: str, timeout_s: float = 20.0) -> None:
        ends = time.monotonic() + timeout_s
        while words not in "\n".join(self.screen.display):
            assert time.monotonic() < ends, "\n".join(self.screen.display)
            self.read(0.1)

    def press(self, keys: bytes) -> None:
        os.write(self._end, keys)

    def hang_up(self) -> None:
        os.close(self._end)

    def end(self, timeout_s: float = 20.0) -> int:
        ends = time.monotonic() + timeout_s
        while self.process.poll() is None:
            assert time.monotonic() < ends, "\n".join(self.screen.display)
            self.read(0.1)
        while select.select([self._end], [], [], 0)[0]:
            before = len(self.sent)
            self.read(0)
            if len(self.sent) == before:
                break
        os.close(self._end)
        return self.process.returncode


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}


def test_without_a_terminal_it_says_so_and_exits_2(tmp_path: Path, home: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "h.db")],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **home},
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "needs a terminal" in done.stderr
    assert done.stdout == ""


def test_on_a_terminal_it_opens_says_what_is_wrong_and_q_exits_0(
    tmp_path: Path, home: dict[str, str]
) -> None:
    terminal = Terminal([sys.executable, "-c", SCRIPT, str(tmp_path / "h.db")], home)
    terminal.until("PROD")
    terminal.until("127.0.0.1:1")
    terminal.until("trying again")
    terminal.press(b"q")
    assert terminal.end() == 0
    assert b"Traceback" not in terminal.sent


def test_a_terminal_that_is_not_utf8_gets_ascii_only(tmp_path: Path, home: dict[str, str]) -> None:
    latin = {**home, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    terminal = Terminal([sys.executable, "-c", SCRIPT, str(tmp_path / "h.db")], latin)
    terminal.until("PROD")
    terminal.until("not UTF-8")
    terminal.press(b"q")
    assert terminal.end() == 0
    assert terminal.sent.isascii()


def test_it_ends_when_its_terminal_goes_away(tmp_path: Path, home: dict[str, str]) -> None:
    terminal = Terminal([sys.executable, "-c", SCRIPT, str(tmp_path / "h.db")], home)
    terminal.until("PROD")
    terminal.hang_up()
    assert terminal.process.wait(20) == 1


def test_it_ends_at_a_hangup_signal(tmp_path: Path, home: dict[str, str]) -> None:
    terminal = Terminal([sys.executable, "-c", SCRIPT, str(tmp_path / "h.db")], home)
    terminal.until("PROD")
    terminal.process.send_signal(signal.SIGHUP)
    assert terminal.end() == 1

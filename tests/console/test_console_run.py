"""The entry the command line calls, in a process and on a terminal of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.terminal import Terminal

SCRIPT = """
import sys
from umbel_backend.settings import Context, Settings
from umbel_console.opening import run
sys.exit(run(Settings(context=Context(name="prod", broker="redis://127.0.0.1:1/0", db=sys.argv[1]))))
"""


Open = Callable[..., Terminal]


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}


@pytest.fixture
def console(tmp_path: Path, home: dict[str, str]) -> Iterator[Open]:
    """Return a function that opens a console on a terminal; keywords are more variables."""
    opened = []

    def open_(**variables: str) -> Terminal:
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / "h.db")]
        environment = {**os.environ, **home, **variables}
        opened.append(Terminal(command, environment, tmp_path, width=100, height=30))
        return opened[-1]

    yield open_
    for terminal in opened:
        terminal.close()


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


def test_on_a_terminal_it_opens_says_what_is_wrong_and_q_exits_0(console: Open) -> None:
    terminal = console()
    terminal.until("PROD")
    terminal.until("127.0.0.1:1")
    terminal.until("trying again")
    terminal.press("q")
    assert terminal.end() == 0
    assert b"Traceback" not in terminal.sent


def test_a_terminal_that_is_not_utf8_gets_ascii_only(console: Open) -> None:
    terminal = console(LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")
    terminal.until("PROD")
    terminal.until("not UTF-8")
    terminal.press("q")
    assert terminal.end() == 0
    assert terminal.sent.isascii()


def test_it_ends_when_its_terminal_goes_away(console: Open) -> None:
    terminal = console()
    terminal.until("PROD")
    terminal.hang_up()
    assert terminal.process.wait(20) == 1


def test_it_ends_at_a_hangup_signal(console: Open) -> None:
    terminal = console()
    terminal.until("PROD")
    terminal.process.send_signal(signal.SIGHUP)
    assert terminal.end() == 1

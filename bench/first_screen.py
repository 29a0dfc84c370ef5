"""From the start of the process to a screen that tells something, against Flower's first answer.

    python -m bench.first_screen --rounds 7

The console starts on a pty of 120x40 next to a running server and a history of 2,000 tasks. The
screen counts as drawn when it shows the header with the broker's address and the table's columns;
for information, also when the table shows tasks and when the header says that events flow. Flower
counts from its start to the first HTTP 200 of its health check, asked every 2 ms. Each round runs
both, one after the other; one round before them is not counted.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from bench.database import build
from bench.figures import Row, print_rows, ratios, spread
from bench.terminal import Terminal

from umbel_backend.demo.processes import free_port
from umbel_backend.demo.server import EmbeddedServer

TASKS = 2_000
TIMEOUT_S = 30.0


def console_command(url: str, database: Path) -> list[str]:
    """Return the command as it is installed beside this Python."""
    return [str(Path(sys.executable).parent / "umbel"), "-b", url, "--db", str(database)]


def home(folder: Path) -> dict[str, str]:
    """Return an environment in which nothing of the user's own is read or written."""
    names = ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")
    return dict.fromkeys(names, str(folder))


def start_console(server: EmbeddedServer, folder: Path) -> dict[str, float]:
    """Return after how many seconds each thing was on the screen."""
    marks = {
        "screen": (f"127.0.0.1:{server.port}", "STATE", "TASK"),
        "tasks": ("shop.", "SUCCESS"),
        "live": ("● live",),
    }
    command = console_command(server.url(), folder / "history.db")
    with Terminal(command, environment=home(folder)) as terminal:
        terminal.wait_for("● live".encode(), TIMEOUT_S)
        terminal.wait_for(b"SUCCESS", TIMEOUT_S)
        time.sleep(0.1)
        return seen_at(terminal, marks)


def seen_at(terminal: Terminal, marks: Mapping[str, tuple[str, ...]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for at, screen in terminal.screens():
        text = "\n".join(screen.display)
        for mark, words in marks.items():
            if mark not in found and all(word in text for word in words):
                found[mark] = at - terminal.started_at
    return found


def start_flower(server: EmbeddedServer, folder: Path, port: int) -> float:
    """Return after how many seconds Flower answered."""
    command = [str(Path(sys.executable).parent / "celery"), f"--broker={server.url()}", "flower"]
    command += ["--address=127.0.0.1", f"--port={port}"]
    with (folder / "flower.log").open("wb") as log:
        started = time.monotonic()
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        while not answers(port):
            if time.monotonic() - started > TIMEOUT_S:
                raise TimeoutError((folder / "flower.log").read_text()[-2000:])
            time.sleep(0.002)
        return time.monotonic() - started
    finally:
        # It may be asked before it listens to being asked.
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"GET /healthcheck HTTP/1.0\r\n\r\n")
            return connection.recv(64).split(b" ")[1:2] == [b"200"]
    except OSError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(folder / "history.db", TASKS)
        with EmbeddedServer(folder / "server", append_only=False) as server:
            ours, theirs = [], []
            for number in range(options.rounds + 1):
                marks = start_console(server, folder)
                flower_s = start_flower(server, folder, free_port())
                if number:
                    ours.append(marks)
                    theirs.append(flower_s)
    screen = [marks["screen"] for marks in ours]
    ratio = ratios(screen, theirs)
    rows = [
        Row(
            what="first useful screen / first answer",
            ours=spread(screen, " s"),
            peer=spread(theirs, " s"),
            ratio=ratio,
            bar="<= 0.8x, < 0.5 s",
            met=ratio <= 0.8 and statistics.median(screen) < 0.5,
        ),
        *(
            Row(
                what=what,
                ours=spread([marks[mark] for marks in ours], " s"),
                ratio=ratios([marks[mark] for marks in ours], theirs),
            )
            for mark, what in (("tasks", "tasks in the table"), ("live", "events flow"))
        ),
    ]
    print_rows(f"umbel / flower, {options.rounds} starts in turn, warm files", rows)


if __name__ == "__main__":
    main()

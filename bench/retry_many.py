"""A thousand failed tasks, retried from the console by filter: seconds, CPU, keys meanwhile, a stop.

    export PYTHONPATH=tests
    python -m bench.retry_many                           about 2 minutes
    python -m bench.retry_many --tasks 200

A prefork worker with the agent, and a console on a pty that records too, as it does when it is alone. The
tasks fail because a folder is missing; then it is made, and one confirmation retries them all, without a
rate. While that goes on, keys move the cursor of the table behind it. In the second scene as many are
retried and stopped half way: what the console tells is held against the audit and against the files
that the tasks wrote. Exit code 0 in any case: read the table.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pyte
from bench.console_live import cursor_line, keys_row
from bench.figures import Row, print_rows
from bench.first_screen import console_command, home
from bench.terminal import Terminal
from celery import Celery

from harness.tasks import client
from harness.waiting import wait_until
from harness.worker import Workers
from umbel_backend.demo.server import EmbeddedServer

PATIENCE_S = 120.0
NEVER_MS = 10_000.0


class Seen:
    """The screen of a terminal, put together only while somebody waits for something on it."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self._screen = pyte.Screen(terminal.columns, terminal.lines)
        self._stream = pyte.ByteStream(self._screen)
        self._fed = 0

    @property
    def text(self) -> str:
        """What it shows now."""
        new = self.terminal.chunks[self._fed :]
        self._fed += len(new)
        for _, chunk in new:
            self._stream.feed(chunk)
        return "\n".join(self._screen.display)

    def wait(self, *words: str) -> str:
        """Wait until all of ``words`` are shown; return all that is."""
        wait_until(
            lambda: all(each in self.text for each in words),
            PATIENCE_S,
            lambda: f"{words}:\n{self.text}",
            every_s=0.02,
        )
        return self.text

    def press(self, *keys: str) -> None:
        """Press ``keys``, with a pause after esc."""
        for key in keys:
            self.terminal.press(key)
            if key == "\x1b":
                time.sleep(0.15)


@dataclass(frozen=True, slots=True)
class Stack:
    """A worker, a console and a database."""

    seen: Seen
    console: psutil.Process
    sender: Celery
    database: Path

    def query(self, statement: str, *values: object) -> list[Any]:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return connection.execute(statement, values).fetchall()

    def count(self, statement: str, *values: object) -> int:
        return int(self.query(f"SELECT count(*) FROM {statement}", *values)[0][0])

    def outcomes(self, ids: list[str]) -> dict[str, int]:
        """Return how many audit rows about ``ids`` have which outcome."""
        wanted = set(ids)
        found: dict[str, int] = {}
        for target, outcome in self.query("SELECT target, outcome FROM audit"):
            if target in wanted:
                found[outcome or "open"] = found.get(outcome or "open", 0) + 1
        return found


def failed(stack: Stack, folder: Path, queue: str, count: int) -> list[str]:
    """Have ``count`` tasks fail in ``queue``, for want of ``folder``, and wait until history has them."""
    ids = [
        str(
            stack.sender.send_task(
                "harness.tasks.touch", (str(folder / str(number)),), queue=queue
            ).id
        )
        for number in range(count)
    ]
    where = "task JOIN task_message ON task = id WHERE state = 'FAILURE' AND queue = ?"
    wait_until(
        lambda: stack.count(where, queue) == count,
        PATIENCE_S,
        lambda: f"{stack.count(where, queue)} of {count} failed tasks with their messages",
        every_s=0.2,
    )
    folder.mkdir()
    return ids


def asks(stack: Stack, queue: str, count: int) -> None:
    """Ask in the console for a retry of all that failed in ``queue``, without a rate."""
    seen = stack.seen
    seen.press("/", "\x15")
    seen.press(*f"queue:{queue} state:FAILURE\r")
    seen.wait(f"{count:,} shown", f"/ queue:{queue}")
    time.sleep(1.0)
    seen.press("R")
    seen.wait("Retry 1 task in")
    seen.press("a")
    seen.wait(f"Retry {count:,} tasks in", "m rate")
    seen.press("m", "m")
    seen.wait("m rate: no limit", f"Retry {count:,} tasks in")


def moves_while(seen: Seen, goes_on: Callable[[], bool]) -> list[float]:
    """Move the cursor down and up as long as something goes on; return the milliseconds to each paint."""
    pressed: list[float] = []
    while goes_on() or len(pressed) % 2:
        time.sleep(random.uniform(0.12, 0.28))
        pressed.append(seen.terminal.press("jk"[len(pressed) % 2]))
    time.sleep(1.0)
    return moved_ms(seen.terminal, pressed)


def moved_ms(terminal: Terminal, pressed: list[float]) -> list[float]:
    """Return after how long the cursor left its line for each key; rows come and go above it meanwhile.

    One that did not before the next key counts as the time between them, and is at least as bad.
    """
    took: list[float] = []
    screen = pyte.Screen(terminal.columns, terminal.lines)
    stream = pyte.ByteStream(screen)
    line: int | None = None
    is_waiting = False
    for at, chunk in list(terminal.chunks):
        while len(took) + is_waiting < len(pressed) and at >= pressed[len(took) + is_waiting]:
            if is_waiting:
                took.append((pressed[len(took) + 1] - pressed[len(took)]) * 1000)
            is_waiting, line = True, cursor_line(screen)
        stream.feed(chunk)
        if is_waiting and cursor_line(screen) not in (None, line):
            took.append((at - pressed[len(took)]) * 1000)
            is_waiting = False
    return took + [NEVER_MS] * (len(pressed) - len(took))


def retries_all(stack: Stack, folder: Path, count: int) -> Iterator[Row]:
    """Retry all, and move about in the table meanwhile."""
    ids = failed(stack, folder / "all", "default", count)
    asks(stack, "default", count)
    cpu_before, began_at = sum(stack.console.cpu_times()[:2]), time.monotonic()
    stack.seen.press("y")
    stack.seen.wait(f"of {count:,} tasks")
    stack.seen.press("\x1b")
    ended_at: list[float] = []

    def goes_on() -> bool:
        if not ended_at and stack.outcomes(ids).get("done", 0) == count:
            ended_at.append(time.monotonic())
        return not ended_at and time.monotonic() < began_at + PATIENCE_S

    took = moves_while(stack.seen, goes_on)
    cpu_s = sum(stack.console.cpu_times()[:2]) - cpu_before
    took_s = ended_at[0] - began_at if ended_at else float("inf")
    told = stack.outcomes(ids)
    batches = stack.query("SELECT count(DISTINCT batch) FROM audit WHERE action = 'retry'")[0][0]
    wait_until(lambda: len(list((folder / "all").iterdir())) == count, PATIENCE_S, "all files")
    files = list((folder / "all").iterdir())
    once = sum(file.read_text() == "ran\n" for file in files)
    yield Row(
        what=f"{count:,} retries, key to the last outcome",
        ours=f"{took_s:.1f} s, {cpu_s:.1f} s of CPU, {took_s / count * 1000:.1f} ms each",
    )
    yield Row(
        what="audit rows done, batches, tasks that ran once",
        ours=f"{told.get('done', 0):,}, {batches}, {once:,}",
        bar=f"{count:,}, 1, {count:,}",
        met=(told, batches, once) == ({"done": count}, 1, count),
    )
    yield keys_row("cursor keys meanwhile, press to paint", took)


def stops_half_way(stack: Stack, folder: Path, count: int) -> Iterator[Row]:
    """Begin to retry all, and stop when half of them are done."""
    ids = failed(stack, folder / "half", "reports", count)
    asks(stack, "reports", count)
    stack.seen.press("y")
    wait_until(
        lambda: stack.outcomes(ids).get("done", 0) >= count // 2,
        PATIENCE_S,
        "half of the outcomes",
        every_s=0.05,
    )
    stopped_at = time.monotonic()
    stack.seen.press("s")
    text = stack.seen.wait("not begun")
    took_s = time.monotonic() - stopped_at
    # Of what was opened in the audit with the last of them, some were not begun: refused, "Not begun."
    told = stack.outcomes(ids)
    done = told.get("done", 0)
    left = count - done
    half = folder / "half"
    wait_until(lambda: len(list(half.iterdir())) >= done, PATIENCE_S, "the files of those done")
    time.sleep(1.0)
    files = len(list(half.iterdir()))
    is_said = f"{done:,} done" in text and f"{left:,} not begun" in text
    yield Row(
        what="stopped half way: s to its end",
        ours=f"{took_s:.1f} s",
    )
    yield Row(
        what="done, not begun, tasks that ran; as the console tells",
        ours=f"{done:,}, {left:,}, {files:,}; {'yes' if is_said else 'NO'}",
        met=is_said and files == done and set(told) <= {"done", "refused"},
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--tasks", type=int, default=1_000, help="failed tasks in each scene")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(EmbeddedServer(folder / "server", append_only=False))
        workers = Workers(folder)
        stack.callback(workers.stop)
        workers.start(server.url(), app="harness.agent_tasks:app", result_backend=server.url(1))
        command = console_command(server.url(), folder / "umbel.db")
        terminal = stack.enter_context(Terminal(command, lines=36, environment=home(folder)))
        sender = client(server.url())
        stack.callback(sender.close)
        seen = Seen(terminal)
        seen.wait("● live", "rec here", "·admin")
        process = psutil.Process(terminal.process.pid)
        whole = Stack(seen, process, sender, folder / "umbel.db")
        rows = [*retries_all(whole, folder, options.tasks)]
        seen.press("\x1b")
        rows += stops_half_way(whole, folder, options.tasks)
    print_rows("Retry of many, from the console", rows)


if __name__ == "__main__":
    main()

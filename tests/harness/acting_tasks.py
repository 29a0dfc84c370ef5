"""Tasks to act on, in the project with the agent; workers run it as ``harness.acting_tasks:app``."""

# mypy: disallow-untyped-decorators=False

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any

import umbel_agent
from harness import agent_tasks

app: Any = agent_tasks.app

_DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


@app.task(name="harness.acting.stubborn_family")
def stubborn_family(file: str, seconds: float = 600.0) -> str:
    """Ignore SIGTERM, start a process that does too and has one below it; write all pids to ``file``."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {_DEAF!r}]); {_DEAF}"
    child = subprocess.Popen([sys.executable, "-c", code])
    _write(file, f"{os.getpid()} {child.pid}")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.02)
    return "slept"


@app.task(name="harness.acting.late_obedience")
def late_obedience(file: str) -> str:
    """Take SIGTERM for a wish, and return soon after it instead of dying."""
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    _write(file, str(os.getpid()))
    deadline = time.monotonic() + 600
    while not asked and time.monotonic() < deadline:
        time.sleep(0.02)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return "tidied up"


@app.task(name="harness.acting.count")
def count(file: str, until_file: str) -> str:
    """Append a line to ``file`` again and again, until the file ``until_file`` is there."""
    deadline = time.monotonic() + 600
    while not os.path.exists(until_file) and time.monotonic() < deadline:
        with open(file, "a", encoding="utf-8") as trace:
            trace.write("on\n")
        time.sleep(0.05)
    return "counted"


def _write(file: str, text: str) -> None:
    with open(f"{file}.part", "w", encoding="utf-8") as part:
        part.write(text)
    os.rename(f"{file}.part", file)


@app.task(name="harness.acting.once", bind=True)
def once(self: Any, folder: str, fails: bool = False) -> None:
    """Leave a trace under its own id at the beginning and at the end of a short run."""
    for word in ("began", "ended"):
        with open(os.path.join(folder, self.request.id), "a", encoding="utf-8") as trace:
            trace.write(f"{word}\n")
        time.sleep(0.1)
    if fails:
        raise ValueError("as it was told to")


@app.task(name="harness.acting.rows", autoretry_for=(OSError,))
def rows(file: str, until: int) -> int:
    """Append a line to ``file`` for each row, slowly in its first run, and keep how far it is."""
    start = umbel_agent.saved_state(0)
    for number in range(start, until):
        with open(file, "a", encoding="utf-8") as trace:
            trace.write(f"{number} {os.getpid()}\n")
        time.sleep(0.3 if start == 0 else 0.0)
        umbel_agent.checkpoint(number + 1)
    return until


@app.task(name="harness.acting.falter")
def falter(file: str, until: int, end: str) -> int:
    """Do rows as ``rows`` does, and come to a bad ``end`` after the fourth in the first run."""
    start = umbel_agent.saved_state(0)
    for number in range(start, until):
        with open(file, "a", encoding="utf-8") as trace:
            trace.write(f"{number} {os.getpid()}\n")
        umbel_agent.checkpoint(number + 1)
        if start == 0 and number == 3:
            if end == "raise":
                raise ValueError("a bad row")
            time.sleep(600)
    return until


@app.task(name="harness.acting.one_checkpoint")
def one_checkpoint(file: str, until_file: str) -> str:
    """Come to one checkpoint, say so in ``file``, and to no other until ``until_file`` is there."""
    umbel_agent.checkpoint({"row": 1})
    _write(file, str(os.getpid()))
    deadline = time.monotonic() + 600
    while not os.path.exists(until_file) and time.monotonic() < deadline:
        time.sleep(0.02)
    umbel_agent.checkpoint({"row": 2})
    return "done"

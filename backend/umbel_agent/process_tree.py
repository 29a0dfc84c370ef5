"""A process and everything below it: listed, signalled, and seen to be gone.

Read from ``/proc``; elsewhere by psutil where that is installed; else the process is taken to be alone. A
process is known by its pid and its start, so that another one that got the same pid is never meant.
"""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_PASSES = 3
"""How often a tree is looked through again for processes that were started meanwhile."""
_ENDED = frozenset("ZXx")


class Process(NamedTuple):
    """One process."""

    pid: int
    start: float
    """When it was started, in whatever unit the system tells it; only compared."""


def tree(pid: int) -> list[Process]:
    """Return the process ``pid`` and all below it, parents before children; empty if it is gone."""
    if not _has_proc():
        return _tree_elsewhere(pid)
    states = _every_process()
    below: dict[int, list[int]] = defaultdict(list)
    for each, (parent, _, _) in states.items():
        below[parent].append(each)
    found, left = [], [pid]
    while left:
        each = left.pop(0)
        if each in states and states[each][2] not in _ENDED:
            found.append(Process(each, states[each][1]))
        left += below.get(each, [])
    return found


def is_alive(process: Process) -> bool:
    """Tell whether that very process is there and has not ended."""
    if not _has_proc():
        return _is_alive_elsewhere(process)
    told = _stat(process.pid)
    return told is not None and told[1] == process.start and told[2] not in _ENDED


def send(processes: Iterable[Process], number: signal.Signals) -> None:
    """Send a signal to those of ``processes`` that are alive and may be signalled."""
    for process in processes:
        if is_alive(process):
            try:
                os.kill(process.pid, number)
            except OSError:
                continue  # it ended in this moment, or took another user's rights


def stop(pid: int) -> list[Process]:
    """Stop ``pid`` and all below it; return them.

    Looks again and again until nothing new is found, for a process may fork while others are stopped.
    """
    stopped: list[Process] = []
    for _ in range(_PASSES):
        new = [process for process in tree(pid) if process not in stopped]
        if not new:
            break
        send(new, signal.SIGSTOP)
        stopped += new
    return stopped


def go_on(processes: Iterable[Process]) -> None:
    """Let stopped ``processes`` go on, children before their parents."""
    send(reversed(list(processes)), signal.SIGCONT)


def kill(processes: Iterable[Process]) -> None:
    """Kill those of ``processes`` that are alive, and all below them.

    All are stopped first, so that none forks on.
    """
    found = [process for process in processes if is_alive(process)]
    for process in list(found):
        found += [each for each in stop(process.pid) if each not in found]
    send(found, signal.SIGKILL)


def _has_proc() -> bool:
    return (_PROC / "self" / "stat").exists()


def _every_process() -> dict[int, tuple[int, float, str]]:
    """Return parent, start and state of every process."""
    found = {}
    for name in os.listdir(_PROC):
        if name.isdigit() and (told := _stat(int(name))) is not None:
            found[int(name)] = told
    return found


def _stat(pid: int) -> tuple[int, float, str] | None:
    try:
        fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return int(fields[1]), float(fields[19]), fields[0]
    except (OSError, ValueError, IndexError):
        return None


def _tree_elsewhere(pid: int) -> list[Process]:
    try:
        import psutil
    except ImportError:
        return [Process(pid, 0.0)]
    try:
        first = psutil.Process(pid)
        every = [first, *first.children(recursive=True)]
        return [Process(each.pid, each.create_time()) for each in every]
    except psutil.Error:
        return []


def _is_alive_elsewhere(process: Process) -> bool:
    try:
        import psutil
    except ImportError:
        try:
            os.kill(process.pid, 0)
        except ProcessLookupError:
            return False
        except OSError:
            pass
        return True
    try:
        told = psutil.Process(process.pid)
        return told.create_time() == process.start and told.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False

"""How much CPU and memory a worker takes: its main process and everything below it.

Read from ``/proc``; elsewhere by psutil where that is installed; else of the main process alone.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the processes have used at one moment."""

    cpu_s: float
    """User and system time, of ended children too."""
    memory_bytes: int
    """Resident memory of all; pages they share are counted in each."""
    main_memory_bytes: int
    children: int
    """Processes below the main one."""


class Sampler:
    """Turns two readings into the CPU use between them."""

    def __init__(self) -> None:
        self._before = read()
        self._before_at = time.monotonic()

    def sample(self) -> dict[str, object]:
        """Return the fields of an ``umbel-sample``; the CPU is that since the last call."""
        usage, at = read(), time.monotonic()
        elapsed = max(at - self._before_at, 1e-3)
        cpu = max(0.0, usage.cpu_s - self._before.cpu_s) / elapsed * 100
        self._before, self._before_at = usage, at
        return {
            "cpu_percent": round(cpu, 1),
            "memory_bytes": usage.memory_bytes,
            "main_memory_bytes": usage.main_memory_bytes,
            "children": usage.children,
        }


def read() -> Usage:
    """Read what this process and those below it use now."""
    try:
        return _of_proc(os.getpid())
    except (OSError, ValueError, IndexError):
        return _elsewhere()


def _of_proc(pid: int) -> Usage:
    cpu, main_memory = _process(pid)
    memory, children = main_memory, 0
    for child in _below(pid):
        try:
            child_cpu, child_memory = _process(child)
        except OSError:
            continue  # it ended meanwhile: its time is in its parent's from now on
        cpu += child_cpu
        memory += child_memory
        children += 1
    return Usage(cpu_s=cpu, memory_bytes=memory, main_memory_bytes=main_memory, children=children)


def _process(pid: int) -> tuple[float, int]:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS, int(fields[21]) * _PAGE


def _below(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            children = (task / "children").read_text().split()
        except OSError:
            continue
        for child in map(int, children):
            yield child
            try:
                yield from _below(child)
            except OSError:
                continue


def _elsewhere() -> Usage:
    try:
        import psutil
    except ImportError:
        used = resource.getrusage(resource.RUSAGE_SELF)
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        cpu = used.ru_utime + used.ru_stime + ended.ru_utime + ended.ru_stime
        return Usage(cpu_s=cpu, memory_bytes=peak, main_memory_bytes=peak, children=0)
    main = psutil.Process()
    times = main.cpu_times()
    cpu = sum(times[:4])
    memory = main_memory = main.memory_info().rss
    below = main.children(recursive=True)
    for child in below:
        try:
            cpu += sum(child.cpu_times()[:2])
            memory += child.memory_info().rss
        except psutil.Error:
            continue
    return Usage(cpu_s=cpu, memory_bytes=memory, main_memory_bytes=main_memory, children=len(below))

"""Which run of a worker this is: a name for it, the same in all of its processes."""

from __future__ import annotations

import os
import time
from pathlib import Path

_VARIABLE = "UMBEL_BOOT"
"""Tells a pool process started as a fresh interpreter, where there is no /proc to ask."""
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def started_at(pid: int) -> float | None:
    """Return when process ``pid`` was started, in Unix seconds; None where that cannot be known."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        booted = next(
            float(line.split()[1])
            for line in Path("/proc/stat").read_text().splitlines()
            if line.startswith("btime ")
        )
        return booted + int(after_name[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, StopIteration):
        pass
    try:
        import psutil
    except ImportError:
        return None
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def of_this_process() -> str:
    """Return the boot of the worker whose main process this is, and tell it to its pool."""
    pid = os.getpid()
    start = started_at(pid) or time.time()
    boot = f"{pid}-{_base36(round(start * 1000))}"
    os.environ[_VARIABLE] = boot
    return boot


def of_parent() -> str:
    """Return the boot of the worker of which this is a pool process."""
    pid = os.getppid()
    told = os.environ.get(_VARIABLE, "")
    if told.startswith(f"{pid}-"):
        return told
    start = started_at(pid)
    return f"{pid}-{_base36(round(start * 1000))}" if start else f"{pid}-0"


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits or "0"

"""Runs one command that must not outlive its starter; a script of its own, standard library only.

The starter holds the write end of this process's standard input and never writes. When that pipe
closes, because the starter asked for the end or because it was killed, the command gets SIGTERM,
its grace, and then SIGKILL for its whole process group. A pipe does what ``PR_SET_PDEATHSIG``
does, but also on macOS, and it does not fire when only the starting *thread* ends.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

_LOG_CHECK_S = 60.0
_LOG_LIMIT_BYTES = 50_000_000
"""A log longer than this begins anew."""


def identity(pid: int) -> str | None:
    """Return what tells this process from a later one with the same pid; None if there is none.

    Source: boot id and start time in ``/proc``, elsewhere the start time that ``ps`` prints.
    """
    if sys.platform == "linux":
        try:
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            # The command's name stands in parentheses and may itself hold spaces and parentheses.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else f"{boot}/{fields[19]}"
    asked = subprocess.run(
        ["ps", "-o", "lstart=,stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    started, _, state = asked.stdout.strip().rpartition(" ")
    return started.strip() if started and not state.startswith("Z") else None


def kill_group(leader: int) -> None:
    """Send SIGKILL to the whole group that ``leader`` leads or led; no group is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def supervise(pid_file: Path, grace_s: float, command: list[str]) -> int:
    """Run ``command`` until it ends or standard input closes; return the exit code to pass on.

    The pid goes to standard output and, with the `identity`, to ``pid_file``, so that a later start
    can end what a killed supervisor left.
    """
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno(), process_group=0
    )
    temporary = pid_file.with_suffix(".tmp")
    known = f"{process.pid} {identity(process.pid)}\n"
    temporary.write_text(known)
    temporary.replace(pid_file)
    with contextlib.suppress(BrokenPipeError):
        os.write(1, f"{process.pid}\n".encode())
    os.close(1)
    threading.Thread(target=_end_when_orphaned, args=(process, grace_s), daemon=True).start()
    code = process.wait()
    kill_group(process.pid)
    with contextlib.suppress(OSError):
        # A later start may have put its own pid there by now.
        if pid_file.read_text() == known:
            pid_file.unlink()
    return code if code >= 0 else 128 - code


def _end_when_orphaned(process: subprocess.Popen[bytes], grace_s: float) -> None:
    while True:
        # Not by os.read alone, because nobody else looks after the log of a demo left running.
        if not select.select([0], [], [], _LOG_CHECK_S)[0]:
            _bound_log()
        elif not os.read(0, 1024):
            break
    if grace_s > 0:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
            return
    kill_group(process.pid)


def _bound_log() -> None:
    if os.fstat(2).st_size > _LOG_LIMIT_BYTES:
        os.ftruncate(2, 0)


def main() -> int:
    """Run as ``child.py PID_FILE GRACE_S COMMAND…``."""
    # Signals are for the starter, which then closes the pipe; only SIGKILL ends this one early. Not
    # SIG_IGN: the command would inherit that and be deaf to SIGTERM.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    pid_file, grace, *command = sys.argv[1:]
    try:
        return supervise(Path(pid_file), float(grace), command)
    except OSError as error:
        print(f"{command[0]}: {error}", file=sys.stderr)
        return 127


if __name__ == "__main__":
    sys.exit(main())

"""Guarded processes end with their starter and never take a stranger with them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from harness.waiting import wait_until
from umbel_backend.demo import child
from umbel_backend.demo.processes import (
    DirectoryLock,
    GuardedProcess,
    end_left_behind,
    left_behind,
)
from umbel_backend.errors import Refused, UmbelError

_STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True)\n"


def guarded(folder: Path, *command: str, grace_s: float = 1.0) -> GuardedProcess:
    return GuardedProcess(
        command, pid_file=folder / "it.pid", log=folder / "it.log", grace_s=grace_s
    )


def gone(pid: int) -> bool:
    return child.identity(pid) is None


def test_the_output_and_the_exit_code_of_the_command_are_passed_on(tmp_path: Path) -> None:
    process = guarded(tmp_path, "sh", "-c", "echo out; echo err >&2; exit 3")
    wait_until(lambda: not process.is_running, 5, "the command to end")
    assert process.poll() == 3
    assert process.log_text().split() == ["out", "err"]
    assert not (tmp_path / "it.pid").exists()


def test_ending_it_takes_its_descendants_along(tmp_path: Path) -> None:
    with guarded(tmp_path, "sh", "-c", "sleep 300 & echo $!; wait") as process:
        wait_until(lambda: process.log_text().strip(), 5, "the grandchild to start")
        grandchild = int(process.log_text())
        leader = process.pid
    assert gone(leader)
    wait_until(lambda: gone(grandchild), 5, "the grandchild to be gone")


def test_a_command_deaf_to_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    script = f"{_STUBBORN}time.sleep(300)"
    process = guarded(tmp_path, sys.executable, "-c", script, grace_s=0.2)
    wait_until(lambda: "up" in process.log_text(), 5, "the command to ignore SIGTERM")
    process.end()
    assert process.poll() == 128 + signal.SIGKILL
    assert gone(process.pid)


def test_it_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    started: list[GuardedProcess] = []
    thread = threading.Thread(target=lambda: started.append(guarded(tmp_path, "sleep", "300")))
    thread.start()
    thread.join()
    with started[0] as process:
        assert not gone(process.pid)
        assert process.is_running


def test_a_program_that_does_not_exist_is_told_in_one_sentence(tmp_path: Path) -> None:
    process = guarded(tmp_path, "no-such-program")
    with pytest.raises(UmbelError, match=r"no-such-program: .*No such file"):
        _ = process.pid
    process.end()


def test_what_a_killed_supervisor_left_is_ended_by_its_pid_file(tmp_path: Path) -> None:
    process = guarded(tmp_path, "sleep", "300")
    pid = process.pid
    supervisor = psutil.Process(pid).parent()
    assert supervisor is not None
    supervisor.kill()
    process.end()
    assert left_behind(tmp_path / "it.pid") == pid
    assert end_left_behind(tmp_path / "it.pid") == pid
    assert gone(pid)
    assert not (tmp_path / "it.pid").exists()


def test_a_log_that_grew_too_long_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = tmp_path / "child.py"
    source = Path(child.__file__).read_text()
    source = source.replace("_LOG_CHECK_S = 60.0", "_LOG_CHECK_S = 0.05")
    supervisor.write_text(
        source.replace("_LOG_LIMIT_BYTES = 50_000_000", "_LOG_LIMIT_BYTES = 1000")
    )
    monkeypatch.setattr(child, "__file__", str(supervisor))
    script = "head -c 5000 /dev/zero; sleep 0.5; while sleep 0.1; do echo later; done"
    with guarded(tmp_path, "sh", "-c", script) as process:
        wait_until(lambda: process.log_text().startswith("later"), 5, "the log to begin anew")


def test_a_process_that_merely_has_the_pid_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "300"]) as stranger:
        try:
            (tmp_path / "it.pid").write_text(f"{stranger.pid} another-boot/12345\n")
            assert end_left_behind(tmp_path / "it.pid") is None
            assert stranger.poll() is None
        finally:
            stranger.kill()


@pytest.mark.parametrize("text", ["", "no number here", "4711"])
def test_a_pid_file_that_says_nothing_useful_is_removed(tmp_path: Path, text: str) -> None:
    (tmp_path / "it.pid").write_text(text)
    assert end_left_behind(tmp_path / "it.pid") is None
    assert not (tmp_path / "it.pid").exists()


def test_a_folder_in_use_names_its_holder(tmp_path: Path) -> None:
    lock = DirectoryLock(tmp_path / "demo.lock")
    lock.acquire()
    with pytest.raises(Refused, match=f"in use by process {os.getpid()};"):
        DirectoryLock(tmp_path / "demo.lock").acquire()
    lock.release()
    again = DirectoryLock(tmp_path / "demo.lock")
    again.acquire()
    again.release()

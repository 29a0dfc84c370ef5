"""``umbel demo`` starts a whole cluster and leaves nothing of it behind."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from harness.command import UMBEL, Umbel, home_environment
from harness.waiting import wait_until

pytestmark = pytest.mark.live


def processes_of(folder: Path) -> list[str]:
    """Return the command lines of all processes whose working folder or arguments are in ``folder``."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), process.cwd()]
        except psutil.Error:
            continue
        if any(str(folder) in word for word in words) and process.status() != "zombie":
            found.append(" ".join(words))
    return found


def test_the_demo_without_a_terminal_sums_up_what_it_saw(umbel: Umbel, tmp_path: Path) -> None:
    run = umbel("demo", "--headless", "12", timeout_s=100, UMBEL_BROKER="redis://127.0.0.1:1/0")
    assert run.code == 0, run.err
    assert run.out.count("\n") == 1
    seen = run.json()
    assert list(seen) == ["ok", "tasks", "by_state", "workers", "queues", "seconds", "database"]
    assert seen["ok"] is True
    assert seen["tasks"] == sum(seen["by_state"].values()) > 0
    assert (seen["workers"], seen["queues"]) == (2, 3)
    assert processes_of(tmp_path) == []
    listed = umbel("--db", seen["database"], "tasks", "--json", "--limit", "100000")
    assert len(listed.json()) >= seen["tasks"]


def test_ctrl_c_stops_all_of_the_demo(tmp_path: Path) -> None:
    logs = tmp_path / "data" / "umbel" / "demo" / "logs"
    with subprocess.Popen(
        [UMBEL, "demo", "--headless", "60"],
        env=home_environment(tmp_path),
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_until(lambda: (logs / "w1.log").exists(), 30, "the demo to start its workers")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    assert processes_of(tmp_path) == []

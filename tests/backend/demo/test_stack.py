"""The demo cluster as a whole: it works, it stops, and nothing of it stays behind."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import psutil
import pytest
import redis
from celery import Celery

from harness.waiting import wait_until
from umbel_backend.demo.headless import run_headless
from umbel_backend.demo.stack import DemoStack
from umbel_backend.errors import Refused, UmbelError

pytestmark = [pytest.mark.live]

_STARTER = """
import sys, time
from pathlib import Path
from umbel_backend.demo.stack import DemoStack
stack = DemoStack(Path(sys.argv[1]), concurrency=1)
stack.start()
stack.wait_ready()
print("ready", flush=True)
time.sleep(300)
"""


class Listener:
    """Collects the events of the demo's cluster in a thread."""

    def __init__(self, broker_url: str) -> None:
        self.queue_of: dict[str, str] = {}
        self.ended: dict[str, set[str]] = {"task-succeeded": set(), "task-failed": set()}
        self._app = Celery(broker=broker_url, set_as_current=False)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._receiver: Any = None
        self._thread.start()

    def _listen(self) -> None:
        with self._app.connection_for_read() as connection:
            self._receiver = self._app.events.Receiver(connection, handlers={"*": self._take})
            self._receiver.capture(limit=None, timeout=None)

    def _take(self, event: dict[str, Any]) -> None:
        if event["type"] == "task-sent":
            self.queue_of[event["uuid"]] = event["queue"]
        elif event["type"] in self.ended:
            self.ended[event["type"]].add(event["uuid"])

    def queues_with_success(self) -> set[str | None]:
        return {self.queue_of.get(task) for task in list(self.ended["task-succeeded"])}

    def stop(self) -> None:
        self._receiver.should_stop = True
        self._thread.join(10)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[DemoStack]:
    demo = DemoStack(tmp_path, concurrency=2)
    yield demo
    demo.stop()


def processes_of(starter: int) -> list[psutil.Process]:
    return list(psutil.Process(starter).children(recursive=True))


def still_running(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if runs(process)]


def runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        # It ended between the two questions.
        return False


def has_progress(backend_url: str) -> bool:
    with redis.Redis.from_url(backend_url) as backend:
        for key in backend.scan_iter("celery-task-meta-*", count=500):
            kept = json.loads(backend.get(key) or b"{}")
            if kept.get("status") == "PROGRESS":
                return bool(kept["result"]["current"] <= kept["result"]["total"])
    return False


def test_the_demo_works_on_three_queues_and_stops_without_a_trace(
    stack: DemoStack, tmp_path: Path
) -> None:
    before = set(processes_of(psutil.Process().pid))
    stack.start()
    listener = Listener(stack.broker_url)
    with pytest.raises(Refused, match="in use by process"):
        DemoStack(tmp_path).start()
    stack.wait_ready(30)
    wait_until(
        lambda: {"high", "default", "reports"} <= listener.queues_with_success(),
        20,
        lambda: f"a success on each queue: {listener.queues_with_success()}, {stack.status()}",
    )
    wait_until(lambda: listener.ended["task-failed"], 20, "a task to fail")
    wait_until(lambda: has_progress(stack.backend_url), 20, "a task to report progress")
    listener.stop()
    mine = [p for p in processes_of(psutil.Process().pid) if p not in before]
    # Server, two workers, two pool processes each, beat, traffic: each part with its supervisor.
    assert len(mine) >= 5 * 2 + 2 * 2
    stack.stop()
    assert still_running(mine) == []
    assert list(tmp_path.glob("**/*.pid")) == []


def test_a_killed_demo_leaves_no_process(tmp_path: Path) -> None:
    with Popen([sys.executable, "-c", _STARTER, str(tmp_path)], stdout=PIPE, text=True) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "ready\n"
        family = processes_of(starter.pid)
        starter.kill()
    wait_until(lambda: not still_running(family), 10, lambda: f"an end: {still_running(family)}")


def test_what_survives_a_kill_of_demo_and_supervisors_is_ended_by_the_next_start(
    tmp_path: Path,
) -> None:
    with Popen([sys.executable, "-c", _STARTER, str(tmp_path)], stdout=PIPE, text=True) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "ready\n"
        supervisors = psutil.Process(starter.pid).children()
        family = [p for p in processes_of(starter.pid) if p not in supervisors]
        for process in supervisors:
            process.kill()
        starter.kill()
    assert len(still_running(family)) >= 5
    with DemoStack(tmp_path, traffic=False, concurrency=1) as stack:
        assert still_running(family) == []
        assert stack.server.is_running


def test_the_stack_runs_further_commands_and_says_when_one_has_ended(tmp_path: Path) -> None:
    script = "import os; print('recording', os.environ['UMBEL_BROKER'], os.environ['UMBEL_DB'])"
    command = [sys.executable, "-c", script]
    with DemoStack(tmp_path, extra=[command], traffic=False, concurrency=1) as stack:
        wait_until(lambda: stack.status()["extra1"] == "ended", 10, "the command to end")
        log = (stack.log_dir / "extra1.log").read_text()
        assert log.split() == ["recording", stack.broker_url, str(tmp_path / "umbel.db")]
        with pytest.raises(UmbelError, match=r"extra1 has ended by itself\. recording redis://"):
            stack.ready()


def test_headless_sums_up_what_was_observed_while_all_ran(stack: DemoStack) -> None:
    def observe() -> dict[str, Any]:
        assert set(stack.status().values()) == {"running"}
        states: dict[str, int] = {}
        with redis.Redis.from_url(stack.backend_url) as backend:
            for key in backend.scan_iter("celery-task-meta-*", count=500):
                status = json.loads(backend.get(key) or b"{}").get("status", "?")
                states[status] = states.get(status, 0) + 1
        queues = ["high", "default", "reports"]
        return {"tasks": 9, "by_state": states, "workers": ["w1@demo", "w2@demo"], "queues": queues}

    summary = run_headless(10, stack, observe)
    assert summary["ok"] is True
    assert summary["by_state"]["SUCCESS"] > 0
    assert summary["seconds"] >= 10
    assert summary["database"] == str(stack.database)
    assert not stack.server.is_running

"""What the command line tells of tasks, held against what their worker wrote into its own log."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from harness.acting import Scene
from harness.waiting import wait_until

_RECEIVED = r"\[(?P<at>[\d: ,-]+): INFO/MainProcess\] Task (?P<name>[\w.]+)\[{id}\] received"
_SUCCEEDED = r"Task [\w.]+\[{id}\] succeeded in (?P<runtime>[\d.e-]+)s: (?P<result>.*)"
_RAISED = r"Task [\w.]+\[{id}\] raised unexpected: (?P<class>\w+)\((?P<words>.*)\)"


def test_tasks_and_task_tell_what_the_worker_logged(scene: Scene) -> None:
    scene.site.recorder()
    worker = scene.workers.start(scene.url, result_backend=scene.url)
    sums = [scene.send("add", n, 40) for n in range(5)]
    failed = scene.send("fail", "no such row")

    def alone(task_id: str) -> dict[str, Any]:
        told: dict[str, Any] = scene.site.inside("task", task_id, "--json").json()
        return told

    def rows() -> dict[str, Any]:
        listed = scene.site.inside("tasks", "--json")
        found = listed.json() if listed.code == 0 else []
        rows = {row["id"]: row for row in found if row["state"] in ("SUCCESS", "FAILURE")}
        # What is known more exactly comes a moment later, and to both commands.
        told = {task_id: alone(task_id) for task_id in rows}
        is_same = all(row == {name: told[row["id"]][name] for name in row} for row in rows.values())
        return rows if len(rows) == 6 and is_same else {}

    listed = wait_until(rows, 30, "six ends to be recorded, and told by both commands", every_s=0.3)
    log = worker.log()
    for task_id in (*sums, failed):
        one = alone(task_id)
        received = re.search(_RECEIVED.format(id=task_id), log)
        assert received is not None, log
        assert (one["name"], one["worker"]) == (received["name"], worker.hostname)
        told = datetime.fromisoformat(one["received_at"]).timestamp()
        written = datetime.strptime(received["at"], "%Y-%m-%d %H:%M:%S,%f").astimezone().timestamp()
        assert abs(told - written) < 1
    for number, task_id in enumerate(sums):
        end = re.search(_SUCCEEDED.format(id=task_id), log)
        assert end is not None, log
        row = listed[task_id]
        assert row["state"] == "SUCCESS"
        # Exact where broker, worker or result backend told them, else as Celery's events write them.
        assert str(row["result"]) == end["result"]
        assert row["args"] in ([number, 40], f"({number}, 40)")
        assert row["args_complete"] is True
        assert abs(row["runtime_s"] - float(end["runtime"])) < 0.001
    raised = re.search(_RAISED.format(id=failed), log)
    assert raised is not None, log
    row = listed[failed]
    assert row["state"] == "FAILURE"
    assert row["exception"] == f"{raised['class']}: {raised['words'].strip(chr(39))}"
    assert "Traceback" in row["traceback"]

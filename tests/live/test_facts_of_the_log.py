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

    def rows() -> dict[str, Any]:
        listed = scene.site.inside("tasks", "--json")
        found = listed.json() if listed.code == 0 else []
        ended = [row for row in found if row["state"] in ("SUCCESS", "FAILURE")]
        return {row["id"]: row for row in ended} if len(ended) == 6 else {}

    listed = wait_until(rows, 30, "six ends to be recorded", every_s=0.3)
    log = worker.log()
    for task_id in (*sums, failed):
        one = scene.site.inside("task", task_id, "--json").json()
        assert {name: one[name] for name in listed[task_id]} == listed[task_id]
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
        assert (row["state"], row["result"]) == ("SUCCESS", end["result"])
        # Exact where the recorder saw the message wait or run, else as Celery's events write it.
        assert row["args"] in ([number, 40], f"({number}, 40)")
        assert row["args_complete"] is True
        assert abs(row["runtime_s"] - float(end["runtime"])) < 0.001
    raised = re.search(_RAISED.format(id=failed), log)
    assert raised is not None, log
    row = listed[failed]
    assert row["state"] == "FAILURE"
    assert row["exception"] == f"{raised['class']}: {raised['words'].strip(chr(39))}"
    assert "Traceback" in row["traceback"]

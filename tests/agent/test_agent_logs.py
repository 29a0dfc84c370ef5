"""What tasks write, and what of it is kept; how far they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.agent_stream import AgentStream
from harness.tasks import client
from harness.waiting import wait_until
from harness.worker import Workers
from umbel_agent import protocol

pytestmark = pytest.mark.live
APP = "harness.agent_tasks:app"


def test_lines_come_with_level_logger_and_run(agent_cluster: Any) -> None:
    task_id = agent_cluster.send("harness.tasks.speak", 1).id
    agent_cluster.stream.wait_for(task_id, "task-succeeded")
    entries = agent_cluster.stream.of(task_id, protocol.LOG)
    lines = [line for entry in entries for line in entry["lines"]]
    assert [(line[1], line[2], line[3]) for line in lines] == [
        (20, "harness.tasks", "task log line 0"),
        (30, "harness.business", "business log line 0"),
        (30, "celery.redirected", "printed line 0"),
    ]
    assert all(entry["retries"] == 0 for entry in entries)
    started = agent_cluster.stream.of(task_id, "task-started")[0]["timestamp"]
    assert all(abs(line[0] - started) < 5 for line in lines)


def test_odd_lines_do_no_harm_and_secrets_stay(agent_cluster: Any) -> None:
    task_id = agent_cluster.send("harness.agent.odd_lines").id
    agent_cluster.stream.wait_for(task_id, "task-succeeded")
    lines = agent_cluster.stream.lines(task_id)
    assert "nul \x00 and half a pair \\udc80 and \x1b[31mred" in lines
    assert any(line.startswith("wrong %d arguments") for line in lines)
    assert "password=*** and token: ***" in lines or "password=***" in lines
    assert not any("hunter2" in line or "abc" in line for line in lines)
    assert "to stderr" in lines
    assert [line for line in lines if "binary" in line] == ["b'\\xff\\xfe binary'"]
    assert "not wanted" not in lines
    caught = next(line for line in lines if line.startswith("caught"))
    assert caught.endswith("ValueError: inside")


def test_lines_of_tasks_called_in_place_belong_to_the_run(agent_cluster: Any) -> None:
    task_id = agent_cluster.send("harness.agent.nested").id
    agent_cluster.stream.wait_for(task_id, "task-succeeded")
    assert agent_cluster.stream.lines(task_id) == ["outer", "inner", "inner"]


def test_lines_of_each_attempt_are_told_apart(agent_cluster: Any) -> None:
    task_id = agent_cluster.send("harness.agent.speak_and_retry", 1).id
    agent_cluster.stream.wait_for(task_id, "task-succeeded")
    entries = agent_cluster.stream.of(task_id, protocol.LOG)
    told = {(entry["retries"], line[3]) for entry in entries for line in entry["lines"]}
    assert told == {(0, "attempt 0"), (1, "attempt 1")}


@pytest.mark.timeout(240)
def test_a_flood_of_lines_is_cut_and_counted(agent_cluster: Any) -> None:
    task_id = agent_cluster.send("harness.agent.flood", 100_000).id
    agent_cluster.stream.wait_for(task_id, "task-succeeded", 200)
    entries = agent_cluster.stream.of(task_id, protocol.LOG)
    assert sum(len(entry["lines"]) for entry in entries) == 10_000
    assert sum(entry.get("dropped", 0) for entry in entries) == 90_000
    # One for some lines at least, also where the worker gets little of the processor.
    assert len(entries) < 2_500


def test_lines_of_a_megabyte_are_cut(agent_cluster: Any) -> None:
    task_id = agent_cluster.send("harness.agent.flood", 300, 1_000_000).id
    agent_cluster.stream.wait_for(task_id, "task-succeeded", 60)
    entries = agent_cluster.stream.of(task_id, protocol.LOG)
    lines = agent_cluster.stream.lines(task_id)
    assert all(len(line) <= 8_193 and line.endswith("…") for line in lines)
    assert 2_000_000 <= sum(map(len, lines)) < 2_020_000
    assert len(lines) + sum(entry.get("dropped", 0) for entry in entries) == 300


def test_parts_can_be_switched_off(broker_url: str, workers: Workers) -> None:
    env = {"UMBEL_LOGS": "off", "UMBEL_PROGRESS": "off", "UMBEL_SAMPLES": "off"}
    worker = workers.start(broker_url, app=APP, events=False, result_backend=broker_url, env=env)
    stream, sender = AgentStream(broker_url), client(broker_url)
    task_id = sender.send_task("harness.tasks.progress", (2,)).id
    stream.wait_for(task_id, "task-succeeded")
    task_id = sender.send_task("harness.tasks.speak", (2,)).id
    stream.wait_for(task_id, "task-succeeded")
    types = {entry["type"] for entry in stream.entries()}
    assert not types & {protocol.LOG, protocol.PROGRESS, protocol.SAMPLE}
    said = stream.wait_announcement(worker.hostname)
    missing = set(protocol.CAPABILITIES) - set(said["capabilities"])
    assert missing == {"progress", "logs", "samples", "leases"}


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_progress_is_told_with_and_without_a_backend(
    broker_url: str, workers: Workers, pool: Any, tmp_path: Path
) -> None:
    workers.start(broker_url, app=APP, events=False, pool=pool)
    stream, sender, gate = AgentStream(broker_url), client(broker_url), tmp_path / "gate"
    task_id = sender.send_task("harness.agent.report", (500, str(gate))).id

    def is_last(entry: dict[str, Any]) -> bool:
        return bool(entry["type"] == protocol.PROGRESS and entry["current"] == 500)

    stream.wait_until(lambda entries: any(is_last(entry) for entry in entries))
    gate.touch()
    stream.wait_for(task_id, "task-succeeded")
    told = stream.of(task_id, protocol.PROGRESS)
    assert 1 <= len(told) < 50
    last = told[-1]
    assert (last["state"], last["current"], last["total"]) == ("PROGRESS", 500, 500)
    assert last["note"] == "step 500 of password=***"


def test_plain_update_state_is_picked_up(agent_cluster: Any) -> None:
    metas = [
        {"current": 1, "total": 4, "message": "reading"},
        {"done": 2, "of": 4},
        {"percent": 62.5},
        {"progress": 0.75, "step": "writing"},
        {"step": 4, "steps": 4, "status": "closing"},
        "just words",
        {"nothing": "of it"},
    ]
    task = agent_cluster.send("harness.agent.steps", metas, "IMPORTING")
    agent_cluster.stream.wait_for(task.id, "task-succeeded")
    told = agent_cluster.stream.of(task.id, protocol.PROGRESS)
    assert [(e["current"], e["total"], e["note"]) for e in told] == [
        (1, 4, "reading"),
        (2, 4, None),
        (62.5, 100, None),
        (75, 100, "writing"),
        (4, 4, "closing"),
        (None, None, "just words"),
        (None, None, None),
    ]
    assert {entry["state"] for entry in told} == {"IMPORTING"}
    assert task.get(timeout=30) is None


def test_progress_reaches_the_result_backend_too(agent_cluster: Any, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    task = agent_cluster.send("harness.agent.report", 3, str(gate))
    wait_until(lambda: task.state == "PROGRESS" and task.info["current"] == 3, 30)
    assert json.dumps(task.info)
    gate.touch()
    assert task.get(timeout=30) >= 0

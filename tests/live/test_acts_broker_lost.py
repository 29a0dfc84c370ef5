"""A broker that goes away between any two words of an act: what was not seen is never told as done."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from redis.connection import AbstractConnection

from harness.acting import Scene
from harness.agent_stream import AgentStream
from harness.cut_short import every_step, is_whole, lost_at
from harness.waiting import wait_until
from harness.worker import Workers
from umbel_agent.protocol import FREEZE, PAUSED_QUEUES_KEY, POLICIES_KEY, THAW
from umbel_backend.demo.server import EmbeddedServer

pytestmark = pytest.mark.live

NAME = "harness.tasks.add"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server that keeps what it has when it is killed."""
    with EmbeddedServer(tmp_path / "server") as server:
        yield server


@pytest.fixture
def lone(tmp_path: Path, server: EmbeddedServer, workers: Workers) -> Iterator[Scene]:
    with Scene(tmp_path, server.url(0), workers) as scene:
        assert scene.site.inside("db", "upgrade").code == 0
        yield scene


def messages(scene: Scene) -> list[str]:
    return [wire["headers"]["id"] for wire in scene.waiting()]


def is_published(scene: Scene, pattern: str) -> bool:
    text: Any = scene.redis.get(POLICIES_KEY)
    return text is not None and pattern in {each["pattern"] for each in json.loads(text)["retry"]}


def is_paused(scene: Scene) -> bool:
    return bool(scene.redis.sismember(PAUSED_QUEUES_KEY, "default"))


Done = Callable[[Scene, str], bool]
"""Whether an act on a target has had its effect."""
ACTS: dict[str, tuple[tuple[str, ...], Done]] = {
    "run": (
        ("run", NAME, "--queue", "default", "--args", "[1, 1]"),
        lambda scene, target: target in messages(scene),
    ),
    "queue purge": (
        ("queue", "purge", "default", "--yes"),
        lambda scene, _: not messages(scene) and not scene.redis.keys("umbel:purged:*"),
    ),
    "queue pause": (("queue", "pause", "default"), lambda scene, _: is_paused(scene)),
    "queue resume": (("queue", "resume", "default"), lambda scene, _: not is_paused(scene)),
    "policy set": (("policy", "set", "retry", "a.*"), lambda scene, _: is_published(scene, "a.*")),
    "policy delete": (
        ("policy", "delete", "retry", "a.*"),
        lambda scene, _: not is_published(scene, "a.*"),
    ),
}


@pytest.mark.parametrize("act", ACTS)
def test_what_was_not_seen_for_the_broker_died_is_unknown_and_never_done(
    lone: Scene, server: EmbeddedServer, act: str
) -> None:
    words, is_done = ACTS[act]
    lone.send("add", 1, 1)
    raw: Any = lone.redis.lindex("default", 0)

    def prepare() -> None:
        lone.redis.delete("default", POLICIES_KEY)
        lone.redis.lpush("default", raw)
        if act == "queue resume":
            lone.act("queue", "pause", "default")
        if act == "policy delete":
            assert lone.site.inside("policy", "set", "retry", "a.*").code == 0

    def attempt(step: int) -> bool:
        prepare()
        before = len(lone.site.query("SELECT id FROM audit"))
        with lost_at(step, server.kill):
            run = lone.site.inside(*words, "--json")
        was_lost = not server.is_running
        if was_lost:
            server.start()
        rows = lone.site.query("SELECT target, outcome, detail FROM audit ORDER BY id")[before:]
        assert run.code == (0 if [row[1] for row in rows] == ["done"] else run.code or 1), step
        for target, outcome, detail in rows:
            assert outcome in ("done", "partly", "unknown"), (step, outcome, detail)
            assert outcome != "done" or is_done(lone, target), (step, detail)
            assert outcome == "done" or "cannot be reached" in detail, (step, detail)
        assert was_lost or [row[1] for row in rows] == ["done"]
        # Told to the person too.
        assert was_lost <= (run.code == 0 or "cannot be reached" in run.out + run.err), step
        return was_lost

    every_step(attempt, least=1)
    assert is_whole(lone)


def test_a_message_whose_sending_was_not_answered_is_not_sent_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    send: Any = AbstractConnection.send_packed_command
    cut: list[object] = []

    def send_and_hear_nothing(self: Any, command: Any, *args: Any, **options: Any) -> None:
        send(self, command, *args, **options)
        if not isinstance(command, str) and b"LPUSH" in b"".join(command) and not cut:
            cut.append(command)
            self.disconnect()

    with monkeypatch.context() as patch:
        patch.setattr(AbstractConnection, "send_packed_command", send_and_hear_nothing)
        run = scene.site.inside("run", NAME, "--queue", "default", "--args", "[1, 1]")
    assert (run.code, len(cut)) == (3, 1), run.err
    [[target, outcome]] = scene.site.query("SELECT target, outcome FROM audit")
    assert outcome == "unknown"
    wait_until(lambda: messages(scene) == [target])


@pytest.mark.parametrize(
    ("act", "order"),
    [("pause", FREEZE), ("resume", THAW), ("worker pause", "cancel_consumer")],
)
def test_an_order_that_went_out_and_whose_answer_did_not_come_is_unknown(
    lone: Scene, server: EmbeddedServer, tmp_path: Path, act: str, order: str
) -> None:
    worker = lone.workers.start(
        lone.url, app="harness.acting_tasks:app", result_backend=lone.url, concurrency=1
    )
    AgentStream(lone.url).wait_announcement(worker.hostname)
    trace = tmp_path / "trace"
    words = (str(trace), str(tmp_path / "never"))
    task_id = str(lone.app.send_task("harness.acting.count", words, queue="default").id)
    wait_until(trace.exists, 30, worker.log)
    process = psutil.Process(int(lone.active(worker.hostname)[task_id]["worker_pid"]))
    if act == "resume":
        assert lone.act("pause", task_id)[0] == 0
    target = worker.hostname if act == "worker pause" else task_id
    with lost_at(1, server.kill, order=order.encode()):
        run = lone.site.inside(*act.split(), target, "--json")
    assert run.code == 3, run.err
    assert "cannot be reached" in run.out + run.err
    [(_, outcome, detail, _)] = [row for row in lone.audit(target) if row[0] == act]
    assert (outcome, "cannot be reached" in detail) == ("unknown", True)
    # Whatever came of it, the task is there still.
    assert process.is_running()
    worker.kill9()

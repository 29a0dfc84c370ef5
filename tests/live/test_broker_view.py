from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from harness.cluster import Cluster as LiveCluster
from harness.redis_messages import cluster_at
from harness.tasks import client
from harness.waiting import free_port, wait_until
from harness.worker import Workers
from umbel_backend.broker.control import Control
from umbel_backend.broker.findings import held_finding, result_finding, waiting_finding
from umbel_backend.broker.queues import open_queues
from umbel_backend.broker.results import find_backend, open_results
from umbel_backend.demo.server import EmbeddedServer
from umbel_backend.errors import BrokerUnavailable
from umbel_backend.events.fold import fold
from umbel_backend.records import Progress, TaskRecord

pytestmark = pytest.mark.live


@pytest.fixture
def control(cluster: LiveCluster) -> Iterator[Control]:
    asked = Control(cluster_at(cluster.broker_url))
    yield asked
    asked.close()


@pytest.fixture
def release(tmp_path: Path) -> Iterator[Path]:
    """A file that lets waiting tasks go on; it appears at the latest at the end of the test."""
    path = tmp_path / "release"
    yield path
    path.touch()


def running(control: Control, worker: str, task_id: str) -> bool:
    answer = control.inspect([worker], ("active",)).workers.get(worker)
    return answer is not None and any(task.id == task_id for task in answer.active or ())


def test_a_ping_ends_when_all_known_workers_answered(
    cluster: LiveCluster, control: Control
) -> None:
    name = cluster.worker.hostname
    control.ping([name], timeout_s=30)
    started = time.monotonic()
    ping = control.ping([name], timeout_s=30)
    assert ping.answered == (name,)
    assert ping.silent == ()
    assert time.monotonic() - started < 20


def test_an_inspection_tells_what_the_worker_is_and_has(
    cluster: LiveCluster, control: Control, release: Path
) -> None:
    name = cluster.worker.hostname
    sent = [
        cluster.app.send_task(
            "harness.tasks.sleep", (60,), {"until_file": str(release)}, queue="reports", priority=3
        )
        for _ in range(3)
    ]
    later = cluster.send("add", 1, 2, countdown=600)
    before = time.time()
    wait_until(lambda: running(control, name, sent[1].id), describe="the second task to run")

    def whole() -> Any:
        answer = control.inspect([name]).workers[name]
        return answer if answer.reserved and answer.scheduled else None

    answer = wait_until(whole)
    assert (answer.pool, answer.concurrency, answer.missing) == ("prefork", 2, ())
    assert answer.pid == cluster.worker.pid
    assert answer.queue_names == ("default", "reports")
    assert answer.processed["harness.tasks.sleep"] >= 2
    assert "harness.tasks.add" in answer.registered
    assert answer.conf["task_default_queue"] == "default"
    assert {task.id for task in answer.active} == {sent[0].id, sent[1].id}
    assert [task.id for task in answer.reserved] == [sent[2].id]
    first = answer.active[0]
    assert (first.queue, first.priority, first.args) == ("reports", 3, "(60,)")
    assert abs(first.started_at - before) < 30
    (scheduled,) = answer.scheduled
    assert (scheduled.id, scheduled.args, scheduled.args_exact) == (later.id, "[1,2]", True)

    record = fold(None, held_finding(first, time.time()))
    assert (record.state, record.started_at, record.queue) == (
        "STARTED",
        first.started_at,
        "reports",
    )
    waiting = fold(None, held_finding(scheduled, time.time()))
    assert (waiting.state, waiting.eta) != ("PENDING", None)
    release.touch()
    cluster.app.control.revoke(later.id)
    for result in sent:
        assert result.get(timeout=20) in ("released", "slept")


def test_questions_from_several_threads_each_get_their_own_answers(
    cluster: LiveCluster, control: Control
) -> None:
    name = cluster.worker.hostname
    outcomes: list[bool] = []

    def ask() -> None:
        outcomes.append(name in control.inspect([name], ("stats",), timeout_s=10).workers)
        outcomes.append(control.ping([name], timeout_s=10).answered == (name,))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert outcomes == [True] * 8


def test_nothing_is_left_behind_on_the_broker(cluster: LiveCluster) -> None:
    with redis.Redis.from_url(cluster.broker_url) as server:

        def reply_queues() -> int:
            return len(list(server.smembers("_kombu.binding.reply.celery.pidbox")))

        before = reply_queues()
        control = Control(cluster_at(cluster.broker_url))
        control.ping([cluster.worker.hostname])
        assert reply_queues() == before + 1
        started = time.monotonic()
        control.close()
        assert time.monotonic() - started < 0.9
        assert reply_queues() == before


def test_waiting_messages_and_results_tell_what_events_would(cluster: LiveCluster) -> None:
    view = cluster_at(cluster.broker_url, queues=("unserved",))
    queues = open_queues(view)
    sent = cluster.app.send_task(
        "harness.tasks.add",
        (2, 3),
        {"password": "hunter2"},
        queue="unserved",
        priority=6,
        headers={"deployment_id": "d-7"},
    )
    (message,) = queues.waiting("unserved").messages
    event = waiting_finding(message, time.time(), ("deployment_id",))
    assert event is not None
    record = fold(None, event)
    assert (record.id, record.state, record.queue) == (sent.id, "PENDING", "unserved")
    assert (record.priority, record.args, record.args_exact) == (6, "[2, 3]", True)
    assert record.tags == {"deployment_id": "d-7"}
    assert "hunter2" not in str(record.kwargs)

    done, failed = cluster.send("add", 2, 3), cluster.send("fail", "bad row")
    assert done.get(timeout=20) == 5
    failed.get(timeout=20, propagate=False)
    control = Control(view)
    backend = find_backend(view, control.inspect([cluster.worker.hostname]).workers.values())
    control.close()
    results = open_results(view, backend.url)
    assert results is not None
    found = results.read([done.id, failed.id, sent.id])
    assert set(found) == {done.id, failed.id}
    records = {}
    for task_id, result in found.items():
        ended = result_finding(result, time.time())
        assert ended is not None
        records[task_id] = fold(None, ended)
    assert (records[done.id].state, records[done.id].result) == ("SUCCESS", "5")
    assert records[failed.id].exception == "ValueError: bad row"
    assert "_inner(message)" in str(records[failed.id].traceback)
    assert abs(time.time() - (records[done.id].finished_at or 0)) < 60


def test_progress_stored_by_update_state_is_read(cluster: LiveCluster, release: Path) -> None:
    sent = cluster.app.send_task(
        "harness.tasks.progress", (3, 0.01), {"until_file": str(release)}, queue="default"
    )
    results = open_results(cluster_at(cluster.broker_url), cluster.backend_url)
    assert results is not None

    def progress() -> Progress | None:
        found = results.read([sent.id])
        return found[sent.id].progress if sent.id in found else None

    wait_until(lambda: progress() == Progress(3, 3), describe="the last step")
    record = TaskRecord(id=sent.id, state_at=0.0, state="STARTED")
    event = result_finding(results.read([sent.id])[sent.id], time.time())
    assert event is not None
    assert fold(record, event).progress == Progress(3, 3)
    release.touch()
    assert sent.get(timeout=20) == 3


def test_a_stopped_worker_is_named_and_the_others_answers_are_kept(
    broker_url: str, workers: Workers
) -> None:
    alive, stopped = workers.start(broker_url, wait=False), workers.start(broker_url, wait=False)
    alive.wait_ready()
    stopped.wait_ready()
    names = [alive.hostname, stopped.hostname]
    control = Control(cluster_at(broker_url))
    try:
        assert control.inspect(names).complete
        stopped.signal(signal.SIGSTOP)
        started = time.monotonic()
        inspection = control.inspect(names, timeout_s=1.0)
        waited = time.monotonic() - started
        ping = control.ping(names, timeout_s=0.5)
        switched = control.enable_events(names, timeout_s=0.5)
    finally:
        stopped.signal(signal.SIGCONT)
        control.close()
    assert list(inspection.workers) == [alive.hostname]
    assert inspection.silent == (stopped.hostname,)
    assert not inspection.complete
    assert inspection.consumers is None
    assert 0.9 < waited < 3
    assert (ping.answered, ping.silent) == ((alive.hostname,), (stopped.hostname,))
    assert switched == {alive.hostname: "already", stopped.hostname: "no answer"}


def test_events_are_switched_on_once(broker_url: str, workers: Workers) -> None:
    worker = workers.start(broker_url, events=False)
    control = Control(cluster_at(broker_url))
    try:
        assert control.enable_events([worker.hostname]) == {worker.hostname: "enabled"}
        assert control.enable_events([worker.hostname]) == {worker.hostname: "already"}
        assert "Events of group {task} enabled by remote." in worker.log()
    finally:
        control.close()


def test_a_busy_solo_worker_is_silent_and_then_answers(
    broker_url: str, workers: Workers, release: Path
) -> None:
    worker = workers.start(broker_url, pool="solo", concurrency=1)
    view = cluster_at(broker_url)
    control = Control(view)
    try:
        assert control.ping([worker.hostname], timeout_s=5).answered == (worker.hostname,)
        sender = client(broker_url)
        sender.send_task(
            "harness.tasks.sleep", (60,), {"until_file": str(release)}, queue="default"
        )
        sender.close()
        wait_until(lambda: "Task harness.tasks.sleep" in worker.log())
        silent = wait_until(lambda: control.inspect([worker.hostname], ("stats",), 0.5).silent)
        assert silent == (worker.hostname,)
        release.touch()
        wait_until(lambda: control.ping([worker.hostname], timeout_s=1).answered)
    finally:
        control.close()


@pytest.mark.parametrize("first", ["worker", "umbel"])
def test_a_separator_that_only_the_workers_know_is_learnt_from_them(
    first: str, broker_url: str, workers: Workers, tmp_path: Path, release: Path
) -> None:
    options = {"sep": "::"}
    (tmp_path / "shop_app.py").write_text(
        f"from harness.tasks import app\napp.conf.broker_transport_options = {options}\n"
    )
    view = cluster_at(broker_url)
    control, queues = Control(view), open_queues(view)
    sender = client(broker_url, broker_transport_options=options)
    try:
        if first == "umbel":
            assert control.ping(timeout_s=0.5).answered == ()
        worker = workers.start(broker_url, app="shop_app:app", concurrency=1, cwd=tmp_path)
        for _ in range(3):
            assert control.ping([worker.hostname], timeout_s=5).answered == (worker.hostname,)
        hold = sender.send_task(
            "harness.tasks.sleep", (60,), {"until_file": str(release)}, queue="default"
        )
        wait_until(lambda: running(control, worker.hostname, hold.id))
        for n in range(6):
            sender.send_task("harness.tasks.add", (1, n), queue="default", priority=n // 2 * 3)
        assert queues.discover() == ["default", "reports"]

        def depths() -> Any:
            (record,) = queues.measure(["default"])
            return record.by_priority

        # The worker takes one ahead.
        wait_until(lambda: depths() == {"0": 1, "3": 2, "6": 2, "9": 0}, describe=depths)
        release.touch()
        wait_until(lambda: not sum(depths().values()))
        assert "Error" not in worker.log()
    finally:
        sender.close()
        control.close()


def test_custom_steps_separator_and_prefix_are_read_as_a_worker_writes_them(
    broker_url: str, workers: Workers, tmp_path: Path, release: Path
) -> None:
    options = {"priority_steps": [0, 5], "sep": ":", "global_keyprefix": "shop-"}
    (tmp_path / "shop_app.py").write_text(
        "from harness.tasks import app\n"
        f"app.conf.update(broker_transport_options={json.dumps(options)}, task_acks_late=True)\n"
    )
    worker = workers.start(broker_url, app="shop_app:app", concurrency=1, cwd=tmp_path)
    view = cluster_at(broker_url, transport_options=options)
    control, queues = Control(view), open_queues(view)
    sender = client(broker_url, broker_transport_options=options)
    try:
        assert control.ping([worker.hostname], timeout_s=5).answered == (worker.hostname,)
        hold = sender.send_task(
            "harness.tasks.sleep", (60,), {"until_file": str(release)}, queue="default"
        )
        wait_until(lambda: running(control, worker.hostname, hold.id))
        ids = [
            sender.send_task("harness.tasks.add", (1, n), queue="default", priority=p).id
            for n, p in enumerate((0, 9, 6, 0))
        ]
        inspection = control.inspect([worker.hostname])
        bindings = inspection.workers[worker.hostname].queues or ()
        assert queues.discover(bindings) == ["default", "reports"]

        def measured() -> Any:
            (record,) = queues.measure(["default"], consumers=inspection.consumers)
            return record if (record.ready, record.unacked) == (4, 1) else None

        record = wait_until(measured, describe="one task to run and four to wait")
        assert record.by_priority == {"0": 2, "5": 2}
        assert (record.consumers, record.state) == (1, "flowing")
        page = queues.waiting("default")
        assert [m.id for m in page.messages] == [ids[0], ids[3], ids[1], ids[2]]
        assert {m.id for m in queues.unacked("default").messages} == {hold.id}
        assert queues.find(ids, ["default"]).queues.keys() == set(ids)
        release.touch()
        wait_until(lambda: queues.measure(["default"])[0].ready == 0)
    finally:
        sender.close()
        control.close()


def test_a_broker_that_died_is_told_and_asked_again_when_it_is_back(
    tmp_path: Path, workers: Workers
) -> None:
    with EmbeddedServer(tmp_path / "server", append_only=False, port=free_port()) as server:
        worker = workers.start(server.url())
        control = Control(cluster_at(server.url()))
        assert control.ping([worker.hostname], timeout_s=5).answered
        server.kill()
        with pytest.raises(BrokerUnavailable, match="the connection was refused"):
            control.ping([worker.hostname])
        server.start()
        wait_until(lambda: control.ping([worker.hostname], timeout_s=1).answered, 30)
        control.close()

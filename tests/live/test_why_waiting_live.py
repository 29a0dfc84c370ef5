"""Why a task does not run, asked of a real broker and a real worker with one slot."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from celery import Celery

from harness.tasks import client
from harness.waiting import wait_until
from harness.worker import Worker, Workers
from umbel_backend.broker.control import Control
from umbel_backend.broker.waiting_facts import WaitingFacts
from umbel_backend.broker.why_waiting import Cause, why_waiting
from umbel_backend.records import TaskRecord, WorkerRecord
from umbel_backend.settings import Context, Settings
from umbel_console.services import Question, WhyAnswer
from umbel_console.waiting import LiveWaiting

pytestmark = pytest.mark.live


@dataclass
class Backlog:
    """A worker whose one slot is taken, one message fetched ahead, and more behind it."""

    url: str
    app: Celery
    worker: Worker
    running: str
    fetched: str
    waiting: list[str]


@pytest.fixture
def backlog(broker_url: str, workers: Workers, tmp_path: Path) -> Iterator[Backlog]:
    release = tmp_path / "release"
    worker = workers.start(broker_url, concurrency=1, queues=("default",), name="single")
    app = client(broker_url)
    ids = [
        app.send_task(
            "harness.tasks.sleep", (60,), {"until_file": str(release)}, queue="default"
        ).id
        for _ in range(6)
    ]
    control = Control(WaitingFacts(settings(broker_url))._cluster)

    def taken() -> bool:
        answer = control.inspect([worker.hostname], ("active", "reserved")).workers.get(
            worker.hostname
        )
        return answer is not None and bool(answer.active) and bool(answer.reserved)

    wait_until(taken, 30, describe="one task to run and one to be fetched ahead")
    control.close()
    yield Backlog(broker_url, app, worker, ids[0], ids[1], ids[2:])
    release.touch()
    app.close()


def settings(url: str) -> Settings:
    return Settings(context=Context(name="live", broker=url))


def record(task_id: str, **fields: object) -> TaskRecord:
    new = TaskRecord(id=task_id, name="harness.tasks.sleep", state_at=0.0, queue="default")
    new.sent_at = time.time() - 60
    for name, value in fields.items():
        setattr(new, name, value)
    return new


def known(worker: Worker) -> list[WorkerRecord]:
    return [WorkerRecord(hostname=worker.hostname, queues=("default",))]


def ask(backlog: Backlog, task: TaskRecord) -> dict[str, Cause]:
    asked = WaitingFacts(settings(backlog.url))
    try:
        now = time.time()
        found = asked.gather(task, known(backlog.worker), now=now, paused=False)
        return {cause.kind: cause for cause in why_waiting(found)}
    finally:
        asked.close()


def test_a_backlog_tells_the_full_slot_and_the_place_in_the_queue(backlog: Backlog) -> None:
    causes = ask(backlog, record(backlog.waiting[2]))
    assert set(causes) == {"full", "position"}
    assert causes["full"].sentence == (
        f"The one slot of worker {backlog.worker.hostname} on queue default is busy."
    )
    assert causes["position"].sentence == "2 messages are before it in queue default."


def test_what_was_fetched_ahead_names_the_worker_and_the_task_before_it(
    backlog: Backlog,
) -> None:
    task = record(backlog.fetched, state="RECEIVED", worker=backlog.worker.hostname)
    causes = ask(backlog, task)
    assert set(causes) == {"prefetched"}
    assert backlog.worker.hostname in causes["prefetched"].sentence
    assert f"busy with harness.tasks.sleep {backlog.running[:8]}" in causes["prefetched"].sentence


def test_a_queue_that_nobody_consumes_is_told(backlog: Backlog) -> None:
    sent = backlog.app.send_task("harness.tasks.add", (1, 2), queue="orphaned")
    causes = ask(backlog, record(sent.id, queue="orphaned"))
    assert causes["no consumer"].certainty == "known"
    assert causes["position"].sentence == "It is the next message of queue orphaned."
    unknown_queue = ask(backlog, record(sent.id, queue=None))
    assert "orphaned" in unknown_queue["no consumer"].sentence


def test_an_eta_names_the_worker_that_holds_it(broker_url: str, workers: Workers) -> None:
    worker = workers.start(broker_url, concurrency=1, queues=("default",))
    app = client(broker_url)
    sent = app.send_task("harness.tasks.add", (1, 2), queue="default", countdown=600)
    eta = time.time() + 600
    asked = WaitingFacts(settings(broker_url))
    task = record(sent.id, eta=eta, worker=worker.hostname, state="RECEIVED")
    try:

        def held() -> Cause | None:
            found = asked.gather(task, known(worker), now=time.time(), paused=False)
            holder = found.holder
            return why_waiting(found)[0] if holder and holder.holds == "scheduled" else None

        cause = wait_until(held, 30)
        assert cause is not None
        assert (cause.kind, cause.until) == ("eta", eta)
        assert f"worker {worker.hostname} holds it until then" in cause.sentence
    finally:
        asked.close()
        app.control.revoke(sent.id)
        app.close()


def test_a_revoked_task_is_told_by_the_worker_that_will_drop_it(backlog: Backlog) -> None:
    backlog.app.control.revoke(backlog.waiting[0])
    task = record(backlog.waiting[0])
    cause = wait_until(
        lambda: ask(backlog, task).get("revoked"), 30, "the worker to list it as revoked"
    )
    assert cause is not None
    assert backlog.worker.hostname in cause.sentence


def test_a_rate_limit_is_told_for_a_task_its_worker_lets_wait(
    broker_url: str, workers: Workers
) -> None:
    worker = workers.start(broker_url, concurrency=1, queues=("default",))
    app = client(broker_url)
    app.control.rate_limit("harness.tasks.add", "1/h", destination=[worker.hostname], reply=True)
    ids = [app.send_task("harness.tasks.add", (1, n), queue="default").id for n in range(3)]
    asked = WaitingFacts(settings(broker_url))
    task = record(
        ids[1], name="harness.tasks.add", worker=worker.hostname, state="RECEIVED", sent_at=1.0
    )
    try:

        def limited() -> Cause | None:
            causes = why_waiting(asked.gather(task, known(worker), now=time.time(), paused=False))
            return next((cause for cause in causes if cause.kind == "rate limit"), None)

        cause = wait_until(limited, 30)
        assert cause is not None
        assert "at most 1/h of harness.tasks.add" in cause.sentence
        assert cause.certainty == "likely"
    finally:
        asked.close()
        app.close()


def test_a_broker_that_went_away_is_told_and_the_thread_goes_on(tmp_path: Path) -> None:
    waiting = LiveWaiting(settings("redis://127.0.0.1:1/0"))
    task = record("abc")
    try:
        waiting.look_at(Question(record=task))

        def answered() -> WhyAnswer | None:
            waiting.look_at(Question(record=task))
            return waiting.answer("abc")

        answer = wait_until(answered, 60)
        assert answer is not None
        assert [cause.kind for cause in answer.causes] == ["broker"]
        assert "cannot be reached" in answer.causes[0].sentence
        waiting.look_at(None)
        assert waiting.answer("abc") is None
    finally:
        waiting.stop()


def test_the_console_asks_in_a_thread_until_nobody_wants_to_know(backlog: Backlog) -> None:
    waiting = LiveWaiting(settings(backlog.url))
    task = record(backlog.waiting[1])
    try:

        def answered() -> WhyAnswer | None:
            waiting.look_at(Question(record=task, workers=known(backlog.worker)))
            return waiting.answer(task.id)

        answer = wait_until(answered, 60)
        assert answer is not None
        assert "1 message is before it in queue default." in [c.sentence for c in answer.causes]
    finally:
        waiting.stop()

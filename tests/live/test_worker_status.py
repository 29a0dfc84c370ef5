"""What is said of real workers that are well, slow, stopped or killed, and whether figures are right."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import redis

from harness.redis_messages import cluster_at
from harness.tasks import client
from harness.waiting import wait_until
from harness.worker import Workers
from umbel_backend.broker.control import Control
from umbel_backend.events.capture import Capture
from umbel_backend.recorder.watch import Watch
from umbel_backend.recorder.workers import described
from umbel_backend.settings import Context, Settings
from umbel_console.stores.queues import QueueStore
from umbel_console.stores.tasks import TaskStore
from umbel_console.stores.workers import WorkerStore

pytestmark = pytest.mark.live


class Eyes:
    """What a console knows of workers and queues, without its screens."""

    def __init__(self, broker: str, *, enable_events: bool = True) -> None:
        settings = Settings(context=Context(broker=broker, enable_events=enable_events))
        self.workers, self.queues, self.tasks = WorkerStore(), QueueStore(), TaskStore()
        self.capture = Capture(settings.context, settings, lambda: None)
        self.watch = Watch(
            settings,
            self.workers.records,
            lambda: [],
            lambda: [],
            self.tasks.taken.tell,
            lambda: None,
            attentive=True,
        )
        self.seen: dict[str, list[str]] = {}
        """Every status of each worker, in order, repeated ones once."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.capture.start()
        self.watch.start()
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(10)
        self.watch.stop()
        self.capture.stop()

    def wait_for(self, name: str, status: str) -> None:
        wait_until(lambda: self.status(name) == status, 30, lambda: self.seen)

    def can_tell_apart(self, *names: str) -> bool:
        """Whether the connection of each of them is known, as it is some seconds after its start."""
        assert self.watch._patrol is not None
        known = self.watch._patrol._workers._footprints._known
        return all(name in known and known[name].is_known for name in names)

    def status(self, name: str) -> str | None:
        return self.seen[name][-1] if name in self.seen else None

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            events = self.capture.drain().events
            self.workers.apply(events)
            self.tasks.apply(events)
            found = self.watch.take()
            now = time.time()
            self.workers.complete(
                {a.hostname: partial(_described, answer=a, now=now) for a in found.answers}
            )
            self.tasks.apply(found.events)
            if found.queues:
                self.queues.take(found.queues, now)
            self.workers.age(now)
            for record in self.workers.records():
                seen = self.seen.setdefault(record.hostname, [])
                if not seen or seen[-1] != record.status:
                    seen.append(record.status)


def _described(record, answer, now):  # type: ignore[no-untyped-def]  # a partial of it is typed
    return described(record, answer, now)


@pytest.fixture
def eyes(broker_url: str) -> Iterator[Eyes]:
    opened = Eyes(broker_url)
    yield opened
    opened.close()


def test_a_killed_worker_is_late_and_then_offline_and_a_stopped_one_does_not_answer(
    broker_url: str, workers: Workers, eyes: Eyes
) -> None:
    well, killed, stopped = (workers.start(broker_url, wait=False) for _ in range(3))
    for each in (well, killed, stopped):
        each.wait_ready()
        eyes.wait_for(each.hostname, "online")
    stopped.signal(signal.SIGSTOP)
    try:
        wait_until(lambda: eyes.status(stopped.hostname) == "not answering", 30, lambda: eyes.seen)
        killed.kill9()
        wait_until(lambda: eyes.status(killed.hostname) == "offline", 90, lambda: eyes.seen)
        assert "late" in eyes.seen[killed.hostname]
        assert "offline" not in eyes.seen[stopped.hostname]
    finally:
        stopped.signal(signal.SIGCONT)
    wait_until(lambda: eyes.status(stopped.hostname) == "online", 30, lambda: eyes.seen)
    assert eyes.seen[well.hostname] == ["online"]


def test_a_silent_worker_does_not_delay_what_others_answer(
    broker_url: str, workers: Workers, eyes: Eyes
) -> None:
    well, stopped = (workers.start(broker_url, wait=False) for _ in range(2))
    for each in (well, stopped):
        each.wait_ready()
        eyes.wait_for(each.hostname, "online")
    stopped.signal(signal.SIGSTOP)
    try:
        wait_until(lambda: eyes.status(stopped.hostname) == "not answering", 30, lambda: eyes.seen)
        readings: set[float] = set()
        started = time.monotonic()

        def several() -> bool:
            if eyes.queues.read_at is not None:
                readings.add(eyes.queues.read_at)
            return len(readings) >= 4

        wait_until(several, 30, "four readings of the queues")
        # Each waited for the silent one, four readings would take 4 * (2 + 3) s.
        assert time.monotonic() - started < 15
    finally:
        stopped.signal(signal.SIGCONT)


def test_a_busy_solo_worker_settles_and_is_never_offline(
    broker_url: str, workers: Workers, eyes: Eyes
) -> None:
    worker = workers.start(broker_url, pool="solo", concurrency=1)
    wait_until(lambda: eyes.status(worker.hostname) == "online", 20)
    sender = client(broker_url)
    for _ in range(3):
        sender.send_task("harness.tasks.sleep", (9,))
    wait_until(lambda: worker.log().count(" succeeded in ") == 1, 40, worker.log)
    wait_until(lambda: eyes.status(worker.hostname) == "online", 20, lambda: eyes.seen)
    before = list(eyes.seen[worker.hostname])
    wait_until(lambda: worker.log().count(" succeeded in ") == 3, 60, worker.log)
    sender.close()
    assert "offline" not in eyes.seen[worker.hostname]
    # It was silent like that before, so that it does not alarm any more.
    assert eyes.seen[worker.hostname] == before


def test_figures_agree_with_inspect_and_with_the_lengths_of_the_lists(
    broker_url: str, workers: Workers, eyes: Eyes
) -> None:
    worker = workers.start(broker_url, queues=["default"], options=["--prefetch-multiplier", "1"])
    sender = client(broker_url)
    for number in range(12):
        sender.send_task("harness.tasks.sleep", (60,), queue="default", priority=number % 10)
    control = Control(cluster_at(broker_url))
    try:

        def agree() -> bool:
            record = eyes.workers.get(worker.hostname)
            queue = eyes.queues.get("default")
            answer = control.inspect([worker.hostname]).workers.get(worker.hostname)
            if record is None or queue is None or answer is None:
                return False
            with redis.Redis.from_url(broker_url) as server:
                names = ("default", *(f"default\x06\x16{step}" for step in (3, 6, 9)))
                lengths = [int(server.llen(name)) for name in names]
                unacked = int(server.hlen("unacked"))
            return (
                record.active == len(answer.active or ()) == 2
                and record.reserved == len(answer.reserved or ())
                and record.concurrency == answer.concurrency
                and record.prefetch_count == answer.prefetch_count
                and record.memory_bytes == answer.memory_bytes
                and list(queue.by_priority.values()) == lengths
                and queue.ready == sum(lengths)
                and queue.unacked == unacked
                and queue.consumers == 1
            )

        wait_until(agree, 40, "all figures to agree", every_s=0.3)
    finally:
        control.close()
        sender.control.purge()
        sender.close()


def test_a_queue_first_used_while_one_looks_is_seen_with_its_message(
    broker_url: str, workers: Workers, eyes: Eyes
) -> None:
    worker = workers.start(broker_url)
    eyes.wait_for(worker.hostname, "online")
    sender = client(broker_url, task_send_sent_event=False)
    try:
        wait_until(lambda: eyes.queues.get("default"), 20, "the queue of the worker")
        sender.send_task("harness.tasks.add", (1, 2), queue="brand-new")

        def seen() -> bool:
            queue = eyes.queues.get("brand-new")
            return queue is not None and queue.ready == 1 and queue.state == "no consumer"

        # Two seconds on a machine that has nothing else to do; a minute would be the old way.
        wait_until(seen, 25, lambda: eyes.queues.records())
    finally:
        sender.close()


def test_with_no_worker_connected_no_queue_has_a_consumer(
    broker_url: str, workers: Workers, eyes: Eyes
) -> None:
    worker = workers.start(broker_url)
    eyes.wait_for(worker.hostname, "online")
    wait_until(lambda: (q := eyes.queues.get("default")) and q.state == "flowing", 20)
    sender = client(broker_url)
    try:
        worker.stop()
        sender.send_task("harness.tasks.add", (1, 2), queue="default")

        def is_alone() -> bool:
            queue = eyes.queues.get("default")
            return queue is not None and (queue.ready, queue.state) == (1, "no consumer")

        wait_until(is_alone, 40, lambda: eyes.queues.records())
    finally:
        sender.close()


def test_a_busy_solo_worker_is_kept_and_one_killed_beside_it_is_gone(
    broker_url: str, workers: Workers, eyes: Eyes, tmp_path: Path
) -> None:
    release = tmp_path / "release"
    busy = workers.start(broker_url, pool="solo", concurrency=1, queues=["busy"], wait=False)
    killed = workers.start(broker_url, queues=["other"], wait=False)
    for each in (busy, killed):
        each.wait_ready()
        eyes.wait_for(each.hostname, "online")
    wait_until(lambda: eyes.can_tell_apart(busy.hostname, killed.hostname), 60)
    sender = client(broker_url)
    try:
        sender.send_task("harness.tasks.sleep", (600, str(release)), queue="busy")
        wait_until(lambda: "Task harness.tasks.sleep" in busy.log(), 20, busy.log)
        killed.kill9()
        wait_until(lambda: eyes.status(killed.hostname) == "offline", 90, lambda: eyes.seen)
        wait_until(lambda: eyes.status(busy.hostname) == "not answering", 60, lambda: eyes.seen)
        assert "offline" not in eyes.seen[busy.hostname]
    finally:
        release.touch()
        sender.close()
    wait_until(lambda: eyes.status(busy.hostname) == "online", 40, lambda: eyes.seen)
    assert "offline" not in eyes.seen[busy.hostname]


def test_of_two_that_fall_silent_together_the_killed_one_is_gone_and_the_stopped_one_is_not(
    broker_url: str, workers: Workers, eyes: Eyes
) -> None:
    stopped, killed = (workers.start(broker_url, wait=False) for _ in range(2))
    for each in (stopped, killed):
        each.wait_ready()
        eyes.wait_for(each.hostname, "online")
    wait_until(lambda: eyes.can_tell_apart(stopped.hostname, killed.hostname), 60)
    stopped.signal(signal.SIGSTOP)
    killed.kill9()
    try:
        wait_until(lambda: eyes.status(killed.hostname) == "offline", 90, lambda: eyes.seen)
        wait_until(lambda: eyes.status(stopped.hostname) == "not answering", 60, lambda: eyes.seen)
        assert "not answering" not in eyes.seen[killed.hostname]
        assert "offline" not in eyes.seen[stopped.hostname]
    finally:
        stopped.signal(signal.SIGCONT)


def test_rates_are_told_without_events_from_what_workers_count(
    broker_url: str, workers: Workers
) -> None:
    workers.start(broker_url, queues=["default"], events=False)
    eyes = Eyes(broker_url, enable_events=False)
    sender = client(broker_url)
    try:

        def flows() -> bool:
            for _ in range(5):
                sender.send_task("harness.tasks.add", (1, 2), queue="default")
            queue = eyes.queues.get("default")
            return queue is not None and (queue.out_rate or 0) > 0 and (queue.in_rate or 0) > 0

        wait_until(flows, 40, lambda: eyes.queues.records(), every_s=0.3)
        assert not eyes.tasks.taken.tell()
    finally:
        sender.close()
        eyes.close()


def test_a_ping_of_everybody_ends_when_as_many_answered_as_there_are(
    broker_url: str, workers: Workers
) -> None:
    started = [workers.start(broker_url, wait=False) for _ in range(2)]
    for each in started:
        each.wait_ready()
    control = Control(cluster_at(broker_url))
    try:
        wait_until(lambda: control.ping().reached == 2, 20, "both to listen")
        before = time.monotonic()
        ping = control.ping(timeout_s=60)
        assert set(ping.answered) == {each.hostname for each in started}
        assert time.monotonic() - before < 45
    finally:
        control.close()


def test_two_workers_of_one_name_are_told(broker_url: str, workers: Workers, eyes: Eyes) -> None:
    options = ["--heartbeat-interval", "1"]
    first, second = (
        workers.start(broker_url, name="twin", options=options, wait=False) for _ in range(2)
    )
    for each in (first, second):
        each.wait_ready()

    def are_told() -> bool:
        record = eyes.workers.get(first.hostname)
        return record is not None and record.is_doubled(time.time())

    wait_until(are_told, 40, lambda: eyes.workers.records(), every_s=0.1)
    second.stop()
    alone = eyes.workers.get(first.hostname)
    assert alone is not None
    wait_until(
        lambda: (
            (record := eyes.workers.get(first.hostname)) is not None
            and record.pid == first.process.pid
            and (record.heartbeat_at or 0.0) > (record.doubled_at or 0.0) + 3
        ),
        40,
        lambda: eyes.workers.records(),
        every_s=0.1,
    )
    assert eyes.status(first.hostname) == "online", "the other one said goodbye, not this one"

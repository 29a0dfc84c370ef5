"""Many events, and a recorder that is killed or held up among them: what is lost is known."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from celery.result import AsyncResult

from harness.flood import Flood
from harness.recorder import Site, rss_mib
from harness.tasks import client
from harness.waiting import wait_until
from harness.worker import Workers
from umbel_backend.demo.server import EmbeddedServer

pytestmark = pytest.mark.live

COMPLETE = (
    "state = 'SUCCESS' AND finished_at IS NOT NULL AND name <> '' AND args IS NOT NULL"
    " AND result IS NOT NULL AND runtime_s IS NOT NULL AND received_at IS NOT NULL"
    " AND started_at IS NOT NULL AND worker IS NOT NULL"
)
FLOODED = "worker LIKE '%@flood'"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path_factory.mktemp("server"), append_only=False) as server:
        yield server


@pytest.fixture(scope="module")
def plain_workers(
    server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workers]:
    """A real worker beside the flood, which stores results."""
    workers = Workers(tmp_path_factory.mktemp("workers"))
    workers.start(server.url(0), result_backend=server.url(1), concurrency=4)
    yield workers
    workers.stop()


@pytest.fixture
def site(tmp_path: Path, server: EmbeddedServer) -> Iterator[Site]:
    site = Site(tmp_path, server.url(0), server.url(1))
    yield site
    site.stop()
    print(site.log())


def incomplete(site: Site, flood: Flood) -> list[tuple[str, float]]:
    """Return the flood's tasks that history does not hold completely."""
    known = {row[0] for row in site.query(f"SELECT id FROM task WHERE {COMPLETE}")}
    return [(task_id, at) for task_id, at in flood.published if task_id not in known]


def nothing_is_twice_or_half(site: Site) -> bool:
    return (
        site.query("SELECT count(*) - count(DISTINCT id) FROM task") == [(0,)]
        and site.count(f"{FLOODED} AND NOT ({COMPLETE})") == 0
        and site.is_sound()
    )


def test_no_task_of_many_is_missing_and_memory_stays_flat(
    site: Site, server: EmbeddedServer
) -> None:
    recorder = site.recorder()
    # First more than the recorder keeps in memory, and far above its usual rate.
    first = Flood(server.url(0), rate=20_000, tasks=40_000).run()
    wait_until(lambda: site.count(COMPLETE) >= 40_000, 30, "the first to be written")
    before = rss_mib(recorder)
    second = Flood(server.url(0), rate=3_000, tasks=10_000).run()
    wait_until(lambda: site.count(COMPLETE) >= 50_000, 30, lambda: f"all; {site.count()} rows")
    assert incomplete(site, first) == incomplete(site, second) == []
    assert site.count() == 50_000
    assert site.gaps() == []
    assert rss_mib(recorder) < before + 25


def test_a_recorder_killed_under_load_loses_nothing_but_a_gap_it_knows(
    site: Site, server: EmbeddedServer, plain_workers: Workers, tmp_path: Path
) -> None:
    release = tmp_path / "release"
    sender = client(server.url(0), server.url(1))
    recorder = site.recorder()
    with Flood(server.url(0), rate=3_000) as flood:
        held = [
            sender.send_task("harness.tasks.sleep", (60, str(release)), queue="default")
            for _ in range(4)
        ]
        wait_until(lambda: site.count("state = 'STARTED'") == 4, 20, "tasks that run")
        wait_until(lambda: site.count(COMPLETE) > 3_000, 20, "load")
        recorder.kill()
        recorder.wait()
        killed_at = time.time()
        release.touch()
        missed = sender.send_task("harness.tasks.add", (20, 22), queue="default")
        assert [result.get(timeout=20) for result in (*held, missed)] == ["released"] * 4 + [42]
        started_at = time.time()
        site.recorder()
        wait_until(lambda: flood.published[-1][1] > time.time() - 1 > started_at, 30, "more load")
        flood.stop()
    ids = [result.id for result in held]
    wait_until(
        lambda: set(known_states(site, ids)) == {"SUCCESS"}, 30, lambda: known_states(site, ids)
    )
    (gap,) = wait_until(site.gaps, 10, "the gap")
    wait_until(lambda: outside(incomplete(site, flood), gap) == [], 20, "the rest to be written")
    assert gap["started_at"] <= killed_at
    assert gap["started_at"] > killed_at - 5
    assert gap["ended_at"] >= started_at
    assert incomplete(site, flood) != []
    assert nothing_is_twice_or_half(site)


def test_a_recorder_the_server_cut_off_says_since_when_and_finds_what_can_be_found(
    site: Site, server: EmbeddedServer, plain_workers: Workers, tmp_path: Path
) -> None:
    release = tmp_path / "release"
    sender = client(server.url(0), server.url(1))
    recorder = site.recorder()
    with redis.Redis.from_url(server.url(0)) as admin:
        # The default of 32 MB takes longer, and does the same.
        admin.config_set("client-output-buffer-limit", "pubsub 1mb 1mb 1")
        held = [
            sender.send_task("harness.tasks.sleep", (60, str(release)), queue="default")
            for _ in range(3)
        ]
        wait_until(lambda: site.count("state = 'STARTED'") == 3, 20, "tasks that run")
        with Flood(server.url(0), rate=6_000) as flood:
            wait_until(lambda: site.count(COMPLETE) > 3_000, 20, "load")
            subscriptions = admin.pubsub_numpat()
            os.kill(recorder.pid, signal.SIGSTOP)
            stopped_at = time.time()
            release.touch()
            ended: list[AsyncResult] = [*held, sender.send_task("harness.tasks.add", (1, 1))]
            assert all(result.get(timeout=20) for result in ended)
            wait_until(
                lambda: admin.pubsub_numpat() < subscriptions, 60, "the server to cut it off"
            )
            woken_at = time.time()
            os.kill(recorder.pid, signal.SIGCONT)
            (gap,) = wait_until(site.gaps, 20, "the gap")
            # The last that is not in doubt.
            wait_until(lambda: flood.published[-1][1] > gap["ended_at"] + 1, 20, "more load")
            flood.stop()
    assert gap["reason"].startswith("the event stream was interrupted: ")
    assert gap["ended_at"] >= woken_at
    wait_until(
        lambda: outside(incomplete(site, flood), gap) == [],
        20,
        lambda: [
            (at - gap["started_at"], gap["ended_at"] - at)
            for _, at in outside(incomplete(site, flood), gap)
        ][:20],
    )
    first_missed = min(at for _, at in incomplete(site, flood))
    assert stopped_at - 5 < gap["started_at"] <= first_missed + LAST_EVENT_AFTER_S
    # What the sockets still held was not lost, and is not said to be.
    assert gap["started_at"] > first_missed - 5
    ids = [result.id for result in held]
    wait_until(
        lambda: set(known_states(site, ids)) == {"SUCCESS"}, 30, lambda: known_states(site, ids)
    )
    assert nothing_is_twice_or_half(site)


# A task's last event is dated this much after the task itself, and the next task may lie between.
LAST_EVENT_AFTER_S = 0.001


def outside(tasks: list[tuple[str, float]], gap: dict[str, float]) -> list[tuple[str, float]]:
    begins_at = gap["started_at"] - LAST_EVENT_AFTER_S
    return [task for task in tasks if not begins_at <= task[1] <= gap["ended_at"]]


def known_states(site: Site, ids: list[str]) -> list[str]:
    found = {
        row[0]: row[1]
        for row in site.query(
            f"SELECT id, state FROM task WHERE id IN ({','.join('?' * len(ids))})", *ids
        )
    }
    return [found.get(task_id, "unknown") for task_id in ids]

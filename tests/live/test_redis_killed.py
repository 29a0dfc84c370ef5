"""Redis dies under load and comes back with its append-only file: what is said afterwards is true."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from harness.recorded import Recorded
from harness.tasks import client
from harness.waiting import wait_until
from harness.worker import Workers
from umbel_agent import protocol
from umbel_backend import states
from umbel_backend.demo.server import EmbeddedServer

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]

APP = "harness.agent_tasks:app"
SHORT = {"visibility_timeout": 4, "unacked_restore_interval": 0.5, "unacked_restore_throttle": 1}
ENV = {"HARNESS_TRANSPORT_OPTIONS": json.dumps(SHORT)}
LINES = 5


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path / "server", append_only=True) as server:
        yield server


@pytest.fixture
def recorded(tmp_path: Path, mortal: EmbeddedServer) -> Iterator[Recorded]:
    site = Recorded(tmp_path, mortal.url(0), mortal.url(0))
    yield site
    site.stop()
    print(site.log())


def _results(server: Any, ids: list[str]) -> dict[str, str]:
    stored = server.mget([f"celery-task-meta-{one}" for one in ids])
    return {one: json.loads(each)["status"] for one, each in zip(ids, stored, strict=True) if each}


def test_what_is_recorded_after_redis_was_killed_under_load_is_what_happened(
    mortal: EmbeddedServer, recorded: Recorded, workers: Workers
) -> None:
    url = mortal.url(0)
    worker = workers.start(url, app=APP, result_backend=url, concurrency=4, env=ENV)
    recorded.recorder()
    sender = client(url, url)
    kinds: list[tuple[str, tuple[Any, ...]]] = [
        ("harness.agent.nap", (0.03,)),
        ("harness.agent.late", (0.03,)),
        ("harness.agent.flood", (LINES,)),
        ("harness.tasks.fail", ("bad row",)),
    ]
    sent = [(kinds[n % 4][0], str(sender.send_task(*kinds[n % 4]).id)) for n in range(160)]
    ids = [task_id for _, task_id in sent]
    wait_until(lambda: recorded.count() > 40, 60, recorded.log)
    mortal.kill()
    wait_until(lambda: "onnection" in worker.log().partition("ready.")[2], 30, worker.log)
    mortal.start()
    server: Any = redis.Redis.from_url(url)
    alive = [worker]

    def is_done() -> bool:
        if not alive[-1].process.is_running:
            # A worker that acknowledges on the broken connection may end of it (kombu's hub, on
            # closing): then it is started anew, as whoever supervises it would.
            options = {"result_backend": url, "concurrency": 4, "env": ENV}
            alive.append(workers.start(url, app=APP, **options))  # type: ignore[arg-type]
        return not server.llen("default") and not server.hlen("unacked")

    wait_until(
        is_done,
        60,
        lambda: f"the load to be done; {server.llen('default')} wait\n{worker.log()[-3000:]}",
        every_s=0.2,
    )

    def groups_have_read() -> bool:
        groups = server.xinfo_groups(protocol.STREAM_KEY)
        return not sum(group["pending"] + (group["lag"] or 0) for group in groups)

    def wrong() -> dict[str, tuple[str | None, str | None]]:
        told, results = recorded.all(ids), _results(server, ids)
        states_told = {one: told[one].state if one in told else None for one in ids}
        return {
            one: (states_told[one], results.get(one))
            for one in ids
            if (one in results and states_told[one] != results[one])
            or (one not in results and states_told[one] == states.SUCCESS)
        }

    wait_until(groups_have_read, 30, "the stream to be read", every_s=0.2)
    wait_until(
        lambda: not wrong(),
        60,
        lambda: f"the history to say what happened; it does not of {wrong()}\n{recorded.log()}",
        every_s=0.2,
    )
    talking = [one for name, one in sent if name == "harness.agent.flood"]

    def lines() -> dict[str, tuple[int, int]]:
        """Return of which tasks others are kept than were written, and how many of both."""
        # A message that could not be acknowledged comes again, and its task may well run twice.
        logs = "".join(each.log() for each in alive)
        counts = {one: (len(recorded.lines(one)), logs.count(f"[{one}]: ")) for one in talking}
        return {one: each for one, each in counts.items() if each[0] != each[1]}

    if len(alive) == 1:
        wait_until(lambda: not lines(), 30, lambda: f"the lines: {lines()}", every_s=0.5)
    assert not [one for one, (kept, written) in lines().items() if kept > written]
    assert all("interrupted" in gap.reason for gap in recorded.noted())
    assert states.SUCCESS in _results(server, ids).values()

"""Events on RabbitMQ, the agents' stream on a Redis beside it: one cluster for recorder and console."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from fake_console.screen_text import text, until, until_shown
from harness.recorder import Site
from harness.tasks import client
from harness.waiting import wait_until
from harness.worker import Workers
from umbel_backend.settings import Context, Settings
from umbel_console import services
from umbel_console.app import UmbelApp
from umbel_console.services import Services

pytestmark = [pytest.mark.live, pytest.mark.rabbitmq]
APP = "harness.agent_tasks:app"


async def test_recorder_console_and_commands_read_the_stream_where_the_context_names_it(
    rabbitmq_url: str, broker_url: str, workers: Workers, tmp_path: Path
) -> None:
    site = Site(tmp_path, rabbitmq_url)
    lacking = {each["check"]: each for each in site.inside("doctor", "--json").json()}
    assert "stream" not in lacking, "nothing is known of agents yet"
    site.environment["UMBEL_REDIS"] = broker_url
    worker = workers.start(rabbitmq_url, app=APP, env={"UMBEL_REDIS": broker_url})
    sender = client(rabbitmq_url)
    try:
        site.recorder()
        sent = sender.send_task("harness.tasks.speak", (3,), headers={"from": "a test"})
        ended = f"id = '{sent.id}' AND state = 'SUCCESS'"
        wait_until(lambda: site.count(ended), 60, site.log)
        wait_until(lambda: site.query("SELECT 1 FROM task_log"), 30, site.log)
        lines = [each["text"] for each in site.inside("logs", sent.id, "--json").json()]
        assert "business log line 2" in lines
        message = site.inside("task", sent.id, "--message", "--json").json()
        assert json.loads(base64.b64decode(message["body"]))[0] == [3]
        assert site.inside("task", sent.id, "--json").json()["args"] == [3]
        wait_until(
            lambda: [each["agent"] for each in site.inside("workers", "--json").json()] != [None],
            30,
            "the agent to be known",
        )
        told = {each["check"]: each for each in site.inside("doctor", "--json").json()}
        assert (told["agent"]["level"], told["stream"]["level"]) == ("ok", "ok"), told
        await _is_seen_live(rabbitmq_url, broker_url, worker.hostname)
    finally:
        sender.close()
        site.stop()


async def _is_seen_live(rabbitmq_url: str, redis_url: str, hostname: str) -> None:
    """Look with a console that has no database, so that all it shows came by the two roads."""
    settings = Settings(context=Context(broker=rabbitmq_url, stream=redis_url))
    real = services.real(settings)
    app = UmbelApp(settings, Services(events=real.events, agents=real.agents, cluster=real.cluster))
    sender = client(rabbitmq_url)
    async with app.run_test(size=(160, 36)) as pilot:
        known = app.session.workers.get
        await until(
            pilot,
            lambda: (record := known(hostname)) is not None and bool(record.agent),
            timeout_s=60,
        )
        sent = sender.send_task("harness.tasks.speak", (2,))
        await until(pilot, lambda: sent.id[:8] in text(app), timeout_s=30)
        await until(pilot, lambda: app.session.tasks.has_ended(sent.id), timeout_s=30)
        await until(pilot, lambda: app.session.logs.revision(sent.id) > 0, timeout_s=30)
        record = known(hostname)
        assert record is not None
        assert record.succeeded == 1, "told by both roads, counted once"
        await pilot.press("3")
        await until_shown(pilot, record.agent or "", timeout_s=30)
        app.exit(0)
    sender.close()

"""The whole way of what agents tell: from a real worker onto a real screen and the command line."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
import time
from pathlib import Path

import pytest
import redis
from textual.pilot import Pilot

from fake_console.screen_text import line_with, text, until, until_shown
from harness.command import UMBEL
from harness.recorder import Site
from harness.tasks import client
from harness.waiting import wait_until
from harness.worker import Workers
from umbel_backend.settings import Context, Settings
from umbel_console import services
from umbel_console.app import UmbelApp
from umbel_console.screens.logs import LogsScreen
from umbel_console.screens.task_list import TaskListScreen
from umbel_console.services import Services

pytestmark = pytest.mark.live
APP = "harness.agent_tasks:app"


def unrecorded(broker_url: str) -> UmbelApp:
    """Return a console that has neither database nor recorder: all it shows is live."""
    settings = Settings(context=Context(name="live", broker=broker_url))
    real = services.real(settings)
    return UmbelApp(
        settings, Services(events=real.events, agents=real.agents, cluster=real.cluster)
    )


async def put_cursor(pilot: Pilot[int], app: UmbelApp, task_id: str) -> None:
    screen = app.screen
    assert isinstance(screen, TaskListScreen)
    view = screen.table.view
    await until(pilot, lambda: task_id in [each.id for each in view.rows], timeout_s=30)
    view.move_to([each.id for each in view.rows].index(task_id))


async def test_progress_and_logs_of_a_running_task_are_seen_without_any_database(
    broker_url: str, workers: Workers, tmp_path: Path
) -> None:
    # No -E, no result backend: only the agent tells.
    worker = workers.start(broker_url, app=APP, events=False)
    app, sender, release = unrecorded(broker_url), client(broker_url), tmp_path / "release"
    async with app.run_test(size=(160, 36)) as pilot:
        known = app.session.workers.get
        await until(
            pilot,
            lambda: (record := known(worker.hostname)) is not None and bool(record.agent),
            timeout_s=30,
        )
        sent = sender.send_task("harness.tasks.progress", (4, 1.2, str(release)))
        await until(pilot, lambda: sent.id[:8] in text(app), timeout_s=30)
        await until(pilot, lambda: "50%" in line_with(app, sent.id[:8]), timeout_s=30)
        await until(pilot, lambda: "75%" in line_with(app, sent.id[:8]), timeout_s=30)
        pace = app.session.tasks.paces[sent.id]
        assert (pace.rate(time.time()) or 0.0) < 4
        release.touch()
        await until_shown(pilot, "✓ SUCCESS", timeout_s=30)
        spoken = sender.send_task("harness.tasks.speak", (3,))
        await put_cursor(pilot, app, spoken.id)
        await pilot.press("l")
        await until(pilot, lambda: isinstance(app.screen, LogsScreen))
        await until_shown(pilot, "printed line 2", timeout_s=30)
        assert "WARNING" in line_with(app, "business log line 2")
        await pilot.press("escape", "3")
        await until_shown(pilot, "AGENT", timeout_s=30)
        app.exit(0)


def test_the_command_line_follows_a_log_and_prints_the_exact_message(
    broker_url: str, workers: Workers, tmp_path: Path
) -> None:
    site = Site(tmp_path, broker_url)
    workers.start(broker_url, app=APP)
    sender = client(broker_url)
    try:
        site.recorder()
        sent = sender.send_task("harness.tasks.speak", (40,), headers={"from": "a test"})
        wait_until(lambda: site.count(f"id = '{sent.id}'"), 30, "the task to be recorded")
        told = site.umbel("logs", sent.id, "--follow", "--json")
        assert told.code == 0, told.err
        texts = [json.loads(row)["text"] for row in told.out.splitlines()]
        wanted = {
            words
            for n in range(40)
            for words in (f"task log line {n}", f"business log line {n}", f"printed line {n}")
        }
        assert wanted <= set(texts)
        assert len(texts) == len(set(texts))
        message = site.umbel("task", sent.id, "--message", "--json").json()
        args, _kwargs, _embedded = json.loads(base64.b64decode(message["body"]))
        assert args == [40]
        assert message["headers"]["from"] == "a test"
        (worker,) = site.umbel("workers", "--json").json()
        assert worker["agent"]
        found = {each["check"]: each for each in site.umbel("doctor", "--json").json()}
        assert found["agent"]["level"] == "ok"
        assert found["stream"]["level"] == "ok", found["stream"]
    finally:
        site.stop()


def test_a_log_is_followed_live_while_nobody_records(
    broker_url: str, workers: Workers, tmp_path: Path
) -> None:
    site = Site(tmp_path, broker_url)
    recorder = site.recorder()
    sent = client(broker_url).send_task("harness.tasks.speak", (3,))
    wait_until(lambda: site.count(f"id = '{sent.id}'"), 30, "the task to be recorded")
    recorder.terminate()
    recorder.wait(30)
    follower = subprocess.Popen(
        [UMBEL, "logs", sent.id, "--follow"],
        env=site.environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    told: list[str] = []

    def read() -> None:
        assert follower.stdout is not None
        told.extend(follower.stdout)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        with redis.Redis.from_url(broker_url) as connection:
            number = connection.connection_pool.connection_kwargs["db"]
            wait_until(
                lambda: any(
                    each["db"] == str(number) and each["cmd"].startswith(("xinfo", "xread"))
                    for each in connection.client_list()
                ),
                60,
                "the follower to look at the stream",
            )
        workers.start(broker_url, app=APP)
        wait_until(lambda: "printed line 2" in "".join(told), 60, lambda: f"its lines; {told}")
        site.recorder()
        assert follower.wait(60) == 0
        reader.join(30)
    finally:
        follower.kill()
        follower.wait(30)
        reader.join(30)
        site.stop()
    assert len(told) == len(set(told)) == 9

"""The whole way: a real worker's event on a real screen, and from the database back on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fake_console.screen_text import text, until, until_shown
from harness.cluster import Cluster
from harness.tasks import client
from harness.waiting import free_port
from harness.worker import Workers
from umbel_backend.demo.server import EmbeddedServer
from umbel_backend.settings import Context, Settings
from umbel_console.app import UmbelApp

pytestmark = pytest.mark.live


def console(broker_url: str, tmp_path: Path) -> UmbelApp:
    context = Context(name="live", broker=broker_url, db=str(tmp_path / "history.db"))
    return UmbelApp(Settings(context=context))


def has_line(app: UmbelApp, *words: str) -> bool:
    """Return whether one line shows all of ``words``."""
    return any(all(word in line for word in words) for line in text(app).split("\n"))


async def test_a_task_is_seen_from_its_start_to_its_end_and_then_in_history(
    cluster: Cluster, tmp_path: Path
) -> None:
    app = console(cluster.broker_url, tmp_path)
    release = tmp_path / "release"
    async with app.run_test(size=(140, 30)) as pilot:
        await until_shown(pilot, "1/1 worker")
        await until_shown(pilot, "rec here")
        sent = cluster.send("sleep", 30, str(release), queue="reports")
        await until(pilot, lambda: has_line(app, "● STARTED", sent.id[:8], "reports"))
        release.touch()
        await until(pilot, lambda: has_line(app, "✓ SUCCESS", sent.id[:8]))
        failed = cluster.send("fail", "no such account")
        await until(pilot, lambda: has_line(app, "✗ FAILURE", "ValueError"))
        await pilot.press("2")
        await until(pilot, lambda: failed.id[:8] in text(app))
        await until(pilot, lambda: sent.id[:8] in text(app))
        await pilot.press("slash", *"state:FAILURE", "enter")
        await until_shown(pilot, "1 task matches in all of history")
        await pilot.press("enter", "right", "right")
        await until_shown(pilot, "Traceback (most recent call last)")
        app.exit(0)


async def test_what_an_earlier_console_recorded_is_there_at_the_next_start(
    cluster: Cluster, tmp_path: Path
) -> None:
    first = console(cluster.broker_url, tmp_path)
    async with first.run_test(size=(140, 30)) as pilot:
        await until_shown(pilot, "rec here")
        await until(pilot, lambda: first.session.freshness.state == "live")
        sent = cluster.send("add", 2, 3)
        await until(pilot, lambda: sent.id[:8] in text(first))
        first.exit(0)
    second = console(cluster.broker_url, tmp_path)
    async with second.run_test(size=(140, 30)) as pilot:
        await until(pilot, lambda: sent.id[:8] in text(second))
        second.exit(0)


async def test_a_broker_that_goes_away_and_comes_back_is_told_and_leaves_a_gap(
    tmp_path: Path, workers: Workers
) -> None:
    with EmbeddedServer(tmp_path / "server", append_only=False, port=free_port()) as server:
        workers.start(server.url(0))
        app = console(server.url(0), tmp_path)
        async with app.run_test(size=(140, 30)) as pilot:
            await until_shown(pilot, "● live")
            server.kill()
            await until_shown(pilot, "trying again")
            assert app.is_running
            server.start()
            await until_shown(pilot, "● live")
            await until_shown(pilot, "1 gap")
            sent = client(server.url(0)).send_task("harness.tasks.add", (1, 2))
            await until(pilot, lambda: sent.id[:8] in text(app))
            app.exit(0)

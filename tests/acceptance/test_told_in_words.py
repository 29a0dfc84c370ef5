"""What keeps a console or recorder from working is told in a sentence, and ends with the right code."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import signal
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from harness.command import UMBEL, home_environment, run_umbel
from harness.flood import Flood, envelope, life
from harness.recorder import Site
from harness.terminal import Terminal
from harness.waiting import free_port, wait_until
from umbel_backend import states
from umbel_backend.demo.server import EmbeddedServer

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path_factory.mktemp("server"), append_only=False) as server:
        yield server


@pytest.fixture
def site(tmp_path: Path, server: EmbeddedServer) -> Iterator[Site]:
    site = Site(tmp_path, server.url(0))
    yield site
    site.stop()


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Return a function that opens a console and waits until it says all the words given."""
    opened: list[Terminal] = []

    def open_(*words: str, preexec: Callable[[], None] | None = None, **variables: str) -> Terminal:
        environment = {**home_environment(tmp_path), **variables}
        terminal = Terminal([UMBEL], environment, tmp_path, preexec=preexec)
        opened.append(terminal)
        terminal.until(lambda text: all(word in text for word in words), 30)
        return terminal

    yield open_
    for terminal in opened:
        terminal.press("q")
        try:
            assert terminal.end() == 0
            assert b"Traceback" not in terminal.sent
        finally:
            terminal.close()


def test_a_console_says_that_the_password_was_refused(told: Callable[..., Terminal]) -> None:
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedServer(Path(folder), port=port, append_only=False) as server,
        redis.Redis(port=server.port) as admin,
    ):
        admin.config_set("requirepass", "right")
        try:
            url = f"redis://:wr0ng@127.0.0.1:{port}/0"
            terminal = told("password", "refused", UMBEL_BROKER=url)
            assert b"wr0ng" not in terminal.sent
            run = run_umbel(
                "recorder",
                environment={**home_environment(Path(folder)), "UMBEL_BROKER": url},
                cwd=Path(folder),
            )
            assert (run.code, run.err.count("\n")) == (3, 1), run.err
            assert "wr0ng" not in run.err
        finally:
            admin.execute_command("AUTH", "right")
            admin.config_set("requirepass", "")


def test_a_console_says_that_the_database_is_of_a_newer_umbel(
    site: Site, told: Callable[..., Terminal]
) -> None:
    assert site.umbel("db", "upgrade").code == 0
    with closing(sqlite3.connect(site.file)) as database:
        database.execute("INSERT INTO schema_version VALUES (99, 'later', 0)")
        database.commit()
    told("schema version 99", "no recorder", UMBEL_BROKER=site.broker_url, UMBEL_DB=str(site.file))
    run = site.umbel("recorder")
    assert (run.code, run.err.count("\n")) == (3, 1), run.err
    assert "newer" in run.err


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_console_says_that_the_database_may_not_be_written(
    site: Site, told: Callable[..., Terminal], what: str
) -> None:
    folder = Path(tempfile.mkdtemp(prefix="umbel-acceptance-"))
    try:
        file = folder / "umbel.db"
        assert site.umbel("--db", str(file), "db", "upgrade").code == 0
        for path in (folder, *folder.iterdir()):
            path.chmod(0o555 if path.is_dir() else 0o444)
        if what == "folder":
            folder.chmod(0o777)
            for path in folder.iterdir():
                path.unlink()
            folder.chmod(0o555)
        terminal = told(
            "no recorder",
            "read-only" if what == "file" else "permission denied",
            UMBEL_BROKER=site.broker_url,
            UMBEL_DB=str(file),
            preexec=step_down,
            HOME=str(folder),
            XDG_STATE_HOME=str(folder / "state"),
        )
        assert "live" in terminal.text
    finally:
        folder.chmod(0o777)
        shutil.rmtree(folder)


def step_down() -> None:
    """Let files' rights bind root, too: drop what overrides them, for what is run next."""
    if os.getuid() == 0:
        drop_bounding, dac_override, dac_read_search = 24, 1, 2
        libc = ctypes.CDLL(None)
        for capability in (dac_override, dac_read_search):
            libc.prctl(drop_bounding, capability, 0, 0, 0)


def test_a_recorder_on_a_full_disk_says_so_and_goes_on_when_there_is_room(
    site: Site, server: EmbeddedServer
) -> None:
    process = site.recorder()
    Flood(server.url(0), rate=0, tasks=300).run()
    wait_until(lambda: site.count() == 300, 20, site.log)
    # As full as a disk gets for this process: no file may grow.
    size = os.path.getsize(site.file)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    Flood(server.url(0), rate=0, tasks=6_000).run()
    wait_until(lambda: "cannot be" in site.log() or "full" in site.log(), 30, site.log)
    assert process.poll() is None
    resource.prlimit(
        process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    )
    wait_until(lambda: site.count("state = 'SUCCESS'") == 6_300, 40, site.log)
    wait_until(lambda: "can be written again" in site.log(), 10, site.log)
    assert site.gaps() == []
    assert site.is_sound()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_a_console_without_a_terminal_is_bad_usage(site: Site) -> None:
    run = site.umbel()
    assert (run.code, run.out, run.err.count("\n")) == (2, "", 1)
    assert "terminal" in run.err


@pytest.mark.parametrize("step_s", [-3_600.0, -1.0, 3_600.0])
def test_a_clock_that_steps_in_the_middle_of_tasks_leaves_no_wrong_state(
    site: Site, server: EmbeddedServer, step_s: float
) -> None:
    site.recorder()
    now = time.time()
    plain = life("plain", 0, now)
    retried = [
        *life("retried", 0, now)[:2],
        {**plain[1], "type": "task-retried", "uuid": "retried", "timestamp": now + 0.2},
        {**life("retried", 0, now + 0.3)[0], "retries": 1},
        *life("retried", 0, now + 0.4)[1:],
    ]
    retried[2]["exception"] = "OSError('gone')"
    for event in (plain[2], *retried[3:]):
        event["timestamp"] += step_s
    with redis.Redis.from_url(server.url(0)) as broker:
        for events in ([*plain[:2], *retried[:3]], [*retried[3:], plain[2]]):
            broker.publish("/0.celeryev/task.multi", envelope(events))
    wait_until(lambda: site.count() == 2, 20, site.log)
    wait_until(
        lambda: site.count(f"state = '{states.SUCCESS}' AND finished_at IS NOT NULL") == 2,
        20,
        lambda: site.query("SELECT id, state, retries FROM task"),
    )
    told = {task["id"]: task for task in site.inside("tasks", "--json").json()}
    outcomes = [attempt["outcome"] for attempt in told["retried"]["attempts"]]
    assert outcomes == [states.RETRY, states.SUCCESS]
    assert abs(site.query("SELECT max(finished_at) FROM task")[0][0] - now) < 60

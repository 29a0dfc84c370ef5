"""Consoles as operators use them: typed ahead, two at once, through a broker that goes away."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from harness.command import UMBEL
from harness.recorder import Site
from harness.tasks import client
from harness.terminal import Terminal
from harness.waiting import free_port, wait_until
from harness.worker import Workers
from umbel_backend.demo.server import EmbeddedServer

pytestmark = pytest.mark.live

Open = Callable[..., Terminal]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    port = free_port()
    with EmbeddedServer(tmp_path_factory.mktemp("server"), port=port) as server:
        yield server


@pytest.fixture(scope="module")
def site(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    workers = Workers(tmp_path_factory.mktemp("workers"))
    workers.start(server.url(0), result_backend=server.url(1), name="w1")
    yield Site(tmp_path_factory.mktemp("site"), server.url(0), server.url(1))
    workers.stop()


@pytest.fixture
def console(site: Site) -> Iterator[Open]:
    """Return a function that opens a console on a terminal of its own."""
    opened = []

    def open_(width: int = 120, height: int = 36) -> Terminal:
        terminal = Terminal([UMBEL], site.environment, site.folder, width=width, height=height)
        opened.append(terminal)
        return terminal

    yield open_
    for terminal in opened:
        terminal.close()


def send(site: Site, name: str, *arguments: object) -> str:
    with client(site.broker_url) as sender:
        return str(sender.send_task(f"harness.tasks.{name}", arguments, queue="default").id)


def test_what_is_typed_ahead_goes_where_the_keys_before_it_lead(site: Site, console: Open) -> None:
    terminal = console()
    terminal.until("● live")
    send(site, "add", 1, 2)
    terminal.until("tasks.add")
    terminal.press("/name:nothing.of.this.name\r")
    terminal.until("/ name:nothing.of.this.name")
    terminal.until(lambda text: "tasks.add" not in text)
    terminal.press(":help\r")
    terminal.until("esc closes")
    terminal.press("\x1b")
    terminal.until(lambda text: "esc closes" not in text)
    terminal.press("q")
    assert terminal.end() == 0


def test_of_two_consoles_one_records_and_the_other_takes_over(site: Site, console: Open) -> None:
    first = console()
    first.until("rec here")
    second = console(width=80, height=24)
    host = socket.gethostname()
    second.until(f"rec {host}")
    assert "rec here" not in second.text
    for terminal in (first, second):
        terminal.until("● live")
    sent = send(site, "fail", "seen by both")
    for terminal in (first, second):
        terminal.until(lambda text: sent[:8] in text and "FAILURE" in text)
        terminal.press("2")
        terminal.until(lambda text: sent[:8] in text or "ValueError" in text)
    first.press("q")
    assert first.end() == 0
    second.until("rec here", 10)
    later = send(site, "add", 3, 4)
    wait_until(
        lambda: site.query("SELECT 1 FROM task WHERE id = ? AND state = 'SUCCESS'", later), 20
    )
    for gap in site.gaps():
        assert gap["ended_at"] - gap["started_at"] < 5
    second.press("q")
    assert second.end() == 0


def test_a_console_outlives_its_broker_and_answers_keys_meanwhile(
    site: Site, server: EmbeddedServer, console: Open
) -> None:
    terminal = console()
    terminal.until(lambda text: "● live" in text and "rec here" in text)
    sent = send(site, "add", 5, 6)
    terminal.until(lambda text: sent[:8] in text)
    server.kill()
    terminal.until(lambda text: "● live" not in text and "trying again" in text)
    assert "127.0.0.1" in terminal.text
    terminal.press("2")
    terminal.until(f"{sent[:8]}", 5)
    terminal.press("3")
    terminal.until("w1@", 5)
    terminal.press("?")
    terminal.until("esc closes", 5)
    terminal.press("\x1b")
    terminal.until(lambda text: "esc closes" not in text, 5)
    terminal.press("1")
    server.start()
    terminal.until("● live", 40)
    terminal.until("1 gap", 20)
    later = send(site, "add", 7, 8)
    terminal.until(lambda text: later[:8] in text, 60)
    terminal.press("2")
    terminal.until("tasks may be missing", 20)
    terminal.press("q")
    assert terminal.end() == 0
    reasons = [gap["reason"] for gap in site.gaps()]
    assert reasons[0].startswith("the event stream was interrupted")

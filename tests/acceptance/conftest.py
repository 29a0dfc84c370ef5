"""A server and a worker of the module's own, and consoles on terminals with somebody before them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from harness.command import UMBEL
from harness.person import Person, Send, SitsDown
from harness.recorder import Site
from harness.tasks import client
from harness.terminal import Terminal
from harness.waiting import free_port
from harness.worker import Workers
from umbel_backend.demo.server import EmbeddedServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A broker that may be killed; it comes back on the same port."""
    with EmbeddedServer(tmp_path_factory.mktemp("server"), port=free_port()) as server:
        yield server


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """Starts workers that end with the module."""
    workers = Workers(tmp_path_factory.mktemp("workers"))
    yield workers
    workers.stop()


@pytest.fixture(scope="module")
def site(server: EmbeddedServer, crew: Workers, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A home and a database over the server, where the worker ``w1`` consumes."""
    crew.start(server.url(0), result_backend=server.url(1), name="w1")
    return Site(tmp_path_factory.mktemp("site"), server.url(0), server.url(1))


@pytest.fixture
def sits_down(site: Site) -> Iterator[SitsDown]:
    """Puts somebody in front of a console of their own."""
    opened = []

    def open_(width: int = 120, height: int = 36, **variables: str) -> Person:
        environment = {**site.environment, **variables}
        terminal = Terminal([UMBEL], environment, site.folder, width=width, height=height)
        opened.append(terminal)
        return Person(terminal)

    yield open_
    for terminal in opened:
        terminal.close()


@pytest.fixture(scope="module")
def send(site: Site) -> Iterator[Send]:
    """Sends tasks from elsewhere."""
    sender = client(site.broker_url)

    def send_(name: str, *arguments: Any, queue: str = "default", **options: Any) -> str:
        task = name if "." in name else f"harness.tasks.{name}"
        return str(sender.send_task(task, arguments, queue=queue, **options).id)

    yield send_
    sender.close()

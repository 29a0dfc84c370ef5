"""Workers with the agent, shared by the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from celery import Celery
from celery.result import AsyncResult

from harness.agent_stream import AgentStream
from harness.tasks import client
from harness.worker import Worker, Workers
from umbel_backend.demo.server import EmbeddedServer

APP = "harness.agent_tasks:app"


@dataclass(frozen=True)
class AgentCluster:
    """A broker and one prefork worker with the agent, which stores results."""

    url: str
    worker: Worker
    app: Celery
    stream: AgentStream

    def logs(self) -> str:
        """Return the end of the worker's log, for a failed test's report."""
        return self.worker.process.log_tail(60)

    def send(self, name: str, *args: object, **options: object) -> AsyncResult:
        """Send the task called ``name`` in full."""
        return self.app.send_task(name, args, **options)


@pytest.fixture(scope="module")
def agent_cluster(
    broker_numbers: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AgentCluster]:
    """One worker (prefork x 2, without ``-E``) with the agent for the whole module; do not kill it."""
    url = broker_numbers.fresh_url()  # type: ignore[attr-defined]
    factory = Workers(tmp_path_factory.mktemp("agent"))
    try:
        worker = factory.start(url, app=APP, events=False, result_backend=url)
        app = client(url, url)
        yield AgentCluster(url, worker, app, AgentStream(url))
        app.close()
    finally:
        factory.stop()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A Redis server of the test's own, to stop, fill or lock."""
    server = EmbeddedServer(tmp_path / "own-server", append_only=True)
    with server:
        yield server

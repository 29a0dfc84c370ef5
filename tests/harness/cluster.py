"""One worker shared by a module's tests, with the app that sends to it."""

from __future__ import annotations

from dataclasses import dataclass

from celery import Celery
from celery.result import AsyncResult

from harness.worker import Worker


@dataclass(frozen=True)
class Cluster:
    """A broker, one prefork worker on ``default`` and ``reports`` with ``-E``, and a client."""

    broker_url: str
    backend_url: str
    """Results go here: the same database of the same server."""
    worker: Worker
    app: Celery
    """Sends by name or signature; not the current app."""

    def logs(self) -> str:
        """Return the end of the worker's log, for a failed test's report."""
        return self.worker.process.log_tail(60)

    def send(self, name: str, *args: object, **options: object) -> AsyncResult:
        """Send ``harness.tasks.NAME`` with ``args``; options as ``send_task`` takes them."""
        return self.app.send_task(f"harness.tasks.{name}", args, **options)

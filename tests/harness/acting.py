"""A broker that is its own result backend, who sends to it, and the command line that acts on it."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis

from harness.recorder import Site
from harness.tasks import client
from harness.worker import Workers


class Scene:
    """Everything is looked at from outside Umbel: lists, results, processes, rows of the database."""

    def __init__(self, folder: Path, url: str, workers: Workers) -> None:
        self.url = url
        self.workers = workers
        self.site = Site(folder, url, url)
        self.app = client(url, url)
        self.redis = redis.Redis.from_url(url)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.site.stop()
        # Celery's results talk to the server when they are collected: now, while there is one.
        gc.collect()
        self.app.close()
        self.redis.close()

    def send(self, name: str, *args: Any, **options: Any) -> str:
        """Send ``harness.tasks.NAME``, to the queue ``default`` unless ``options`` say otherwise."""
        options.setdefault("queue", "default")
        return str(self.app.send_task(f"harness.tasks.{name}", args, **options).id)

    def result(self, task_id: str) -> dict[str, Any]:
        """Return what the result backend holds of a task."""
        stored: Any = self.redis.get(f"celery-task-meta-{task_id}")
        return dict(json.loads(stored)) if stored else {"status": "PENDING"}

    def state(self, task_id: str) -> str:
        """Return the state that the result backend holds."""
        return str(self.result(task_id)["status"])

    def waiting(self, queue: str = "default", step: int = 0) -> list[dict[str, Any]]:
        """Return the messages in one list of a queue, the next to run first."""
        key = f"{queue}\x06\x16{step}" if step else queue
        entries: Any = self.redis.lrange(key, 0, -1)
        return [json.loads(entry) for entry in reversed(entries)]

    def act(self, *words: str) -> tuple[int, dict[str, dict[str, Any]]]:
        """Run a command with ``--json``; return its exit code and its rows by target."""
        run = self.site.inside(*words, "--json")
        assert run.out, run.err
        return run.code, {row["target"]: row for row in run.json()}

    def cancel(self, *words: str) -> tuple[int, dict[str, dict[str, Any]]]:
        """Run ``umbel cancel``."""
        return self.act("cancel", *words)

    def retry(self, *words: str) -> tuple[int, dict[str, dict[str, Any]]]:
        """Run ``umbel retry``."""
        return self.act("retry", *words)

    def active(self, worker: str) -> dict[str, dict[str, Any]]:
        """Return what a worker says it runs, by task id."""
        told = self.app.control.inspect([worker], timeout=10, limit=1).active() or {}
        return {task["id"]: task for task in told.get(worker, [])}

    def audit(self, target: str) -> list[tuple[Any, ...]]:
        """Return action, outcome, detail and reason of the audit's rows about ``target``."""
        return self.site.query(
            "SELECT action, outcome, detail, reason FROM audit WHERE target = ? ORDER BY id", target
        )

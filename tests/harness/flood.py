"""Events as workers publish them, at a chosen rate, without workers."""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import redis

EVENTS_PER_TASK = 3


def envelope(events: list[dict[str, Any]] | dict[str, Any]) -> bytes:
    """Return the message kombu publishes for ``events``, whatever is in them."""
    return json.dumps(
        {
            "body": base64.b64encode(json.dumps(events).encode()).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {},
            "properties": {"body_encoding": "base64", "delivery_tag": str(uuid.uuid4())},
        }
    ).encode()


def life(task_id: str, number: int, now: float) -> list[dict[str, Any]]:
    """Return the three events of a task that succeeded at once, with arguments of usual size."""
    base = {
        "hostname": f"w{number % 8}@flood",
        "utcoffset": 0,
        "pid": 7,
        "clock": number,
        "uuid": task_id,
    }
    return [
        {
            **base,
            "type": "task-received",
            "timestamp": now,
            "name": f"shop.{('orders', 'mail', 'media')[number % 3]}.step_{number % 40}",
            "args": f"('customer-{number}', {number})",
            "kwargs": f"{{'feed': 'north', 'row': {number}}}",
            "root_id": task_id,
            "parent_id": None,
            "retries": 0,
            "eta": None,
            "expires": None,
        },
        {**base, "type": "task-started", "timestamp": now + 0.0001},
        {
            **base,
            "type": "task-succeeded",
            "timestamp": now + 0.0002,
            "result": f"{{'rows': {number}, 'ok': True}}",
            "runtime": 0.009,
        },
    ]


@dataclass
class Flood:
    """Publishes tasks in a thread of its own until told to stop or until ``tasks`` are published.

    Args:
        url: The broker, a Redis.
        rate: Events a second; 0 is as fast as it goes.
        tasks: How many; None goes on.
    """

    url: str
    rate: int
    tasks: int | None = None
    published: list[tuple[str, float]] = field(default_factory=list)
    """Id and instant of each task whose events were published."""

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc is not None:
            self._stop.set()
        self._thread.join()

    def stop(self) -> None:
        """End it after what is on its way."""
        self._stop.set()
        self._thread.join()

    def run(self) -> Self:
        """Publish all of it before returning."""
        with self:
            pass
        return self

    def _run(self) -> None:
        with redis.Redis.from_url(self.url) as server:
            number = server.connection_pool.connection_kwargs["db"]
            channel = f"/{number}.celeryev/task.multi"
            chunk = max(1, min(200, self.rate // 300)) if self.rate else 200
            started, sent = time.monotonic(), 0
            while not self._stop.is_set() and (self.tasks is None or sent < self.tasks):
                pipe = server.pipeline(transaction=False)
                batch = []
                for _ in range(min(chunk, (self.tasks or sent + chunk) - sent)):
                    task_id, now = str(uuid.uuid4()), time.time()
                    pipe.publish(channel, envelope(life(task_id, sent, now)))
                    batch.append((task_id, now))
                    sent += 1
                pipe.execute()
                self.published += batch
                if self.rate:
                    due = started + sent * EVENTS_PER_TASK / self.rate
                    self._stop.wait(max(0.0, due - time.monotonic()))

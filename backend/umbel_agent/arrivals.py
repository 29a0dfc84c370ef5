"""Tasks that a worker turns away where it receives them, for they have expired or were revoked before.

Of these Celery tells nothing but an id and that it was revoked: no name, no arguments, no reception.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Strategy = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message on its way into the worker; has what `MessageKeeper.received` asks a request for."""

    id: str
    message: Any
    task: Any
    at: float
    """When it came, by this worker's clock."""

    @property
    def name(self) -> str:
        """The task's name."""
        return str(self.task.name)

    @property
    def request_dict(self) -> dict[str, Any]:
        """The message's headers."""
        return dict(self.message.headers)

    @property
    def delivery_info(self) -> dict[str, Any]:
        """Where it came from."""
        return dict(self.message.delivery_info or {})

    def as_received(self) -> dict[str, Any]:
        """Return the fields of ``task-received``, as Celery gives them of other tasks."""
        headers = self.message.headers
        return {
            "uuid": self.id,
            "name": self.name,
            "args": headers.get("argsrepr"),
            "kwargs": headers.get("kwargsrepr"),
            "root_id": headers.get("root_id"),
            "parent_id": headers.get("parent_id"),
            "retries": headers.get("retries") or 0,
            "eta": headers.get("eta"),
            "expires": headers.get("expires"),
            "timestamp": self.at,
        }


class Arrivals:
    """Remembers each message from when the worker looks at it until it is received or turned away."""

    def __init__(self) -> None:
        self.turns_away: Callable[[str, Any, Any], bool] | None = None
        """Whether it is not taken, asked first: of a task's name, its message and what acknowledges it."""
        self._here: dict[str, tuple[Any, float]] = {}

    def watch(self, consumer: Any) -> None:
        """See what ``consumer`` receives from now on, also after it has made its strategies anew."""
        if not hasattr(consumer.update_strategies, "umbel_agent_wraps"):
            update = consumer.update_strategies

            def update_strategies() -> None:
                update()
                self._wrap_all(consumer.strategies)

            update_strategies.umbel_agent_wraps = update  # type: ignore[attr-defined]
            consumer.update_strategies = update_strategies
        self._wrap_all(consumer.strategies)

    def _wrap_all(self, strategies: dict[str, Strategy]) -> None:
        for name, strategy in list(strategies.items()):
            if not hasattr(strategy, "umbel_agent_wraps"):
                strategies[name] = self._wrapped(name, strategy)

    def _wrapped(self, name: str, strategy: Strategy) -> Strategy:
        here = self._here

        def receive(message: Any, *args: Any, **kwargs: Any) -> Any:
            if self.turns_away is not None and self.turns_away(name, message, args[1]):
                return None
            task_id = (message.headers or {}).get("id")
            if task_id is None:
                return strategy(message, *args, **kwargs)
            here[task_id] = message, time.time()
            try:
                return strategy(message, *args, **kwargs)
            finally:
                here.pop(task_id, None)

        receive.umbel_agent_wraps = strategy  # type: ignore[attr-defined]
        return receive

    def received(self, task_id: str) -> None:
        """Forget a message: Celery tells of its task now."""
        self._here.pop(task_id, None)

    def turned_away(self, task: Any, task_id: str) -> Arrival | None:
        """Return what came with the id of a revoked task; None of one that had been received."""
        found = self._here.pop(task_id, None)
        return None if found is None else Arrival(task_id, found[0], task, found[1])

"""Reads the agent's stream as a recorder would, for tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import redis

from harness.waiting import wait_until
from umbel_agent import protocol

Entry = dict[str, Any]


class AgentStream:
    """The stream of one Redis database."""

    def __init__(self, url: str, prefix: str = "") -> None:
        self.redis = redis.Redis.from_url(url)
        self.prefix = prefix
        self.key = prefix + protocol.STREAM_KEY

    def entries(self) -> list[Entry]:
        """Return every record there is, oldest first."""
        found: Any = self.redis.xrange(self.key)
        return [json.loads(fields[b"r"]) for _, fields in found]

    def of(self, task_id: str, *types: str) -> list[Entry]:
        """Return the records of one task, of these types or of all."""
        return [
            entry
            for entry in self.entries()
            if entry.get("uuid") == task_id and (not types or entry["type"] in types)
        ]

    def types(self, task_id: str) -> list[str]:
        """Return the types of the records of one task in the stream's order."""
        return [entry["type"] for entry in self.of(task_id)]

    def lines(self, task_id: str) -> list[str]:
        """Return the texts of the log lines of one task."""
        return [line[3] for entry in self.of(task_id, protocol.LOG) for line in entry["lines"]]

    def wait_for(
        self, task_id: str, type: str, timeout_s: float = 30.0, count: int = 1
    ) -> list[Entry]:
        """Wait until one task has ``count`` records of a type, and return them."""
        return wait_until(
            lambda: found if len(found := self.of(task_id, type)) >= count else [],
            timeout_s,
            lambda: f"{count} {type} of {task_id}; there is {self.types(task_id)}",
            every_s=0.05,
        )

    def wait_lines(self, task_id: str, count: int, timeout_s: float = 60.0) -> list[str]:
        """Wait until one task has ``count`` log lines, and return their texts."""
        return wait_until(
            lambda: lines if len(lines := self.lines(task_id)) == count else [],
            timeout_s,
            lambda: f"{count} lines of {task_id}; there are {len(self.lines(task_id))}",
            every_s=0.05,
        )

    def wait_until(self, holds: Callable[[list[Entry]], Any], timeout_s: float = 30.0) -> Any:
        """Wait until something holds for the entries."""
        return wait_until(
            lambda: holds(self.entries()),
            timeout_s,
            lambda: f"something in the stream; it has {len(self.entries())} entries",
            every_s=0.05,
        )

    def announcement(self, hostname: str) -> Entry | None:
        """Return what a worker says of itself, or None."""
        said: Any = self.redis.get(protocol.agent_key(hostname, self.prefix))
        return json.loads(said) if said else None

    def wait_announcement(
        self, hostname: str, holds: Callable[[Entry], bool] = bool, timeout_s: float = 20.0
    ) -> Entry:
        """Wait until a worker says of itself something that holds, and return it."""
        return wait_until(
            lambda: said if (said := self.announcement(hostname)) and holds(said) else {},
            timeout_s,
            lambda: f"the announcement of {hostname}; it is {self.announcement(hostname)}",
        )

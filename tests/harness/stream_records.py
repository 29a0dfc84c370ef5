"""Records of the agents' stream, written by hand as an agent writes them, or as nobody should."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import redis

from umbel_agent import protocol

HOST = "w1@a"


def record(kind: str, task_id: str = "", *, at: float | None = None, **fields: Any) -> bytes:
    """Return one record as JSON."""
    told: dict[str, Any] = {"type": kind, "hostname": HOST, "timestamp": at or time.time()}
    if task_id:
        told["uuid"] = task_id
    return json.dumps({**told, **fields}).encode()


def life(task_id: str, at: float | None = None, end: str = "succeeded") -> list[bytes]:
    """Return what an agent tells of a task that runs and ends."""
    at = at or time.time()
    described = {"name": "app.add", "args": "(1,)", "kwargs": "{}", "retries": 0}
    return [
        record("task-received", task_id, at=at, **described),
        message(task_id, at=at),
        record("task-started", task_id, at=at + 0.01, pid=7),
        logged(task_id, f"working on {task_id}", at=at + 0.02),
        record(f"task-{end}", task_id, at=at + 0.03, result="3", runtime=0.02),
    ]


def message(
    task_id: str,
    body: bytes = b"[[1], {}, {}]",
    content_type: str = "application/json",
    **fields: Any,
) -> bytes:
    """Return the record of an exact message; a field set to None is left out."""
    told: dict[str, Any] = {
        "name": "app.add",
        "retries": 0,
        "acks_late": False,
        "body": base64.b64encode(body).decode(),
        "headers": {"id": task_id, "task": "app.add"},
        "properties": {"correlation_id": task_id},
        "content_type": content_type,
        "content_encoding": "utf-8",
        "size_bytes": len(body),
        **fields,
    }
    return record(protocol.MESSAGE, task_id, **{k: v for k, v in told.items() if v is not None})


def logged(
    task_id: str, *texts: str, at: float | None = None, dropped: int = 0, **more: Any
) -> bytes:
    """Return the record of lines of one run."""
    at = at or time.time()
    lines = [[at + n / 1000, 20, "app", text] for n, text in enumerate(texts)]
    return record(protocol.LOG, task_id, at=at, retries=0, lines=lines, dropped=dropped, **more)


def write(client: redis.Redis, *records: bytes, **options: Any) -> list[str]:
    """Append records to the stream; returns the ids of their entries."""
    return [
        client.xadd(protocol.STREAM_KEY, {protocol.FIELD: each}, **options).decode()  # type: ignore[union-attr]
        for each in records
    ]


def announce(client: redis.Redis, hostname: str = HOST, **fields: Any) -> None:
    """Announce an agent as long as it lives."""
    told = {"version": "1.2", "protocol": 1, "boot": "7-abc", "hostname": hostname, **fields}
    client.set(protocol.agent_key(hostname), json.dumps(told), ex=30)

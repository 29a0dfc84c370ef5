"""Messages stored as an agent and a recorder would have, without running either."""

from __future__ import annotations

import base64
import time
from typing import Any

import sqlalchemy as sa

from harness.records import a_task
from umbel_backend.db.changes import Changes
from umbel_backend.db.writer import Writer
from umbel_backend.records import KeptMessage


def keep(engine: sa.Engine, wire: dict[str, Any], state: str = "FAILURE", **fields: Any) -> str:
    """Store a message taken from a queue as the agent would have, and its task as ended."""
    headers, properties = wire["headers"], wire["properties"]
    task_id = str(headers["id"])
    fields = {
        "name": headers["task"],
        "queue": properties["delivery_info"]["routing_key"],
        "root_id": headers["root_id"],
        "parent_id": headers["parent_id"],
        "group_id": headers["group"],
        **fields,
    }
    Writer(engine).write(
        Changes(
            tasks=[a_task(task_id, state, time.time(), **fields)],
            messages=[
                KeptMessage(
                    id=task_id,
                    kept_at=time.time(),
                    body=base64.b64decode(wire["body"]),
                    headers=headers,
                    properties=properties,
                    content_type=wire["content-type"],
                    content_encoding=wire["content-encoding"],
                    size_bytes=len(wire["body"]),
                )
            ],
        )
    )
    return task_id

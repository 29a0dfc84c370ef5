"""Reads of the exact messages that agents kept, and of which database this is."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from umbel_backend.db.query import Plan, Query
from umbel_backend.db.tables import installation, task_message
from umbel_backend.records import KeptMessage


def of_task(task_id: str) -> Query[KeptMessage | None]:
    """Read the exact message of a task, the last it was sent with; None if none was kept."""

    def plan(_dialect: str) -> Plan[KeptMessage | None]:
        rows = yield sa.select(task_message).where(task_message.c.task == task_id)
        return _message(rows[0]._mapping) if rows else None

    return Query(plan)


def installation_id() -> Query[str]:
    """Read the identity of this database: a random text, made with its tables."""

    def plan(_dialect: str) -> Plan[str]:
        rows = yield sa.select(installation.c.id).order_by(installation.c.made_at).limit(1)
        return str(rows[0].id)

    return Query(plan)


def _message(row: Mapping[Any, Any]) -> KeptMessage:
    body = row["body"]
    return KeptMessage(
        id=row["task"],
        kept_at=row["kept_at"],
        body=None if body is None else zlib.decompress(body),
        headers=json.loads(row["headers"]),
        properties=json.loads(row["properties"]),
        content_type=row["content_type"],
        content_encoding=row["content_encoding"],
        size_bytes=row["size_bytes"],
        withheld=row["withheld"],
        sealed=bool(row["sealed"]),
    )

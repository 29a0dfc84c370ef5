"""Messages as kombu writes them into Redis lists, and clusters with short timeouts."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import uuid4

from celery.utils.saferepr import saferepr

from umbel_backend.broker.cluster import Cluster
from umbel_backend.settings import Context


def cluster_at(url: str, **context: Any) -> Cluster:
    """Return a cluster with short timeouts."""
    return Cluster(Context(broker=url, **context), connect_timeout_s=2.0, read_timeout_s=3.0)


def message(
    task_id: str = "",
    name: str = "shop.import_row",
    args: Any = (1,),
    kwargs: Any = None,
    *,
    queue: str = "orders",
    exchange: str = "",
    priority: int = 0,
    content_type: str = "application/json",
    body: bytes | None = None,
    **headers: Any,
) -> bytes:
    """Return a message as kombu writes it into a Redis list."""
    task_id = task_id or str(uuid4())
    if body is None:
        body = json.dumps([list(args), kwargs or {}, {"callbacks": None}]).encode()
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-encoding": "utf-8",
            "content-type": content_type,
            "headers": {
                "lang": "py",
                "task": name,
                "id": task_id,
                "eta": None,
                "expires": None,
                "group": None,
                "retries": 0,
                "root_id": task_id,
                "parent_id": None,
                "argsrepr": saferepr(tuple(args), 1024),
                "kwargsrepr": saferepr(kwargs or {}, 1024),
                **headers,
            },
            "properties": {
                "correlation_id": task_id,
                "reply_to": str(uuid4()),
                "delivery_mode": 2,
                "delivery_info": {"exchange": exchange, "routing_key": queue},
                "priority": priority,
                "body_encoding": "base64",
                "delivery_tag": str(uuid4()),
            },
        }
    ).encode()

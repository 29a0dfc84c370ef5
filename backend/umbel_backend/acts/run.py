"""Starts a registered task with arguments that are plain JSON."""

from __future__ import annotations

import difflib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from umbel_backend.acts.operator import Door
from umbel_backend.acts.outcome import Outcome
from umbel_backend.acts.pace import Pace
from umbel_backend.acts.sender import Outgoing, Sender
from umbel_backend.acts.signature import Signature
from umbel_backend.acts.signatures import ask_signatures
from umbel_backend.acts.workforce import Foreman
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.control import Control
from umbel_backend.db.query import run as run_query
from umbel_backend.db.statements import tasks
from umbel_backend.db.tables import task
from umbel_backend.errors import Refused

_REPR_LIMIT = 1_024
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A task to be run."""

    name: str
    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)
    queue: str | None = None
    """None takes the queue in which history last saw the task, else the workers' default queue."""
    priority: int | None = None
    eta: float | None = None
    """Not before this instant, Unix seconds."""
    expires: float | None = None
    """Not after it."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Sent as headers."""


class Runner:
    """Runs tasks in one cluster. Blocking; for one thread. Close it after use."""

    def __init__(self, door: Door, cluster: Cluster) -> None:
        self._door = door
        self._cluster = cluster
        self._foreman = Foreman(cluster)
        self._sender = Sender(cluster)
        self._workers: list[str] = []
        """Who answered `check`."""

    def check(self, name: str) -> str | None:
        """Refuse a name that no worker knows; return a sentence if no worker could be asked.

        Raises:
            Refused: Workers answered, and none of them knows it.
        """
        workers, known = self._foreman.registered()
        self._workers = workers
        if not workers:
            return "No worker answered, so that nobody could be asked whether it knows the task."
        if name in known:
            return None
        near = difflib.get_close_matches(name, known, n=_NAMED, cutoff=0.5)
        hint = f"; similar are {', '.join(near)}" if near else ""
        raise Refused(f"No worker that answered knows a task {name!r}{hint}.")

    def signatures(self, name: str) -> list[Signature]:
        """Return what the task ``name`` takes, as the agents of those tell it that answered `check`.

        Empty where none of them has an agent that tells it. Raises `BrokerUnavailable`.
        """
        return ask_signatures(self._cluster, self._foreman, self._workers, name)

    def queue_for(self, order: Order) -> str:
        """Return the queue that ``order`` goes to."""
        if order.queue is not None:
            return order.queue
        where = (task.c.name == order.name) & task.c.queue.is_not(None)
        seen = run_query(self._door.engine, tasks.page(where, limit=1)).tasks
        if seen and seen[0].queue:
            return seen[0].queue
        control = Control(self._cluster)
        try:
            answers = control.inspect(methods=("conf",)).workers.values()
        finally:
            control.close()
        told = [(answer.conf or {}).get("task_default_queue") for answer in answers]
        return next((name for name in told if isinstance(name, str) and name), "celery")

    def run(self, order: Order, queue: str, reason: str, pace: Pace) -> Outcome:
        """Send ``order`` to ``queue``; the new id is in the outcome.

        Raises:
            NotPermitted: Nothing was done, and that was audited.
            Refused: There is no such queue; nothing was sent.
            BrokerUnavailable: The broker went away; whether it was sent is not known.
        """
        id_ = str(uuid4())
        parameters = {
            "name": order.name,
            "args": json.dumps(order.args),
            "kwargs": json.dumps(order.kwargs),
            "queue": queue,
            "priority": order.priority,
            "eta": _iso(order.eta),
            "expires": _iso(order.expires),
            **{f"tag.{key}": value for key, value in order.tags.items()},
        }
        with self._door.job("run", [id_], reason=reason, parameters=parameters) as job:
            pace.take(1)
            job.open([id_])
            job.close(id_, self._sender.send(message_for(order, queue, id_), declare=True))
        return job.outcomes[id_]

    def close(self) -> None:
        """Close what is open."""
        self._foreman.close()
        self._sender.close()


def message_for(order: Order, queue: str, id_: str) -> Outgoing:
    """Return the message of ``order``, in Celery's second protocol as its own senders write it."""
    headers: dict[str, Any] = {
        **order.tags,
        "lang": "py",
        "task": order.name,
        "id": id_,
        "shadow": None,
        "eta": _iso(order.eta),
        "expires": _iso(order.expires),
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [None, None],
        "root_id": id_,
        "parent_id": None,
        "argsrepr": repr(tuple(order.args))[:_REPR_LIMIT],
        "kwargsrepr": repr(order.kwargs)[:_REPR_LIMIT],
        "origin": "umbel",
        "ignore_result": False,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
    }
    embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    return Outgoing(
        id=id_,
        queue=queue,
        body=json.dumps([order.args, order.kwargs, embed]).encode(),
        content_type="application/json",
        content_encoding="utf-8",
        headers=headers,
        properties={"priority": order.priority or 0},
    )


def seconds_from_now(seconds: float) -> float:
    """Return the instant that many seconds ahead."""
    return time.time() + seconds


def _iso(instant: float | None) -> str | None:
    return None if instant is None else datetime.fromtimestamp(instant, UTC).isoformat()

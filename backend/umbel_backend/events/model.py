"""One event as it came off the wire, typed; the only form in which events travel inside Umbel."""

from __future__ import annotations

import os
from typing import Literal

import msgspec

from umbel_backend.records import Progress

_CELERYS = frozenset(
    [
        "hostname",
        "pid",
        "name",
        "args",
        "kwargs",
        "root_id",
        "parent_id",
        "retries",
        "eta",
        "expires",
        "queue",
        "result",
        "runtime",
        "exception",
        "traceback",
        "terminated",
        "expired",
        "freq",
        "active",
        "processed",
        "loadavg",
        "sw_ver",
        "type",
    ]
)
_RENAMED = {"id": "uuid", "at": "timestamp"}
_SECRET = os.urandom(16).hex()


def _name_in_json(field: str) -> str:
    """Return how senders spell ``field``; what is not theirs to tell has a name that none of them knows."""
    return field if field in _CELERYS else _RENAMED.get(field, f"{_SECRET}-{field}")


class Event(msgspec.Struct, rename=_name_in_json, kw_only=True, gc=False):
    """A Celery task or worker event, or a finding of ours put in the same words.

    Fields an event does not have are None. After `umbel_backend.events.door` let it in, texts are
    bounded and hold no control characters, and ``at`` is a plausible instant. The order of the fields
    is Celery's, for the decoder looks for them in turn.
    """

    hostname: str = ""
    """Node name of the sender: a worker, or a producer for ``task-sent``."""
    pid: int | None = None

    id: str = ""
    """The task's id; empty for worker events."""
    name: str | None = None
    args: str | None = None
    kwargs: str | None = None
    root_id: str | None = None
    parent_id: str | None = None
    group_id: str | None = None
    retries: int | None = None
    eta: str | None = None
    expires: str | None = None
    queue: str | None = None
    result: str | None = None
    runtime: float | None = None
    exception: str | None = None
    traceback: str | None = None
    terminated: bool | None = None
    expired: bool | None = None

    freq: float | None = None
    active: int | None = None
    processed: int | None = None
    loadavg: list[float] | None = None
    sw_ver: str | None = None

    at: float = 0.0
    """Unix seconds, by the sender's clock, corrected when that clock is known to be off."""
    type: str
    """Celery's event type, ``task-received``; ours begin with ``umbel-``."""
    arrived_at: float = 0.0
    """Unix seconds by this machine's clock."""

    priority: int | None = None
    """Only in findings: events do not carry it."""
    args_exact: bool = False
    """Only in findings: ``args`` and ``kwargs`` are JSON text of the message's values."""
    args_complete: bool | None = None
    """Only in findings; for events it is judged from the repr."""
    tags: dict[str, str] | None = None
    result_exact: bool = False
    """Only in findings: ``result`` is JSON text of the value."""
    progress: Progress | None = None
    """Only in findings and from agents: what ``update_state`` was given."""
    paused_how: Literal["held", "checkpoint", "frozen"] | None = None
    """Only from agents and acts, of ``umbel-paused``."""
    acks_late: bool | None = None
    """Only from agents."""
    retry_of: str | None = None
    """Only in findings and from agents: the header of Umbel's retries."""

"""What broker and workers told when a screen asked them about one worker or one queue. Plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from umbel_backend.records import MessageRecord


class HeldTold(Struct, frozen=True, kw_only=True):
    """A task that a worker says it has."""

    held: Literal["active", "reserved", "scheduled"]
    id: str
    name: str
    args: str | None = None
    kwargs: str | None = None
    queue: str | None = None
    priority: int | None = None
    started_at: float | None = None
    """By the worker's clock."""
    eta: float | None = None
    pid: int | None = None
    """The pool process that runs it."""


class ConsumedTold(Struct, frozen=True):
    """A queue a worker consumes from."""

    queue: str
    exchange: str
    routing_key: str


class WorkerTold(Struct, frozen=True, kw_only=True):
    """What one worker answered; a field is None where it did not."""

    hostname: str
    asked_at: float
    answered: bool
    missing: Sequence[str] = ()
    """The questions left open, as Celery calls them: ``stats``, ``active`` …"""
    why_not: str = ""
    """Why there is no answer, in one sentence; empty if there is one."""
    pool_pids: Sequence[int] = ()
    processed: Mapping[str, int] | None = None
    """Tasks accepted since its start, by name."""
    held: Sequence[HeldTold] | None = None
    registered: Sequence[str] | None = None
    queues: Sequence[ConsumedTold] | None = None
    conf: Mapping[str, Any] | None = None
    """Settings that differ from Celery's default; secrets are hidden."""


class UnackedTold(Struct, frozen=True, kw_only=True):
    """A message that was delivered and is not acknowledged."""

    id: str
    name: str
    delivery_tag: str
    taken_at: float | None = None
    redelivered_at: float | None = None
    priority: int | None = None
    eta: float | None = None
    worker: str | None = None
    """Who has it, as far as workers told; None if not known."""


class QueueTold(Struct, frozen=True, kw_only=True):
    """Part of what waits in one queue, and what was taken from it, as read at one moment."""

    queue: str
    read_at: float
    start: int = 0
    """Position of the first of ``messages``."""
    ready: int | None = None
    """Messages that wait in all; None if they cannot be read."""
    messages: Sequence[MessageRecord] = ()
    unacked: Sequence[UnackedTold] = ()
    """Those taken first, a bounded number of them."""
    unacked_total: int | None = None
    """Of this queue; None if not all could be told apart."""
    why_not: str = ""
    """Why something cannot be told, in one sentence; empty if all is told."""

"""Which queue a message came to, from its exchange and routing key; and which queues are Celery's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Binding:
    """A queue bound to an exchange. Source: kombu's binding tables, or ``active_queues``."""

    exchange: str
    routing_key: str
    queue: str
    exchange_type: str = ""
    """``direct``, ``topic``, ``fanout``; empty where it is not told."""


def queues_of(exchange: str, routing_key: str, bindings: Iterable[Binding]) -> list[str]:
    """Return every queue a message sent to ``exchange`` with ``routing_key`` came to.

    Without an exchange the routing key is the queue, as Celery sends by default.
    """
    if not exchange:
        return [routing_key] if routing_key else []
    found: dict[str, None] = {}
    for binding in bindings:
        if binding.exchange == exchange and _takes(binding, routing_key):
            found[binding.queue] = None
    return list(found)


def queue_of(exchange: str, routing_key: str, bindings: Iterable[Binding]) -> str | None:
    """Return the one queue it can have come to; None if that is not certain."""
    found = queues_of(exchange, routing_key, bindings)
    return found[0] if len(found) == 1 else None


def is_internal(queue: str, event_prefix: str = "celeryev") -> bool:
    """Whether ``queue`` carries events, control commands or their replies rather than tasks."""
    return (
        queue.endswith(".pidbox") or queue == event_prefix or queue.startswith(f"{event_prefix}.")
    )


def _takes(binding: Binding, routing_key: str) -> bool:
    if binding.exchange_type == "fanout" or binding.routing_key == routing_key:
        return True
    if binding.exchange_type == "direct":
        return False
    return _matches(tuple(binding.routing_key.split(".")), tuple(routing_key.split(".")))


@lru_cache(maxsize=4096)
def _matches(pattern: tuple[str, ...], words: tuple[str, ...]) -> bool:
    """Match as a topic exchange does: ``*`` stands for one word, ``#`` for any number."""
    if not pattern:
        return not words
    if pattern[0] == "#":
        return _matches(pattern[1:], words) or (bool(words) and _matches(pattern, words[1:]))
    return bool(words) and pattern[0] in ("*", words[0]) and _matches(pattern[1:], words[1:])

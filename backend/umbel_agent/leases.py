"""Renews a worker's hold on the messages it has not acknowledged, so that they may be short-lived.

A Redis broker delivers a message again when it was not acknowledged within the visibility timeout, whether
its worker lives or not. With a lease renewed three times in that time, only the messages of a worker that
is gone come back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import redis
from redis.exceptions import RedisError

from umbel_agent.redis_link import Pool, pool_of_channel
from umbel_agent.safety import log, note_fault

_RENEWALS = 3
"""Renewals within one visibility timeout."""


def visibility_timeout_s(channel: Any) -> float | None:
    """Return the visibility timeout of kombu's ``channel``; None for a broker without one."""
    if not hasattr(channel, "unacked_index_key") or not getattr(channel, "ack_emulation", True):
        return None
    return float(channel.visibility_timeout)


class Leases:
    """A thread that renews the leases of one consumer, with a connection of its own.

    A thread and not a timer of the worker: a solo pool's timers stand still while it runs a task.
    """

    def __init__(self, channel: Any) -> None:
        self._pool: Pool
        self._pool, prefix = pool_of_channel(channel)
        self._index = f"{prefix}{channel.unacked_index_key}"
        self._every_s = max(0.1, float(channel.visibility_timeout) / _RENEWALS)
        self._stopped = threading.Event()
        self._is_away = False
        self._thread = threading.Thread(target=self._run, daemon=True, name="umbel-leases")

    def start(self) -> None:
        """Renew from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Renew no more."""
        self._stopped.set()

    def _run(self) -> None:
        client = redis.Redis(connection_pool=self._pool)
        while not self._stopped.wait(self._every_s):
            try:
                renew(client, self._index, tags_of_this_worker())
                self._is_away = False
            except (RedisError, OSError) as error:
                if not self._is_away:
                    log.warning("Umbel's agent cannot renew leases: %s", error)
                self._is_away = True
            except Exception:
                note_fault("renewing leases")
        with suppress(RedisError, OSError):
            self._pool.disconnect()


def renew(client: redis.Redis, index: str, tags: Iterable[str]) -> None:
    """Set the age of the unacknowledged messages ``tags`` back to nothing; adds none."""
    now = time.time()
    ages = {tag: now for tag in tags}
    if ages:
        client.zadd(index, ages, xx=True)


def tags_of_this_worker() -> list[str]:
    """Return the delivery tags of the messages this worker holds unacknowledged."""
    from celery.worker import state

    return [
        str(request.message.delivery_tag)
        for request in list(state.requests.values())
        if not request.acknowledged
    ]

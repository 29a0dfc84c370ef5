"""Keeps tasks of paused types from beginning in this worker: their messages are put aside as they come.

What is paused stands in the broker's Redis. It is read before the worker takes its first message, when it
is told, and every few seconds, so that a word that got lost is made up for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any

import redis
from celery.worker import state as worker_state
from kombu.exceptions import OperationalError

from umbel_agent import protocol
from umbel_agent.holding import CannotHold, Report, can_hold, hold, place_of, put_aside
from umbel_agent.policies import fits
from umbel_agent.redis_link import Pool
from umbel_agent.safety import guarded, log, note_fault

_NAMES = 1_000
"""So many names are remembered with whether they are paused."""


class PausedTypes:
    """The types that are paused, as one worker's main process last read them.

    Args:
        find: Finds the broker's Redis, with the prefix of its keys.
        report: Takes a record about a task: type, id, further fields.
    """

    def __init__(self, find: Callable[[], tuple[Pool, str]], report: Report) -> None:
        self._find = find
        self._report = report
        self._client: redis.Redis | None = None
        self._prefix = ""
        self._lock = threading.Lock()
        self._warned: set[str] = set()
        self._is_paused: Callable[[str], bool] | None = None
        """None while nothing is paused."""
        self._knows = False

    def look(self) -> None:
        """Read what is paused; safe between threads.

        Raises:
            RedisError, OSError: Redis is away; what was known last counts.
        """
        # Who reads later also takes effect later.
        with self._lock:
            if self._client is None:
                try:
                    pool, self._prefix = self._find()
                except OperationalError as error:
                    raise redis.ConnectionError(str(error)) from error
                self._client = redis.Redis(connection_pool=pool)
            found: Any = self._client.hkeys(self._prefix + protocol.PAUSED_TYPES_KEY)
            patterns = [name.decode(errors="replace") for name in found]
            self._is_paused = _asker(patterns) if patterns else None
            self._knows = True

    def stops(self, name: str) -> bool:
        """Tell whether tasks called ``name`` are paused.

        Raises:
            RedisError, OSError: Nothing was known yet, and Redis is away.
        """
        if not self._knows:
            self.look()
        return self._is_paused is not None and self._is_paused(name)

    def turn_away(
        self,
        name: str,
        message: Any,
        acknowledge: Callable[[], Any],
        queues: Collection[str],
    ) -> bool:
        """Put the message of a paused task aside that has just come.

        Args:
            name: The task's.
            message: kombu's.
            acknowledge: Has the broker forget that this worker has it.
            queues: The names of those that this worker consumes.

        Returns:
            False if it cannot be put aside and begins all the same, which the log tells.

        Raises:
            ConnectionError, TimeoutError, OSError: The broker is gone; as with any word to it, the worker
                connects anew then, and the message comes back.
        """
        try:
            return self._turned_away(name, message, acknowledge, queues)
        except (redis.ConnectionError, redis.TimeoutError):
            raise
        except redis.RedisError:
            # Not acknowledged, so that it comes back after the visibility timeout.
            note_fault("putting aside a task of a paused type")
            return True

    def _turned_away(
        self,
        name: str,
        message: Any,
        acknowledge: Callable[[], Any],
        queues: Collection[str],
    ) -> bool:
        headers = message.headers or {}
        task_id = headers.get("id")
        try:
            if not task_id or not can_hold(message.channel):
                raise CannotHold("its message cannot be put aside")
            queue, place = place_of(message.channel, message, queues)
        except CannotHold as why:
            self._warn(name, why)
            return False
        put_aside(message.channel, message, task_id, place, self._turn())
        acknowledge()
        self._tell_aside(name, task_id, queue, headers)
        return True

    @guarded
    def _tell_aside(self, name: str, task_id: str, queue: str, headers: Mapping[str, Any]) -> None:
        """Report it. Guarded: with its message aside the task must not begin, whatever fails here."""
        fields = {"how": "held", "name": name, "queue": queue}
        fields |= {own: headers[own] for own in ("root_id", "parent_id") if headers.get(own)}
        if headers.get("group"):
            fields["group_id"] = headers["group"]
        self._report(protocol.PAUSED, task_id, fields)

    def put_back_taken(self, consumer: Any) -> dict[str, int]:
        """Put aside what this worker took and has not begun; for the main thread.

        Returns:
            How many were ``held``, how many ``run`` already, and how many were ``given`` to the pool, from
            which Celery takes nothing back.
        """
        count = {"held": 0, "run": 0, "given": 0}
        is_paused = self._is_paused
        if is_paused is None:
            return count
        for request in [each for each in worker_state.requests.values() if is_paused(each.name)]:
            if request in worker_state.active_requests:
                count["run"] += 1
                continue
            try:
                hold(consumer, request.id, self._report, self._turn())
                count["held"] += 1
            except CannotHold:
                count["given"] += 1
        return count

    def _turn(self) -> str:
        assert self._client is not None
        now: Any = self._client.time()
        return protocol.held_turn(now[0], now[1])

    def _warn(self, name: str, why: CannotHold) -> None:
        if name not in self._warned:
            self._warned.add(name)
            log.warning("Umbel's agent: tasks %s are paused and begin all the same: %s", name, why)


def _asker(patterns: list[str]) -> Callable[[str], bool]:
    @lru_cache(_NAMES)
    def is_paused(name: str) -> bool:
        return any(fits(pattern, name) for pattern in patterns)

    return is_paused

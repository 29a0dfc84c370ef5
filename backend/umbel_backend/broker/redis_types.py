"""Which types of tasks are paused, as workers read it from Redis, and what was put aside in which order."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from umbel_agent.protocol import HELD_TURNS_KEY, PAUSED_TYPES_KEY, held_turn
from umbel_backend.broker.cluster import Cluster

if TYPE_CHECKING:
    import redis

T = TypeVar("T")

_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Published:
    """A paused type as workers see it."""

    installation: str
    """The database in which it was paused."""
    at: float
    operator: str
    reason: str


class RedisTypes:
    """Reads and changes it. Blocking; safe between threads. Every method raises BrokerUnavailable.

    Args:
        cluster: A Redis.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._paused = cluster.key_prefix + PAUSED_TYPES_KEY
        self._turns = cluster.key_prefix + HELD_TURNS_KEY

    def published(self) -> dict[str, Published]:
        """Return what is paused, by pattern."""
        found: Any = self._ask(lambda client: client.hgetall(self._paused))
        return {
            pattern.decode(errors="replace"): _read(text) for pattern, text in sorted(found.items())
        }

    def publish(self, pattern: str, told: Published) -> None:
        """Let workers read that a type is paused."""
        text = json.dumps(
            {
                "installation": told.installation,
                "at": told.at,
                "operator": told.operator,
                "reason": told.reason,
            }
        )
        self._ask(lambda client: client.hset(self._paused, pattern, text))

    def withdraw(self, pattern: str) -> bool:
        """Let workers read that a type is not paused any more; tell whether it was."""
        return bool(self._ask(lambda client: client.hdel(self._paused, pattern)))

    def take_turns(self, ids: Sequence[str]) -> None:
        """Note that ``ids`` are about to be put aside for their type, in this order."""

        def note(client: redis.Redis) -> None:
            seconds, micros = _now(client)
            turns: Any = {
                task_id: held_turn(seconds, micros, rank) for rank, task_id in enumerate(ids)
            }
            client.hset(self._turns, mapping=turns)

        if ids:
            self._ask(note)

    def moment(self) -> str:
        """Return the turn of what would be put aside just now."""
        return held_turn(*self._ask(_now))

    def turns(self) -> dict[str, str]:
        """Return what was put aside for its type: the turn of each, by task id; the first comes first."""
        found: Any = self._ask(lambda client: client.hgetall(self._turns))
        told = {key.decode(errors="replace"): text.decode() for key, text in found.items()}
        return dict(sorted(told.items(), key=lambda each: each[1]))

    def forget_turns(self, ids: Sequence[str]) -> None:
        """Note that ``ids`` are not put aside for their type, or not any more."""
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            self._ask(partial(_forget, key=self._turns, ids=some))

    def old_turns(self, turns: Mapping[str, str], age_s: int) -> list[str]:
        """Return those of ``turns`` that are older than so many seconds."""
        seconds, micros = self._ask(_now)
        before = held_turn(seconds - age_s, micros)
        return [task_id for task_id, turn in turns.items() if turn < before]

    def _ask(self, call: Callable[[redis.Redis], T]) -> T:
        import redis

        try:
            return call(self._cluster.redis())
        except (redis.RedisError, OSError) as error:
            raise self._cluster.unavailable(error) from None


def _forget(client: redis.Redis, key: str, ids: Sequence[str]) -> None:
    client.hdel(key, *ids)


def _now(client: redis.Redis) -> tuple[int, int]:
    told: Any = client.time()
    return int(told[0]), int(told[1])


def _read(text: bytes) -> Published:
    try:
        told = json.loads(text)
        return Published(
            str(told["installation"]),
            float(told["at"]),
            str(told["operator"]),
            str(told["reason"]),
        )
    except (ValueError, TypeError, KeyError):
        return Published("", 0.0, "", "")

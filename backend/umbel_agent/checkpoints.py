"""Tasks that say how far they are, so that they can be paused there, give their slot back, and go on later.

The state of the last `checkpoint` stands in Redis until the task succeeds. When an operator wants the task
paused, the worker's main process leaves its exact message beside it; the next `checkpoint` puts that aside
as a held message and ends the run with `Paused`, of which Celery tells nobody: neither result nor chain,
chord or callbacks. Resumed, the same message runs again under the same id, anywhere, and reads its state.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

import redis
from celery import signals, states
from celery.exceptions import Ignore
from kombu.utils.json import dumps
from redis.exceptions import RedisError

from umbel_agent import protocol
from umbel_agent.records import Plain
from umbel_agent.redis_link import Pool
from umbel_agent.runs import current_run
from umbel_agent.safety import note_fault

STATE_BYTES = 1_000_000
"""Longest state, as JSON text."""
KEPT_S = 30 * 86_400
"""For how long the state of a task is kept that did not succeed."""
WANTED_S = 3_600
"""For how long a task is given to come to its next checkpoint."""


class Paused(Ignore):  # type: ignore[misc]
    """Ends the run of a task that is paused; ``except Exception`` round a checkpoint has to let it pass."""


class Checkpoints:
    """Where one process keeps states: the Redis that is the broker.

    Args:
        find: Finds it, with the prefix of its keys.
    """

    def __init__(self, find: Callable[[], tuple[Pool, str]]) -> None:
        pool, self._prefix = find()
        self._client = redis.Redis(connection_pool=pool)
        self._pid = os.getpid()
        self.saved: set[str] = set()
        """Tasks that have saved a state in this process and not ended since."""

    @property
    def is_ours(self) -> bool:
        """Whether it was made in this process, and not before a fork."""
        return self._pid == os.getpid()

    def save(self, task_id: str, text: str) -> bool:
        """Keep ``text`` as the state of a task; return whether it is to be paused, and is by now."""
        wanted_key = self._key(protocol.WANTED_KEY, task_id)
        with self._client.pipeline(transaction=False) as pipe:
            pipe.set(self._key(protocol.STATE_KEY, task_id), text, ex=KEPT_S)
            pipe.get(wanted_key)
            wanted = pipe.execute()[1]
        self.saved.add(task_id)
        if wanted is None:
            return False
        told = json.loads(wanted)
        with self._client.pipeline() as pipe:
            pipe.hset(self._prefix + protocol.HELD_PLACES_KEY, task_id, told["place"])
            pipe.hset(self._prefix + protocol.HELD_MESSAGES_KEY, task_id, told["message"])
            pipe.delete(wanted_key)
            pipe.execute()
        return True

    def read(self, task_id: str) -> str | bytes | None:
        """Return the state a task saved last."""
        found: Any = self._client.get(self._key(protocol.STATE_KEY, task_id))
        return found if isinstance(found, str | bytes) else None

    def forget(self, task_id: str) -> None:
        """Delete the state of a task that needs it no more."""
        self.saved.discard(task_id)
        self._client.delete(self._key(protocol.STATE_KEY, task_id))

    def want(self, task_id: str, place: str, message: Any) -> bool:
        """Have a task pause at its next checkpoint; False if it never came to one."""
        if not self._client.exists(self._key(protocol.STATE_KEY, task_id)):
            return False
        told = json.dumps({"place": place, "message": dumps(message)})
        self._client.set(self._key(protocol.WANTED_KEY, task_id), told, ex=WANTED_S)
        return True

    def unwant(self, task_id: str) -> bool:
        """Take back that a task is to pause; tell whether it had yet to."""
        return bool(self._client.delete(self._key(protocol.WANTED_KEY, task_id)))

    def _key(self, key: str, task_id: str) -> str:
        return self._prefix + key.format(task=task_id)


def checkpoint(state: object) -> None:
    """Keep ``state`` of the running task; see `umbel_agent.checkpoint`."""
    text = json.dumps(state)
    if len(text) > STATE_BYTES:
        raise ValueError(f"a state of {len(text)} characters is longer than {STATE_BYTES}")
    run = current_run()
    agent = _agent_of(run)
    if run is None or agent is None:
        return
    try:
        is_paused = agent.checkpoints is not None and agent.checkpoints.save(run.id, text)
    except (RedisError, OSError):
        return  # Redis is away: the state before counts, and the next call tries again
    except Exception:
        note_fault("checkpoint()")
        return
    if is_paused:
        _tell_paused(agent, run)
        raise Paused(f"paused at a checkpoint by an operator: {run.id}")


def saved_state(default: Any = None) -> Any:
    """Return what the running task saved last; see `umbel_agent.saved_state`."""
    run = current_run()
    agent = _agent_of(run)
    if run is None or agent is None or agent.checkpoints is None:
        return default
    text = agent.checkpoints.read(run.id)
    return default if text is None else json.loads(text)


def _agent_of(run: Any) -> Any:
    agent = getattr(run.task.app, "umbel_agent", None) if run is not None else None
    return agent if agent is not None and agent.is_on else None


def _tell_paused(agent: Any, run: Any) -> None:
    record = {
        "type": protocol.PAUSED,
        "uuid": run.id,
        "hostname": agent.hostname,
        "timestamp": time.time(),
        **agent.describe(),
        "how": "checkpoint",
        "name": run.task.name,
    }
    agent.shipper.put(Plain(record, 400))


def forget_when_done(agent: Any) -> None:
    """Delete the states of tasks that succeed in this process."""

    def ended(task_id: Any = None, state: Any = None, **_: Any) -> None:
        checkpoints = agent.__dict__.get("checkpoints")
        if checkpoints is None or not checkpoints.is_ours or task_id not in checkpoints.saved:
            return
        try:
            if state == states.SUCCESS:
                checkpoints.forget(task_id)
            checkpoints.saved.discard(task_id)
        except (RedisError, OSError):
            return  # it ends by itself
        except Exception:
            note_fault("forgetting a state")

    signals.task_postrun.connect(ended, weak=False)

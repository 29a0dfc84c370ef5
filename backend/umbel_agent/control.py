"""Remote control commands of the agent's own, in the panel of the worker it is installed in.

They are addressed and answered like Celery's: ``{"ok": …}``, or ``{"error": "a sentence"}``. Anybody who
may write to the broker may send them, as Celery's own; none takes anything but ids, names and numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from celery.worker import state as worker_state
from celery.worker.control import Panel
from redis.exceptions import RedisError

from umbel_agent.agent import Agent
from umbel_agent.freezing import CannotFreeze, Freezer
from umbel_agent.holding import CannotHold, can_hold, hold, place_of
from umbel_agent.killing import NOT_RUNNING, Killer
from umbel_agent.paused_types import PausedTypes
from umbel_agent.protocol import (
    CHECKPOINT,
    FREEZE,
    HOLD,
    KILL,
    KILLED,
    PAUSE_TYPES,
    SIGNATURES,
    THAW,
)
from umbel_agent.safety import note_fault
from umbel_agent.signatures import Signatures

_LONGEST_GRACE_S = 3_600.0
_MOST_IDS = 10_000
_MOST_NAMES = 100
"""Most tasks whose signatures are told at once."""

Reply = dict[str, Any]


class Controls:
    """What can be told to one worker.

    Args:
        agent: Keeps the states of tasks.
        report: Takes a record about a task: type, id, further fields.
    """

    def __init__(self, agent: Agent, report: Callable[[str, str, Mapping[str, Any]], None]) -> None:
        self._agent = agent
        self._killer = Killer()
        self._freezer = Freezer(report)
        self._consumer: Any = None
        self._report = report
        self.types: PausedTypes | None = None
        """The types that are paused; None where this worker cannot put messages aside."""
        self._signatures: Signatures | None = None

    def kill(self, state: Any, task_ids: Any = (), grace_s: Any = 30.0, **_: Any) -> Reply:
        """End the process trees in which tasks run; tell of each what was begun, or why not."""
        kind = pool_kind(state.consumer)
        if kind != "prefork":
            return {"error": f"a pool of kind {kind} runs no task in a process of its own"}
        grace = min(max(0.0, float(grace_s)), _LONGEST_GRACE_S)
        told: Reply = {}
        for task_id in _ids(task_ids):
            request = worker_state.requests.get(task_id)
            if request is None or request not in worker_state.active_requests:
                told[task_id] = {"error": NOT_RUNNING}
            else:
                # A process that stands still does not see SIGTERM.
                with suppress(CannotFreeze):
                    self._freezer.thaw(state.consumer, task_id)
                told[task_id] = self._killer.end(state.consumer.pool, request, grace).told()
        return {"ok": told}

    def killed(self, state: Any, task_ids: Any = (), **_: Any) -> Reply:
        """Tell how far the process trees of tasks are that `kill` began to end."""
        told = self._killer.told(_ids(task_ids))
        gone = [each for each, ending in told.items() if ending["took_s"] is not None]
        if any(task_id in worker_state.requests for task_id in gone):
            # The pool may have looked in the moment between the end of a process and its death, and
            # would look again only after seconds.
            state.consumer.pool.maintain_pool()
        return {"ok": told}

    def hold(self, state: Any, task_ids: Any = (), **_: Any) -> Reply:
        """Put messages aside that wait in this worker for a slot or their ETA."""
        told: Reply = {}
        for task_id in _ids(task_ids):
            try:
                told[task_id] = hold(state.consumer, task_id, self._report)
            except CannotHold as why:
                told[task_id] = {"error": str(why)}
        return {"ok": told}

    def pause_types(self, state: Any, **_: Any) -> Reply:
        """Look which types are paused, and put aside what was taken of them and has not begun."""
        if self.types is None:
            return {"error": "its broker is no Redis"}
        self.types.look()
        return {"ok": self.types.put_back_taken(state.consumer)}

    def freeze(self, state: Any, task_ids: Any = (), **_: Any) -> Reply:
        """Stop the process trees in which tasks run, until they are thawed."""
        kind = pool_kind(state.consumer)
        if kind != "prefork":
            return {"error": f"a pool of kind {kind} runs no task in a process of its own"}
        return self._each(task_ids, partial(self._freezer.freeze, state.consumer))

    def thaw(self, state: Any, task_ids: Any = (), **_: Any) -> Reply:
        """Let frozen tasks go on."""
        return self._each(task_ids, partial(self._go_on, state.consumer))

    def checkpoint(self, state: Any, task_ids: Any = (), **_: Any) -> Reply:
        """Have running tasks pause at their next checkpoint, of those that come to any."""
        return self._each(task_ids, self._want)

    def signatures(self, state: Any, names: Any = (), **_: Any) -> Reply:
        """Tell what tasks take, of those that are registered here."""
        if self._signatures is None:
            self._signatures = Signatures(self._agent.options.redact)
        told = {
            name: self._signatures.of(state.app.tasks, name) for name in _ids(names)[:_MOST_NAMES]
        }
        return {"ok": {name: found for name, found in told.items() if found is not None}}

    def _want(self, task_id: str) -> Reply:
        request = worker_state.requests.get(task_id)
        if request is None or request not in worker_state.active_requests:
            raise CannotFreeze(NOT_RUNNING)
        checkpoints = self._agent.checkpoints
        if checkpoints is None or not can_hold(request.message.channel):
            raise CannotFreeze("its broker is no Redis")
        queue, place = place_of(request.message.channel, request.message)
        if not checkpoints.want(task_id, place, request.message._raw):
            raise CannotFreeze("it has come to no checkpoint")
        return {"queue": queue, "place": place}

    def _go_on(self, consumer: Any, task_id: str) -> Reply:
        checkpoints = self._agent.checkpoints
        if checkpoints is not None and checkpoints.unwant(task_id):
            return {"unwanted": True}
        return self._freezer.thaw(consumer, task_id)

    def worker_ends(self) -> None:
        """Let go of all that is frozen, or the worker could not end."""
        self._freezer.thaw_all(self._consumer)

    def _each(self, task_ids: Any, act: Callable[[str], Reply]) -> Reply:
        told: Reply = {}
        for task_id in _ids(task_ids):
            try:
                told[task_id] = act(task_id)
            except (CannotFreeze, CannotHold) as why:
                told[task_id] = {"error": str(why)}
            except (RedisError, OSError) as error:
                told[task_id] = {"error": f"its Redis is away: {error}"}
        return {"ok": told}

    def register(self, consumer: Any) -> None:
        """Put the commands into the panel of this process's worker, which now has this ``consumer``."""
        self._consumer = consumer
        _put(FREEZE, "control", self.freeze)
        _put(THAW, "control", self.thaw)
        _put(CHECKPOINT, "control", self.checkpoint)
        _put(KILL, "control", self.kill)
        _put(KILLED, "inspect", self.killed)
        _put(HOLD, "control", self.hold)
        _put(PAUSE_TYPES, "control", self.pause_types)
        _put(SIGNATURES, "inspect", self.signatures)


def pool_kind(consumer: Any) -> str:
    """Return the kind of the pool of a worker's consumer, ``prefork``."""
    kind = type(consumer.pool).__module__.rpartition(".")[2]
    return {"thread": "threads"}.get(kind, kind)


def _put(name: str, kind: str, command: Callable[..., Reply]) -> None:
    def call(state: Any, **arguments: Any) -> Reply:
        try:
            return command(state, **arguments)
        except (TypeError, ValueError) as error:
            return {"error": f"it cannot be read: {error}"}
        except Exception as error:
            note_fault(name)
            return {"error": f"{type(error).__name__}: {error}"}

    call.__doc__ = command.__doc__
    Panel.register(name=name, type=kind, visible=False)(call)


def _ids(given: Any) -> list[str]:
    ids = [given] if isinstance(given, str) else list(given)
    if len(ids) > _MOST_IDS or not all(isinstance(each, str) for each in ids):
        raise ValueError("it takes a list of up to 10,000 texts")
    return ids

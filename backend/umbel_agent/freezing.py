"""Freezes running tasks: their process trees stand still, keep their slots, and their time limits wait.

A pool's time limits are timers of the main process, which would kill a task that stands still; they are
taken off and set again with what was left of them. What runs outside goes on meanwhile: a sleep, a
connection, a lock held on a database.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from celery.worker import state as worker_state

from umbel_agent import process_tree, protocol
from umbel_agent.process_tree import Process
from umbel_agent.safety import guarded, log

_LOOK_EVERY_S = 0.1

Report = Callable[[str, str, Mapping[str, Any]], None]


class CannotFreeze(Exception):
    """Nothing was changed; says why, in a clause."""


@dataclass(slots=True)
class _Frozen:
    """One run that stands still."""

    processes: list[Process]
    at: float
    """By the monotonic clock."""
    job: int | None = None
    """The pool's number of the job whose time limits were taken off; None if it has none."""
    soft_s: float | None = None
    hard_s: float | None = None
    ran_s: float = 0.0
    """For how long it had run."""
    pid: int = field(default=0)


class Freezer:
    """Freezes and thaws runs in one worker's main process; for its main thread.

    Args:
        report: Takes a record about a task.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._frozen: dict[str, _Frozen] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def freeze(self, consumer: Any, task_id: str) -> dict[str, Any]:
        """Stop the run of ``task_id``; return how many processes stand still.

        Raises:
            CannotFreeze: It does not run in a process of its own here.
        """
        known = self._frozen.get(task_id)
        if known is not None:
            return self._told(known)
        request = worker_state.requests.get(task_id)
        if request is None or request not in worker_state.active_requests:
            raise CannotFreeze("it does not run in this worker")
        frozen = _Frozen([], time.monotonic(), pid=request.worker_pid)
        _take_limits_off(consumer, request, frozen)
        frozen.processes = process_tree.stop(request.worker_pid)
        self._frozen[task_id] = frozen
        self._watch()
        log.info("Umbel's agent froze task %s in process %d", task_id, frozen.pid)
        self._report(protocol.PAUSED, task_id, {"how": "frozen", "name": request.name})
        return self._told(frozen)

    def thaw(self, consumer: Any, task_id: str) -> dict[str, Any]:
        """Let the run of ``task_id`` go on.

        Raises:
            CannotFreeze: It is not frozen.
        """
        frozen = self._frozen.pop(task_id, None)
        if frozen is None:
            raise CannotFreeze("it is not frozen")
        try:
            _set_limits_again(consumer, frozen)
        finally:
            process_tree.go_on(frozen.processes)
        log.info("Umbel's agent thawed task %s", task_id)
        request = worker_state.requests.get(task_id)
        if request is not None:
            self._report(protocol.RESUMED, task_id, {"name": request.name})
        return {"pid": frozen.pid, "frozen_s": round(time.monotonic() - frozen.at, 3)}

    def _watch(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="umbel-freeze")
                self._thread.start()

    def _run(self) -> None:
        """Let processes go on whose tasks had ended in the moment in which they were frozen.

        Their results were on their way then, and the pool gives them the next task.
        """
        while True:
            with self._lock:
                if not self._frozen:
                    self._thread = None
                    return
            for task_id, frozen in list(self._frozen.items()):
                request = worker_state.requests.get(task_id)
                if request is None or request.worker_pid != frozen.pid:
                    self._frozen.pop(task_id, None)
                    process_tree.go_on(frozen.processes)
            time.sleep(_LOOK_EVERY_S)

    @guarded
    def thaw_all(self, consumer: Any) -> None:
        """Let all go on: a worker that ends waits for ever for a process that stands still."""
        for task_id in list(self._frozen):
            self.thaw(consumer, task_id)

    def _told(self, frozen: _Frozen) -> dict[str, Any]:
        return {"pid": frozen.pid, "processes": len(frozen.processes)}


def _take_limits_off(consumer: Any, request: Any, frozen: _Frozen) -> None:
    result = request._apply_result() if request._apply_result is not None else None
    if result is None or not (result._soft_timeout or result._timeout):
        return
    pool = consumer.pool._pool
    if consumer.hub is None or not hasattr(pool, "_discard_tref"):
        raise CannotFreeze("its time limits cannot be suspended without Celery's event loop")
    frozen.job, frozen.soft_s, frozen.hard_s = result._job, result._soft_timeout, result._timeout
    accepted_at = result._time_accepted
    frozen.ran_s = frozen.at - accepted_at if accepted_at is not None else 0.0
    pool._discard_tref(result._job)


def _set_limits_again(consumer: Any, frozen: _Frozen) -> None:
    pool = consumer.pool._pool
    if frozen.job is None or frozen.job not in pool._cache:
        return
    result = pool._cache[frozen.job]
    if result._time_accepted is not None:
        result._time_accepted += time.monotonic() - frozen.at
    soft_s, hard_s, ran_s, hub = frozen.soft_s, frozen.hard_s, frozen.ran_s, consumer.hub
    if soft_s and ran_s < soft_s:
        # The pool keeps one timer for each job: the soft one sets the hard one when it is due.
        timer = hub.call_later(
            soft_s - ran_s, pool._on_soft_timeout, frozen.job, soft_s, hard_s, hub
        )
    elif hard_s:
        timer = hub.call_later(max(0.0, hard_s - ran_s), pool._on_hard_timeout, frozen.job)
    else:
        return
    pool._tref_for_id[frozen.job] = timer

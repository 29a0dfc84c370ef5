"""Ends the whole process tree of a running task: SIGTERM, a grace, then SIGKILL of what is left.

Celery's own terminate forgets a task with the first signal, whether its process obeys or not, and never
looks below that process. Here the task stays the worker's until its process has ended: only then does the
pool report it as terminated, and Celery stores REVOKED and acknowledges it.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from celery.worker import state as worker_state

from umbel_agent import process_tree
from umbel_agent.process_tree import Process
from umbel_agent.safety import log, note_fault

_LOOK_EVERY_S = 0.05
_REMEMBERED = 1_000
"""Runs that have ended and can still be asked for."""

NOT_RUNNING = "it does not run in this worker"


class Ending:
    """One run that is being ended."""

    def __init__(self, task_id: str, pid: int, grace_s: float) -> None:
        self.task_id = task_id
        self.pid = pid
        self.grace_s = grace_s
        self.processes = process_tree.tree(pid)
        """Those of its tree that were ever seen."""
        self.signal = "SIGTERM" if grace_s > 0 else "SIGKILL"
        """What was sent last."""
        self.began = time.monotonic()
        self.took_s: float | None = None
        """Until all of it was gone; None while something is left."""
        self.survived = False
        """The task ended by itself before its process did, which goes on with other tasks."""

    @property
    def root(self) -> Process | None:
        """The pool process; None if it was gone before it was looked at."""
        return next((each for each in self.processes if each.pid == self.pid), None)

    @property
    def left(self) -> list[Process]:
        """Those of its processes that are alive."""
        return [each for each in self.processes if process_tree.is_alive(each)]

    def note(self, processes: Iterable[Process]) -> None:
        """Take in processes that were found below it since."""
        self.processes += [each for each in processes if each not in self.processes]

    def told(self) -> dict[str, Any]:
        """Return how it stands, for a reply."""
        left = self.left if self.took_s is None and not self.survived else []
        return {
            "pid": self.pid,
            "processes": len(self.processes),
            "left": [each.pid for each in left],
            "signal": self.signal,
            "took_s": self.took_s,
            "survived": self.survived,
        }


class Killer:
    """Ends runs in one worker's main process."""

    def __init__(self) -> None:
        self._endings: dict[str, Ending] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def end(self, pool: Any, request: Any, grace_s: float) -> Ending:
        """Begin to end the run of ``request``; for the main thread, so that it runs no other task yet.

        Args:
            pool: Celery's prefork pool.
            request: Active.
            grace_s: Between SIGTERM and SIGKILL; 0 kills at once.
        """
        with self._lock:
            known = self._endings.get(request.id)
        if known is not None and known.took_s is None and not known.survived:
            known.grace_s = min(known.grace_s, time.monotonic() - known.began + grace_s)
            return known
        ending = Ending(request.id, request.worker_pid, grace_s)
        worker_state.revoked.add(request.id)
        log.info("Umbel's agent ends task %s in process %d", request.id, ending.pid)
        if grace_s > 0:
            # The pool takes note that it was meant to end, and reports the task as terminated then.
            pool.terminate_job(ending.pid, signal.SIGTERM)
            process_tree.send(ending.processes[1:], signal.SIGTERM)
        else:
            ending.note(process_tree.stop(ending.pid))
            pool.terminate_job(ending.pid, signal.SIGKILL)
            process_tree.kill(ending.processes)
        with self._lock:
            self._endings.pop(request.id, None)
            self._endings[request.id] = ending
            while len(self._endings) > _REMEMBERED:
                del self._endings[next(iter(self._endings))]
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, args=(pool,), daemon=True, name="umbel-kill"
                )
                self._thread.start()
        return ending

    def told(self, task_ids: list[str]) -> Mapping[str, dict[str, Any]]:
        """Tell how far the ends of ``task_ids`` are; what was never ended here is left out."""
        with self._lock:
            found = {each: self._endings[each] for each in task_ids if each in self._endings}
        return {task_id: ending.told() for task_id, ending in found.items()}

    def _run(self, pool: Any) -> None:
        """Look after what is under way until nothing is."""
        while True:
            with self._lock:
                under_way = [
                    each
                    for each in self._endings.values()
                    if each.took_s is None and not each.survived
                ]
                if not under_way:
                    self._thread = None
                    return
            for ending in under_way:
                try:
                    _look_after(pool, ending)
                except Exception:
                    note_fault("ending a task")
            time.sleep(_LOOK_EVERY_S)


def _look_after(pool: Any, ending: Ending) -> None:
    root = ending.root
    if root is not None and process_tree.is_alive(root):
        if not _still_runs(ending):
            # It ended by itself within its grace: its process has done nothing to be killed for.
            _pardon(pool, ending.pid)
            ending.survived = True
            return
        ending.note(process_tree.tree(ending.pid))
    if not ending.left:
        ending.took_s = round(time.monotonic() - ending.began, 3)
    elif time.monotonic() - ending.began >= ending.grace_s:
        ending.signal = "SIGKILL"
        process_tree.kill(ending.processes)


def _still_runs(ending: Ending) -> bool:
    request = worker_state.requests.get(ending.task_id)
    return request is not None and request.worker_pid == ending.pid


def _pardon(pool: Any, pid: int) -> None:
    """Take back from the pool's process ``pid`` the note that it was meant to end."""
    for process in getattr(getattr(pool, "_pool", None), "_pool", None) or ():
        if process.pid == pid:
            process._controlled_termination = process._job_terminated = False

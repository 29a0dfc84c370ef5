"""Which run of which task the code that asks belongs to."""

from __future__ import annotations

import threading
import weakref
from typing import Any

from celery._state import _task_stack


class Run:
    """One run of a task in this thread, with what was kept of it so far."""

    __slots__ = ("bytes", "hostname", "id", "key", "lines", "progress_at", "retries", "task")

    def __init__(self, task: Any, request: Any) -> None:
        self.task = task
        self.id = str(request.id)
        self.hostname = str(request.hostname or "")
        self.retries = int(request.retries or 0)
        self.key = (self.id, self.retries)
        self.lines = 0
        """Log lines kept."""
        self.bytes = 0
        """Characters of them."""
        self.progress_at = 0.0
        """When progress was last stored in the result backend, by the monotonic clock."""


class _Last(threading.local):
    """The run this thread, or greenlet, asked for last."""

    top: weakref.ref[Any] | None = None
    request: weakref.ref[Any] | None = None
    run: Run | None = None


_last = _Last()


def current_run() -> Run | None:
    """Return the run that is going on in this thread; None outside of a worker's tasks.

    A task that is called as a function, or applied in place, belongs to the run that does so.
    """
    task = _task_stack.top
    if task is None:
        return None
    top = task.request_stack.top
    if top is not None and _last.top is not None and _last.top() is top:
        return _last.run
    return _look_down(top)


def _look_down(top: Any) -> Run | None:
    for task in reversed(_task_stack.stack):
        for request in reversed(task.request_stack.stack):
            if request.id and not request.is_eager and not request.called_directly:
                if _last.request is None or _last.request() is not request:
                    _last.request, _last.run = weakref.ref(request), Run(task, request)
                _last.top = None if top is None else weakref.ref(top)
                return _last.run
    return None

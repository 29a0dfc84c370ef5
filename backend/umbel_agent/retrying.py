"""Lets Celery retry what a retry policy covers, where a task's run would have ended as FAILURE.

Nothing is wrapped and nothing is asked while tasks succeed: Celery's tracer hands a failure to
`TraceInfo.handle_error_state`, and there it is turned into a retry of Celery's own, with the same message,
id and place in chain, group or chord. What the task retries itself never comes by here as a failure, and
a task that has given up retrying itself stays given up.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import celery
from celery import states
from celery.app import task as app_task
from celery.app import trace
from celery.exceptions import Retry
from kombu.utils.encoding import safe_repr
from redis.exceptions import RedisError

from umbel_agent import policies, protocol
from umbel_agent.redis_link import Link, NoRedis
from umbel_agent.safety import guarded, note_fault

LOOK_EVERY_S = 2.0
"""For how long what was read of the policies counts: a change is followed within it."""
_AFTER_TROUBLE_S = 5.0
_CELERY = f"{Path(celery.__file__).parent}{os.sep}"
_RUNS_TASKS = frozenset({f"{_CELERY}app{os.sep}{name}" for name in ("autoretry.py", "task.py")})
_ERROR_LIMIT = 500


class Retrying:
    """The policies as this process last read them, and the retries made by them.

    Args:
        link: Makes a connection to the Redis in which they are published.
    """

    def __init__(self, link: Callable[[], Link]) -> None:
        self._make = link
        self._link: Link | None = None
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._known: tuple[policies.RetryPolicy, ...] = ()
        self._look_at = 0.0
        """When they are read again, by the monotonic clock."""

    def rules(self) -> tuple[policies.RetryPolicy, ...]:
        """Return the policies that count now; those last known while Redis is away."""
        if self._pid != os.getpid():
            # A connection made before the fork belongs to the parent.
            self._pid, self._link, self._lock = os.getpid(), None, threading.Lock()
        with self._lock:
            if time.monotonic() >= self._look_at:
                self._look()
            return self._known

    def _look(self) -> None:
        self._look_at = time.monotonic() + _AFTER_TROUBLE_S
        try:
            if self._link is None:
                self._link = self._make()
            self._link.connect()
            text = self._link.command("GET", self._link.prefix + protocol.POLICIES_KEY)
        except (RedisError, OSError, NoRedis):
            return
        self._known = policies.read(text).retry
        self._look_at = time.monotonic() + LOOK_EVERY_S

    def retried(self, task: Any, request: Any, error: BaseException) -> Retry | None:
        """Send ``task`` again, if a policy says so; return Celery's word for that, else None."""
        if task.name.startswith("celery.") or not _is_of_body(task, request, error):
            return None
        rules = self.rules()
        if not rules:
            return None
        rule = policies.deciding(rules, task.name, policies.classes_of(error))
        made = policies.made_by_policies(request.headers)
        if rule is None or made >= rule.max_retries or _gave_up_itself(error):
            return None
        delay = policies.delay_s(rule, made)
        signature = task.signature_from_request(
            request, countdown=delay, retries=request.retries + 1
        )
        headers = signature.options.get("headers") or {}
        signature.options["headers"] = {**headers, policies.MADE_HEADER: made + 1}
        # As Celery's own retry, but for `Task.retry`: that counts by the task's `max_retries`.
        signature.apply_async()
        words = policies.said(rule, delay, made + 1, safe_repr(error)[:_ERROR_LIMIT])
        return Retry(words, exc=error, when=delay, sig=signature)


@guarded
def follow_policies() -> None:
    """Let failures of this process's tasks pass by the agent of their app, from now on."""
    if getattr(trace.TraceInfo.handle_error_state, "is_umbels", False):
        return
    as_celery_does = trace.TraceInfo.handle_error_state

    def handle_error_state(
        self: Any, task: Any, req: Any, eager: bool = False, call_errbacks: bool = True
    ) -> Any:
        if self.state == states.FAILURE and not eager:
            retry = _retry_instead(task, req, self.retval)
            if retry is not None:
                try:
                    # Celery asks for the exception that is being handled.
                    raise retry from self.retval
                except Retry:
                    self.state, self.retval = states.RETRY, retry
                    return as_celery_does(self, task, req, eager=eager, call_errbacks=False)
        return as_celery_does(self, task, req, eager=eager, call_errbacks=call_errbacks)

    handle_error_state.is_umbels = True  # type: ignore[attr-defined]
    trace.TraceInfo.handle_error_state = handle_error_state


def _retry_instead(task: Any, request: Any, error: Any) -> Retry | None:
    """Return the retry that a failure becomes; whatever goes wrong here leaves it a failure."""
    try:
        agent = getattr(task.app, "umbel_agent", None)
        retrying = getattr(agent, "retrying", None)
        if retrying is None or not isinstance(error, Exception):
            return None
        found: Retry | None = retrying.retried(task, request, error)
        return found
    except Exception:
        note_fault("retrying by a policy")
        return None


def _is_of_body(task: Any, request: Any, error: BaseException) -> bool:
    """Whether the task itself failed.

    Where Celery fails to store a result or to send what follows, the task has done its work, and would
    do it twice.
    """
    if task.request_stack.top is not request:
        return False
    first = error.__traceback__
    caller = first.tb_next if first is not None else None
    if caller is None:
        return True
    code = caller.tb_frame.f_code
    return (
        not code.co_filename.startswith(_CELERY)
        or code.co_filename in _RUNS_TASKS
        or code.co_name == "__protected_call__"
    )


def _gave_up_itself(error: BaseException) -> bool:
    """Whether ``error`` was raised by the task's own retry, which has reached its limit."""
    entry: TracebackType | None = error.__traceback__
    while entry is not None:
        if entry.tb_frame.f_code is app_task.Task.retry.__code__:
            return True
        entry = entry.tb_next
    return False

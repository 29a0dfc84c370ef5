"""Tasks that fail for a while, in the project of `harness.agent_tasks`; none of them knows of policies.

Workers run it as ``harness.policy_tasks:app``; with ``HARNESS_LOOK_EVERY_S`` they look so often for
policies. Each run leaves a line in a file, which is looked at from outside.
"""

# mypy: disallow-untyped-decorators=False

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Any

import harness.tasks as plain
from harness.agent_tasks import app
from umbel_agent import retrying

if "HARNESS_LOOK_EVERY_S" in os.environ:
    retrying.LOOK_EVERY_S = float(os.environ["HARNESS_LOOK_EVERY_S"])

_ERRORS: dict[str, type[Exception]] = {
    "refused": ConnectionRefusedError,
    "key": KeyError,
    "value": ValueError,
}


def runs(trace: str) -> int:
    """Return how often a task that was given this file has run."""
    path = Path(trace)
    return len(path.read_text().splitlines()) if path.exists() else 0


def _fail(trace: str, times: int, error: str = "refused") -> None:
    with Path(trace).open("a") as file:
        file.write("ran\n")
    if runs(trace) <= times:
        raise _ERRORS[error](f"run {runs(trace)} of {trace}")


@app.task(name="policy.plain")
def plain_task(trace: str, times: int, error: str = "refused", result: Any = "done") -> Any:
    """Fail so many times, and then return ``result``."""
    _fail(trace, times, error)
    return result


@app.task(name="policy.after")
def after(before: Any, trace: str, times: int) -> Any:
    """Fail so many times, and then return what came before: a later step of a chain, a chord's body."""
    _fail(trace, times)
    return before


@app.task(name="policy.silent", ignore_result=True)
def silent(trace: str, times: int) -> None:
    """Fail so many times, and store no result."""
    _fail(trace, times)


@app.task(name="policy.late", acks_late=True)
def late(trace: str, times: int) -> str:
    """Fail so many times, acknowledged late."""
    _fail(trace, times)
    return "done"


@app.task(name="policy.itself", bind=True)
def itself(self: Any, trace: str, times: int) -> str:
    """Retry itself, once at most."""
    try:
        _fail(trace, times)
    except ConnectionError as error:
        raise self.retry(exc=error, countdown=0.3, max_retries=1) from error
    return "done"


@app.task(
    name="policy.auto", autoretry_for=(ConnectionError,), max_retries=1, default_retry_delay=0.3
)
def auto(trace: str, times: int, error: str = "refused") -> str:
    """Be retried by Celery for one class of exceptions, once at most."""
    _fail(trace, times, error)
    return "done"


class Base(app.Task):  # type: ignore[misc]
    """A base of the user's own, with a call of its own."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run as any other."""
        return self.run(*args, **kwargs)


@app.task(name="policy.based", base=Base)
def based(trace: str, times: int) -> str:
    """Fail so many times."""
    _fail(trace, times)
    return "done"


@app.task(name="policy.unstorable")
def unstorable(trace: str) -> object:
    """Return what no result backend can store, having done its work."""
    _fail(trace, 0)
    return object()


@app.task(name="policy.flaky", bind=True)
def flaky(self: Any, number: int) -> int:
    """Fail in a fifth of all runs, the same ones each time."""
    if zlib.crc32(f"{number} {self.request.retries}".encode()) % 5 == 0:
        raise TimeoutError(f"number {number}")
    return number


assert plain.app is app

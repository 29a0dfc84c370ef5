"""A plain Celery project that has never heard of Umbel; workers run it as ``harness.tasks:app``.

Tests send to it through `client`, by task name or by signature; nothing here is called directly.
"""

# Celery ships no types, so that every one of its decorators is untyped.
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

import logging
import os
import signal
import time
from typing import Any

from celery import Celery
from celery.utils.log import get_task_logger

log = get_task_logger(__name__)

QUEUES = ("default", "reports")


def _configure(app: Celery) -> Celery:
    app.conf.update(
        task_default_queue="default",
        task_send_sent_event=True,
        task_track_started=False,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=True,
        broker_connection_retry_on_startup=True,
        result_expires=600,
    )
    return app


app = _configure(Celery("harness"))


def client(broker_url: str, result_backend: str | None = None, **conf: Any) -> Celery:
    """Return an app of the test's own that sends to workers of this project, on another broker.

    ``client(url).send_task("harness.tasks.add", (1, 2), queue="default")``; for chains and groups
    use ``client(url).signature("harness.tasks.add", (1, 2))``.
    """
    sender = Celery("sender", broker=broker_url, backend=result_backend, set_as_current=False)
    _configure(sender).conf.update(conf)
    return sender


@app.task
def add(a: float, b: float) -> float:
    """Return the sum; the result is an argument of the next in a chain."""
    return a + b


@app.task
def total(numbers: list[float]) -> float:
    """Return the sum of a list: the body of a chord."""
    return sum(numbers)


@app.task
def echo(*args: Any, **kwargs: Any) -> Any:
    """Return the arguments as they came, of any size."""
    return {"args": list(args), "kwargs": kwargs}


@app.task
def fail(message: str = "bad row 7") -> None:
    """Fail with a traceback that goes through a second function."""
    _inner(message)


def _inner(message: str) -> None:
    raise ValueError(message)


@app.task
def fail_chained() -> None:
    """Fail with one exception caused by another."""
    try:
        _inner("the cause")
    except ValueError as error:
        raise RuntimeError("the effect") from error


@app.task(bind=True, max_retries=None)
def retry(
    self: Any, times: int, then: str = "succeed", countdown_s: float = 0.0, max_retries: int = 99
) -> int:
    """Retry ``times`` times, then return the number of retries or, with ``then="fail"``, fail."""
    done = int(self.request.retries)
    if done < times:
        raise self.retry(
            exc=ConnectionError(f"attempt {done + 1}"),
            countdown=countdown_s,
            max_retries=max_retries,
        )
    if then == "fail":
        raise ConnectionError("gave up")
    return done


@app.task
def sleep(seconds: float = 30.0, until_file: str = "") -> str:
    """Run for ``seconds`` or until the file ``until_file`` exists, the test's way to release it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if until_file and os.path.exists(until_file):
            return "released"
        time.sleep(0.02)
    return "slept"


@app.task
def stubborn(seconds: float = 60.0) -> str:
    """Run for ``seconds`` whatever SIGTERM says."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.02)
    return "slept"


@app.task
def touch(file: str) -> str:
    """Leave a trace that anybody can see: append a line to ``file``."""
    with open(file, "a", encoding="utf-8") as trace:
        trace.write("ran\n")
    return "touched"


@app.task(bind=True)
def progress(self: Any, steps: int = 5, pause_s: float = 0.1, until_file: str = "") -> int:
    """Report each step by ``update_state``; then wait for ``until_file``, if it is given."""
    for done in range(1, steps + 1):
        self.update_state(state="PROGRESS", meta={"current": done, "total": steps})
        time.sleep(pause_s)
    while until_file and not os.path.exists(until_file):
        time.sleep(0.02)
    return steps


@app.task(ignore_result=True)
def ignored(value: int = 0) -> int:
    """Succeed without storing a result."""
    return value


@app.task(time_limit=1)
def overrun() -> None:
    """Run into the hard time limit: the pool kills the process."""
    time.sleep(60)


@app.task(soft_time_limit=1, time_limit=30)
def overrun_softly() -> None:
    """Run into the soft time limit: SoftTimeLimitExceeded inside the task."""
    time.sleep(60)


@app.task
def die() -> None:
    """Kill the pool process it runs in: WorkerLostError."""
    os.kill(os.getpid(), signal.SIGKILL)


@app.task
def speak(lines: int = 3) -> int:
    """Write by logging, the task logger and print."""
    for number in range(lines):
        log.info("task log line %d", number)
        logging.getLogger("harness.business").warning("business log line %d", number)
        print(f"printed line {number}")
    return lines


@app.task(bind=True)
def spawn(self: Any, count: int = 3) -> list[str]:
    """Send ``count`` further tasks from inside this one, so that they have a parent and a root."""
    return [add.apply_async((number, 1)).id for number in range(count)]

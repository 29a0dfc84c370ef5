"""Waiting for what happens elsewhere, and saying clearly when it did not."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from umbel_backend.demo.processes import free_port

__all__ = ["free_port", "wait_until"]

T = TypeVar("T")

PATIENCE_S = 60.0
"""Nobody gives up sooner: a machine that runs other tests too may stand still for many seconds."""


def wait_until(
    condition: Callable[[], T],
    timeout_s: float = 10.0,
    describe: str | Callable[[], object] = "",
    *,
    every_s: float = 0.02,
) -> T:
    """Ask ``condition`` until it returns something true, and return that.

    Args:
        condition: Called again and again, so keep it cheap.
        timeout_s: When to give up; at least `PATIENCE_S`.
        describe: What is waited for, as a phrase ("the task to start"), or a function called on
            failure that shows the state of things.
        every_s: Pause between two questions.

    Raises:
        AssertionError: Not true in time; it holds the description and the last answer.
    """
    timeout_s = max(timeout_s, PATIENCE_S)
    started = time.monotonic()
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() - started > timeout_s:
            said = describe() if callable(describe) else describe
            raise AssertionError(
                f"Waited {timeout_s:g} s for {said or 'a condition'}; last answer: {answer!r}"
            )
        time.sleep(every_s)

"""A command killed between two of its steps: after a commit of the database, or after a word to Redis."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import redis.connection
from sqlalchemy.dialects.sqlite.base import SQLiteDialect

from harness.recorder import Site


def killed_at(site: Site, step: int, *words: str) -> bool:
    """Run a command in a fork of this process and kill it, as ``kill -9`` does, after a number of steps.

    Args:
        site: Where it runs.
        step: 1 is the first commit or word to Redis.
        words: The command.

    Returns:
        Whether it was killed; False if it came to its end before.
    """
    child = os.fork()
    if child == 0:
        try:
            _count_down(step)
            site.inside(*words)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def _count_down(step: int) -> None:
    left = step

    def after(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            answer = function(*args, **kwargs)
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return call

    SQLiteDialect.do_commit = after(SQLiteDialect.do_commit)  # type: ignore[method-assign]
    for kind in (redis.connection.AbstractConnection,):
        kind.send_packed_command = after(kind.send_packed_command)  # type: ignore[method-assign]

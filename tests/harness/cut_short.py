"""A command killed between two of its steps, of which each leaves something outside of its process.

A step is a commit of the database or a word to Redis that changes something there. What only reads or
asks is none, nor is what belongs to the queue on which workers reply: whether a process is killed before or
after these, it leaves the same behind.
"""

from __future__ import annotations

import base64
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from redis.connection import AbstractConnection
from sqlalchemy.dialects.sqlite.base import SQLiteDialect

from harness.acting import Scene
from harness.recorder import Site

_COMMAND = re.compile(rb"\*\d+\r\n\$\d+\r\n([A-Za-z]+)\r\n")
_READS = frozenset(
    b"AUTH BRPOP CLIENT CONFIG DISCARD ECHO EXEC EXISTS GET HEXISTS HELLO HGET HGETALL HKEYS HLEN"
    b" HMGET INFO LINDEX LLEN LRANGE MGET MULTI PING PSUBSCRIBE PTTL PUNSUBSCRIBE SCAN SCARD SCRIPT"
    b" SELECT SISMEMBER SMEMBERS STRLEN SUBSCRIBE TIME TTL TYPE UNSUBSCRIBE UNWATCH WATCH XINFO XLEN"
    b" XRANGE XREVRANGE ZCARD ZRANGE ZRANGEBYSCORE ZREVRANGEBYSCORE ZSCORE".split()
)
_MOST_STEPS = 100
_REPLIES = b"reply.celery.pidbox"
_BODY = re.compile(rb'"body": ?"([A-Za-z0-9+/=]+)"')
_METHOD = re.compile(rb'"method": ?"(\w+)"')
_QUESTIONS = frozenset(
    {b"active", b"active_queues", b"conf", b"ping", b"query_task", b"registered", b"stats"}
)


def killed_at(site: Site, step: int, *words: str, order: bytes = b"") -> bool:
    """Run a command in a fork of this process and kill it, as ``kill -9`` does, after a number of steps.

    Args:
        site: Where it runs.
        step: 1 is the first.
        words: The command.
        order: Count the orders of this name to workers only, ``umbel_freeze``.

    Returns:
        Whether it was killed; False if it came to its end before.
    """
    child = os.fork()
    if child == 0:
        try:
            _after_steps(step, order, lambda: os.kill(os.getpid(), signal.SIGKILL))
            site.inside(*words)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def every_step(
    attempt: Callable[[int], bool], *, first: int = 1, by: int = 1, least: int = 5
) -> None:
    """Call ``attempt`` with 1, 2 … until it tells that nothing was killed any more.

    Args:
        attempt: Kills a command after so many steps, and tells whether that command was killed.
        first: 2 leaves out the sign of life with which every act begins.
        by: 2 takes every other step.
        least: The command has more steps than these, or they are not seen.
    """
    for step in range(first, _MOST_STEPS, by):
        if not attempt(step):
            assert step > least, f"only {step - 1} steps were seen"
            return
    raise AssertionError(f"it never came to its end within {_MOST_STEPS} steps")


def half_a_minute_later(engine: sa.Engine) -> None:
    """Let the last sign of life of every process be as old."""
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE act_batch SET expires_at = expires_at - 30")
    engine.dispose()


def cut_off(scene: Scene, engine: sa.Engine, step: int, *words: str) -> bool:
    """Run a command, kill it after so many steps, let half a minute pass; tell whether it was killed."""
    engine.dispose()
    was_killed = killed_at(scene.site, step, *words, "--reason", f"cut off at {step}")
    half_a_minute_later(engine)
    return was_killed


def outcome_of(scene: Scene, step: int, action: str, target: str) -> str | None:
    """Return the outcome that ``umbel audit`` tells of what was cut off; None if it tells of none."""
    words = (f'action:"{action}"', f'target:"{target}"', f'reason:"cut off at {step}"')
    rows = scene.site.inside("audit", *words, "--json").json()
    assert len(rows) <= 1, rows
    return str(rows[0]["outcome"]) if rows else None


def is_whole(scene: Scene) -> bool:
    """Whether the chain of the audit is."""
    return scene.site.inside("audit", "--verify").code == 0


@contextmanager
def lost_at(step: int, lose: Callable[[], None], order: bytes = b"") -> Iterator[None]:
    """Have this process call ``lose`` after its steps of that number on Redis.

    Args:
        step: 1 is the first.
        lose: Takes the broker away.
        order: As for `killed_at`.
    """
    send = AbstractConnection.send_packed_command
    try:
        _after_steps(step, order, lose, commits=False)
        yield
    finally:
        AbstractConnection.send_packed_command = send  # type: ignore[method-assign]


def is_step(packed: bytes) -> bool:
    """Tell whether commands, as they are sent to Redis, change anything but a queue of replies."""
    if _REPLIES in packed and b"PUBLISH" not in packed:
        return False
    commands = {name.upper() for name in _COMMAND.findall(packed)} - _READS
    return bool(commands) and not (commands == {b"PUBLISH"} and _ordered(packed) in _QUESTIONS)


def _ordered(packed: bytes) -> bytes:
    """Return what a broadcast tells workers to do; empty if it is none."""
    found = _BODY.search(packed)
    method = _METHOD.search(base64.b64decode(found[1])) if found else None
    return method[1] if method is not None else b""


def _after_steps(
    step: int, order: bytes, then: Callable[[], None], *, commits: bool = True
) -> None:
    left = step

    def passed() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            then()

    # Neither is typed.
    commit: Any = SQLiteDialect.do_commit
    send: Any = AbstractConnection.send_packed_command

    def commit_and_count(self: Any, *args: Any) -> None:
        commit(self, *args)
        passed()

    def send_and_count(self: Any, command: Any, *args: Any, **options: Any) -> None:
        send(self, command, *args, **options)
        packed = b"" if isinstance(command, str) else b"".join(command)
        if is_step(packed) and (not order or _ordered(packed) == order):
            passed()

    if commits and not order:
        SQLiteDialect.do_commit = commit_and_count  # type: ignore[method-assign]
    AbstractConnection.send_packed_command = send_and_count  # type: ignore[method-assign]

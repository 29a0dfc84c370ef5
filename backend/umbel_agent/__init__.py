"""Umbel's agent: one line in an app gives complete history, exact messages, progress and logs.

    import umbel_agent
    umbel_agent.install(app)

What it does, costs and stores is in ``docs/agent.md``. Importing this imports neither Celery nor redis.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from umbel_agent.checkpoints import Paused

    __version__: str

__all__ = ["Paused", "__version__", "checkpoint", "install", "progress", "saved_state"]


def install(
    app: Any,
    *,
    enabled: bool | None = None,
    redis: str | None = None,
    messages: Literal["all", "failed", "off"] | None = None,
    message_bytes: int | None = None,
    logs: bool | None = None,
    log_level: int | str | None = None,
    log_lines: int | None = None,
    log_bytes: int | None = None,
    progress: bool | None = None,
    samples: bool | None = None,
    leases: bool | None = None,
    policies: bool | None = None,
    redact: Iterable[str] | None = None,
    seal_key: str | None = None,
    stream_maxlen: int | None = None,
) -> None:
    """Install the agent in a Celery ``app``, before or after that is configured.

    Every argument can be left out; then ``app.conf.umbel_<argument>`` counts, then the environment
    variable ``UMBEL_<ARGUMENT>``, then the default. What they mean is told in
    `umbel_agent.options.Options`. A second call changes the arguments that are given to it.

    Never raises for a wrong value, and nothing it does later raises into the app.
    """
    from umbel_agent.installing import install as connect

    arguments = {
        "enabled": enabled,
        "redis": redis,
        "messages": messages,
        "message_bytes": message_bytes,
        "logs": logs,
        "log_level": log_level,
        "log_lines": log_lines,
        "log_bytes": log_bytes,
        "progress": progress,
        "samples": samples,
        "leases": leases,
        "policies": policies,
        "redact": redact if redact is None or isinstance(redact, str) else tuple(redact),
        "seal_key": seal_key,
        "stream_maxlen": stream_maxlen,
    }
    given = {name: value for name, value in arguments.items() if value is not None}
    connect(app, given, _version())


def progress(current: float, total: float | None = None, note: str = "", **fields: Any) -> None:
    """Say how far the running task is, as often as is convenient; never raises.

    Args:
        current: How much is done, in any unit.
        total: Of how much; None if that is not known.
        note: What is being done now, in a few words.
        fields: More, kept in the result backend only.

    The console shows it within a second. It is stored in the result backend as state ``PROGRESS``, at
    most ten times a second, where the task has one. Outside of a task it does nothing.
    """
    from umbel_agent.reporting import progress as report

    report(current, total, note, **fields)


def checkpoint(state: object) -> None:
    """Keep ``state``, with which the running task could go on from here, and pause here if that is wanted.

    Args:
        state: What JSON can hold, up to a million characters.

    Raises:
        Paused: An operator wants the task paused: let it pass. The task gives its slot back and, once it is
            resumed, runs again under the same id, where `saved_state` returns ``state``.
        TypeError, ValueError: ``state`` cannot be kept.

    Every call is one round trip to Redis, a tenth of a millisecond or so. It does nothing outside of a
    task, without ``install``, or with a broker that is no Redis. While Redis is away nothing is kept, and
    the state before counts.
    """
    from umbel_agent.checkpoints import checkpoint as keep

    keep(state)


def saved_state(default: Any = None) -> Any:
    """Return what the running task gave to its last `checkpoint`, in this run or one before.

    Else ``default``. It is deleted when the task succeeds, and ends by itself after 30 days.

    Raises:
        RedisError, OSError: Redis is away, so that it is not known; starting over could do harm.
    """
    from umbel_agent.checkpoints import saved_state as read

    return read(default)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("umbel")
    except PackageNotFoundError:
        return "unknown"


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name == "Paused":
        from umbel_agent.checkpoints import Paused

        return Paused
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Umbel's agent: one line in an app gives complete history, exact messages, progress and logs.

    import umbel_agent
    umbel_agent.install(app)

What it does, costs and stores is in ``docs/agent.md``. Importing this imports neither Celery nor redis.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    __version__: str

__all__ = ["__version__", "install", "progress"]


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


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("umbel")
    except PackageNotFoundError:
        return "unknown"


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

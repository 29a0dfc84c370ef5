"""What can be set of the agent: an argument of ``install``, else the app, else the environment."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, cast

from umbel_agent.protocol import STREAM_MAXLEN
from umbel_agent.redact import REDACTED_NAMES

REDIS_SCHEMES = ("redis", "rediss", "redis+socket", "unix", "valkey", "valkeys")
"""What a URL of the stream's Redis may begin with; Sentinel is found by the broker's settings only."""

MessagePolicy = Literal["all", "failed", "off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One agent's settings; ``messages`` is also ``app.conf.umbel_messages`` and ``UMBEL_MESSAGES``."""

    enabled: bool = True
    """False leaves the app as if the agent had not been installed."""
    redis: str | None = None
    """URL of the Redis that takes the stream; None is the broker's, if that is one."""
    messages: MessagePolicy = "all"
    """Which exact messages are kept: every one, those of tasks that did not succeed, or none."""
    message_bytes: int = 262_144
    """Longest message body that is kept."""
    logs: bool = True
    log_level: int = logging.INFO
    """Lowest level that is kept, by Python's numbers; a logger's own level is obeyed before."""
    log_lines: int = 10_000
    """Most lines kept of one run of a task."""
    log_bytes: int = 2_000_000
    """Most characters kept of the lines of one run."""
    progress: bool = True
    samples: bool = True
    """CPU and memory of the worker, every 10 s."""
    leases: bool = False
    """Renew the worker's hold on its unacknowledged messages (Redis broker only)."""
    policies: bool = True
    """Retry failed tasks as Umbel's retry policies say."""
    redact: tuple[str, ...] = REDACTED_NAMES
    """Names whose values never leave the worker."""
    seal_key: str | None = None
    """Fernet key; messages that hold a redacted value are kept encrypted with it, else not at all."""
    stream_maxlen: int = STREAM_MAXLEN
    """About how many records the stream holds before Redis drops the oldest."""


NAMES = tuple(field.name for field in fields(Options))


def read(
    given: Mapping[str, Any],
    conf: Mapping[str, Any] | None,
    environ: Mapping[str, str] = os.environ,
) -> tuple[Options, list[str]]:
    """Return the options in force, and a sentence for every value that cannot be one.

    Args:
        given: Arguments of ``install`` that were given.
        conf: The app's configuration; None when there is none yet.
        environ: Environment variables.

    A value that cannot be one counts as not given: a mistake here must not stop a worker.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for name in NAMES:
        for source, value in _candidates(name, given, conf, environ):
            try:
                values[name] = _PARSERS[name](value)
            except (TypeError, ValueError) as error:
                problems.append(f"{source} is ignored: {error}")
            else:
                break
    return Options(**values), problems


def _candidates(
    name: str,
    given: Mapping[str, Any],
    conf: Mapping[str, Any] | None,
    environ: Mapping[str, str],
) -> list[tuple[str, Any]]:
    setting, variable = f"umbel_{name}", f"UMBEL_{name.upper()}"
    found: list[tuple[str, Any]] = []
    if given.get(name) is not None:
        found.append((f"{name}= of umbel_agent.install", given[name]))
    if conf is not None and conf.get(setting) is not None:
        found.append((f"The app's {setting}", conf[setting]))
    if environ.get(variable):
        found.append((variable, environ[variable]))
    return found


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("0", "false", "no", "off"):
        return False
    raise ValueError(f"{value!r} is neither on nor off")


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(f"{value!r} is no number")
    number = int(value)
    if number < 1:
        raise ValueError(f"{number} is less than 1")
    return number


def _level(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    word = str(value).strip().upper()
    if word.isdigit():
        return int(word)
    found = logging.getLevelNamesMapping().get(word)
    if found is None:
        raise ValueError(f"{value!r} is no level of logging")
    return found


def _policy(value: object) -> MessagePolicy:
    word = str(value).strip().lower()
    if isinstance(value, bool):
        word = "all" if value else "off"
    if word not in ("all", "failed", "off"):
        raise ValueError(f"{value!r} is not all, failed or off")
    return cast(MessagePolicy, word)  # one of its three, as just looked up


def _words(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = () if value.strip().lower() == "off" else value.split(",")
    if not isinstance(value, list | tuple | set | frozenset):
        raise TypeError(f"{value!r} is no list of names")
    return tuple(word.strip() for word in map(str, value) if word.strip())


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("ascii")
    if not isinstance(value, str):
        raise TypeError(f"a {type(value).__name__} is no text")
    return value


def _redis_url(value: object) -> str:
    url = _text(value)
    scheme, found, _ = url.partition("://")
    if not found or scheme not in REDIS_SCHEMES:
        # Not the whole: there may be a password in it.
        named = f"{scheme}://" if found else "what is no URL"
        raise ValueError(f"{named} names no Redis; write {', '.join(REDIS_SCHEMES)}")
    return url


_PARSERS: dict[str, Callable[[object], Any]] = {
    "enabled": _switch,
    "redis": _redis_url,
    "messages": _policy,
    "message_bytes": _count,
    "logs": _switch,
    "log_level": _level,
    "log_lines": _count,
    "log_bytes": _count,
    "progress": _switch,
    "samples": _switch,
    "leases": _switch,
    "policies": _switch,
    "redact": _words,
    "seal_key": _text,
    "stream_maxlen": _count,
}

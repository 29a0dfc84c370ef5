"""What can be configured, as values; reading files and the environment is the command line's work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from umbel_agent.redact import REDACTED_NAMES

DEFAULT_BROKER = "redis://localhost:6379/0"

COLOURS = ("red", "orange", "yellow", "green", "cyan", "blue", "magenta")
"""What the banner of a context may be coloured in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One named cluster: how to reach it and how careful to be with it."""

    name: str = "default"
    broker: str = DEFAULT_BROKER
    """Broker URL as Celery takes it; may hold a password, so show it only through ``mask_url``."""
    result_backend: str | None = None
    db: str | None = None
    """SQLAlchemy URL or file path; None picks a file of its own for this broker."""
    app: str | None = None
    """``-A`` of the user's project, imported only in a subprocess."""
    colour: str | None = None
    """Of the context's banner, one of `COLOURS`."""
    protected: bool = False
    read_only: bool = False
    transport_options: Mapping[str, Any] = field(default_factory=dict)
    """``broker_transport_options``: ``global_keyprefix``, ``priority_steps``, ``sep`` …"""
    broker_use_ssl: Mapping[str, Any] | bool | None = None
    event_exchange: str = "celeryev"
    event_queue_prefix: str = "celeryev"
    control_exchange: str = "celery"
    queues: tuple[str, ...] = ()
    """Queues to watch although no worker or binding names them."""
    stream: str | None = None
    """URL of the Redis that the agents write to, where that is not the broker."""
    enable_events: bool = True
    """Switch task events on in workers that run without ``-E``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that holds for one run of a command."""

    context: Context = field(default_factory=Context)
    contexts: Mapping[str, Context] = field(default_factory=dict)
    """Every context of the configuration file, by name."""
    tags: tuple[str, ...] = ("deployment_id", "user_id")
    """Names looked for in a task's headers and kwargs."""
    redact: tuple[str, ...] = REDACTED_NAMES
    args_bytes: int = 8_192
    """Longest kept ``args``, ``kwargs`` or ``result``, in characters; longer ones are cut."""
    traceback_bytes: int = 32_768
    log_days: int = 30
    """For how many days the lines that tasks logged are kept; 0 is for ever."""
    log_bytes: int = 20_000_000
    """Most bytes, about, kept of the log of one task, the first lines going first; 0 is without bound."""
    message_days: int = 30
    """For how many days the exact messages of tasks are kept; 0 is for ever."""
    theme: str = "umbel-dark"
    unicode: bool = True
    refresh_hz: float = 4.0
    """Redraws a second of a live screen."""
    history_rows: int = 20
    """Tasks on a page of history; 0 is as many as fit."""
    key_map: Mapping[str, str] = field(default_factory=dict)
    """Action id to keys, over the registry's defaults."""

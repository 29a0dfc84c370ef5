"""Nothing the agent does may raise into the app it lives in: what goes wrong is counted and told once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

log = logging.getLogger("umbel_agent")

P = ParamSpec("P")
R = TypeVar("R")

_told: set[str] = set()
faults = 0
"""How often something of the agent's own went wrong in this process."""


def guarded(function: Callable[P, R]) -> Callable[P, R | None]:
    """Let ``function`` return None instead of raising; its first fault is logged, all are counted."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R | None:
        try:
            return function(*args, **kwargs)
        except Exception:
            note_fault(function.__qualname__)
            return None

    return call


def note_fault(where: str) -> None:
    """Count the exception that is being handled, and log it if it is the first of ``where``."""
    global faults
    faults += 1
    if where not in _told:
        _told.add(where)
        log.warning(
            "Umbel's agent had a fault in %s; the app is not affected.", where, exc_info=True
        )

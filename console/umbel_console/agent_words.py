"""How it is said everywhere that something needs the agent, and how to install it."""

from __future__ import annotations

from collections.abc import Sequence

HOW_TO_INSTALL = (
    "Write umbel_agent.install(app) where the Celery app is made, and restart the worker."
)
"""One sentence, the same wherever the agent is missed."""
NO_STREAM = (
    "It is not known where agents write: set stream in this context, for the broker is no Redis."
)
"""Why nothing of agents is seen although they may be there."""
_MOST_NAMED = 3


def needs_agent(*hostnames: str) -> str:
    """Return the phrase for what the workers of these node names lack: ``needs umbel_agent in …``."""
    if not hostnames:
        return "needs umbel_agent in the worker"
    noun = "worker" if len(hostnames) == 1 else "workers"
    return f"needs umbel_agent in {noun} {_named(hostnames)}"


def _named(hostnames: Sequence[str]) -> str:
    shown = ", ".join(hostnames[:_MOST_NAMED])
    more = len(hostnames) - _MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown

"""Numbers with the noun they count, as one says them."""

from __future__ import annotations

from datetime import tzinfo

from umbel_console.render.time import moment
from umbel_console.stores.outage import Outage

FAILING_WARN, FAILING_BAD = 0.1, 0.2
"""Shares of tasks that fail above which `umbel health` warns, and is critical, unless told otherwise."""


def failing_role(share: float) -> str:
    """Return the role in which a share of failures, from 0 to 1, is drawn: a few are no news."""
    return "bad" if share > FAILING_BAD else "warn" if share > FAILING_WARN else "foreground"


def counted(number: int, noun: str) -> str:
    """Return ``1 queue``, ``3 queues``, ``1,204 messages``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def idle_since(outage: Outage, now: float, zone: tzinfo | None, *, done: str = "read") -> str:
    """Return since when there is nothing to show; empty while there is no outage.

    What is wrong is not in it: the status line tells that, once for the whole screen.

    Args:
        outage: Of the source.
        now: Unix seconds.
        zone: Where times are told; None is the machine's own zone.
        done: What could not be done with the source.
    """
    if outage.since is None:
        return ""
    since = moment(outage.since, now, zone)
    return f"Nothing could be {done} since {since}. Umbel tries again by itself."

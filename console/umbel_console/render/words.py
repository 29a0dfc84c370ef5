"""Numbers with the noun they count, as one says them."""

from __future__ import annotations

from datetime import tzinfo

from umbel_console.render.time import moment
from umbel_console.stores.outage import Outage


def counted(number: int, noun: str) -> str:
    """Return ``1 queue``, ``3 queues``, ``1,204 messages``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def told_since(outage: Outage, now: float, zone: tzinfo | None) -> str:
    """Return what is wrong and since when, as sentences; empty if nothing is."""
    if outage.problem is None or outage.since is None:
        return ""
    return f"{outage.problem} Tried again and again since {moment(outage.since, now, zone)}."

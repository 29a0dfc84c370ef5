"""Numbers with the noun they count, as one says them."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return ``1 queue``, ``3 queues``, ``1,204 messages``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"

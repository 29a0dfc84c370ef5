"""Instants, durations and sizes in the words of the listings."""

from __future__ import annotations

import click

from umbel_backend.filters.values import read_duration
from umbel_console.render.time import ago, duration, exact


def length(seconds: float | None) -> str | None:
    """Return a duration for a cell; None stays None."""
    return None if seconds is None else duration(seconds)


def since(instant: float | None, now: float) -> str | None:
    """Return how long before ``now`` something was, ``2m ago``; None stays None."""
    return None if instant is None else ago(instant, now)


def moment(instant: float | None) -> str | None:
    """Return ``instant`` to the millisecond in this machine's zone; None stays None."""
    return None if instant is None else exact(instant, None)


def size(size_bytes: float | None) -> str | None:
    """Return ``812 B``, ``3.4 MB``."""
    if size_bytes is None:
        return None
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} TB"


def count(number: int | None) -> str | None:
    """Return ``number`` with thousands apart."""
    return None if number is None else f"{number:,}"


def duration_option(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> float | None:
    """Return an option's ``90``, ``90s``, ``1h30m`` in seconds, as click's callback.

    Raises:
        click.BadParameter: It is no duration.
    """
    if value is None:
        return None
    found = read_duration(value.strip())
    if found is None:
        raise click.BadParameter(
            f"{value!r} is not a duration; write 90s, 8m, 1h30m or 2d.", context, parameter
        )
    return found.value

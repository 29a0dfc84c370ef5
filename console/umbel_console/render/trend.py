"""Readings over time brought to equal slices, as a chart or a sparkline takes them. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def sliced(
    points: Sequence[tuple[float, float | None]], now: float, length_s: float, slices: int
) -> list[float | None]:
    """Return the mean of the points in each of ``slices`` equal parts of the time before ``now``."""
    width = length_s / slices
    sums = [0.0] * slices
    counts = [0] * slices
    last = int(now / width)
    for at, value in points:
        place = int(at / width) - last + slices - 1
        if value is not None and 0 <= place < slices:
            sums[place] += value
            counts[place] += 1
    return [total / count if count else None for total, count in zip(sums, counts, strict=True)]


def rates(points: Sequence[tuple[float, int | None]]) -> list[tuple[float, float | None]]:
    """Return growth a second between one reading of a counter and the next, at the later one.

    A counter that went down was started anew: then nothing is told of that stretch.
    """
    found: list[tuple[float, float | None]] = []
    before: tuple[float, int] | None = None
    for at, value in points:
        if value is None:
            continue
        if before is not None and at > before[0]:
            grown = value - before[1]
            found.append((at, grown / (at - before[0]) if grown >= 0 else None))
        before = (at, value)
    return found

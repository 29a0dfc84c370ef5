"""Counts per minute and hour, with runtimes in fixed buckets so that percentiles can be estimated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from umbel_backend.db.changes import RollupIncrement
from umbel_backend.db.tables import RUNTIME_BUCKETS

MINUTE_S = 60
HOUR_S = 3600
RUNTIME_BOUNDS_S = tuple(0.005 * 2**power for power in range(RUNTIME_BUCKETS - 1))
"""Upper bounds of all buckets but the last, from 5 ms, doubling, to 22 minutes."""


@dataclass(slots=True)
class _Sum:
    count: int = 0
    runtime_sum_s: float = 0.0
    runtime_max_s: float | None = None
    runtimes: list[int] = field(default_factory=lambda: [0] * RUNTIME_BUCKETS)


class RollupBuffer:
    """Adds up what happened until it is written.

    Count every entry into a state once: a repeated or late event must not be added again.
    """

    def __init__(self) -> None:
        self._sums: dict[tuple[int, int, str, str], _Sum] = {}

    def add(self, name: str, state: str, at: float, runtime_s: float | None = None) -> None:
        """Count one task ``name`` that entered ``state`` at ``at``; PENDING means it was sent."""
        for resolution in (MINUTE_S, HOUR_S):
            bucket_at = int(at // resolution) * resolution
            total = self._sums.setdefault((resolution, bucket_at, name, state), _Sum())
            total.count += 1
            if runtime_s is None:
                continue
            total.runtime_sum_s += runtime_s
            total.runtime_max_s = max(total.runtime_max_s or 0.0, runtime_s)
            total.runtimes[runtime_bucket(runtime_s)] += 1

    def drain(self) -> list[RollupIncrement]:
        """Return everything added since the last call and start again from nothing."""
        sums, self._sums = self._sums, {}
        return [
            RollupIncrement(
                *key, total.count, total.runtime_sum_s, total.runtime_max_s, tuple(total.runtimes)
            )
            for key, total in sums.items()
        ]


def runtime_bucket(runtime_s: float) -> int:
    """Return the index of the bucket that counts ``runtime_s``."""
    for index, bound in enumerate(RUNTIME_BOUNDS_S):
        if runtime_s <= bound:
            return index
    return RUNTIME_BUCKETS - 1


def quantile(runtimes: Sequence[int], fraction: float, longest_s: float | None) -> float | None:
    """Estimate the runtime that ``fraction`` of the tasks stayed under; None without any.

    Exact to within its bucket, whose bounds are a factor of two apart; never above ``longest_s``.
    """
    total = sum(runtimes)
    if not total:
        return None
    wanted, below = fraction * total, 0
    for index, count in enumerate(runtimes):
        if count and below + count >= wanted:
            low = RUNTIME_BOUNDS_S[index - 1] if index else 0.0
            last = index >= len(RUNTIME_BOUNDS_S)
            high = (longest_s or low) if last else RUNTIME_BOUNDS_S[index]
            estimate = low + (high - low) * (wanted - below) / count
            return estimate if longest_s is None else min(estimate, longest_s)
        below += count
    return longest_s

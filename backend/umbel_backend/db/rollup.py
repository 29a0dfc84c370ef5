"""Counts per minute and hour, with runtimes in fixed buckets so that percentiles can be estimated."""

from __future__ import annotations

from bisect import bisect_left
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

    @property
    def is_nothing(self) -> bool:
        """Whether as much was taken back as was counted."""
        return not self.count and not any(self.runtimes)

    def add(self, other: _Sum) -> None:
        self.count += other.count
        self.runtime_sum_s += other.runtime_sum_s
        if other.runtime_max_s is not None:
            self.runtime_max_s = max(self.runtime_max_s or 0.0, other.runtime_max_s)
        self.runtimes = [
            one + more for one, more in zip(self.runtimes, other.runtimes, strict=True)
        ]


class RollupBuffer:
    """Adds up what is to be added to the roll-ups."""

    def __init__(self) -> None:
        self._minutes: dict[tuple[int, str, str], _Sum] = {}

    def add(self, name: str, state: str, at: float, runtime_s: float | None = None) -> None:
        """Count one task ``name`` that ended as ``state`` at ``at``; PENDING means first seen."""
        if runtime_s is None:
            self.add_rows(at, name, state, 1)
        else:
            self.add_rows(at, name, state, 1, runtime_bucket(runtime_s), runtime_s, runtime_s)

    def add_rows(
        self,
        at: float,
        name: str,
        state: str,
        count: int,
        bucket: int | None = None,
        runtime_sum_s: float = 0.0,
        longest_s: float | None = None,
    ) -> None:
        """Count ``count`` tasks at once, whose runtimes fall into one bucket; below zero takes back.

        Args:
            at: Any instant of their minute.
            name: Of the tasks.
            state: That they entered.
            count: How many.
            bucket: As `runtime_bucket` tells; None if they have no runtime.
            runtime_sum_s: All their runtimes; below zero where ``count`` is.
            longest_s: The longest of them.
        """
        key = (int(at // MINUTE_S) * MINUTE_S, name, state)
        total = self._minutes.get(key)
        if total is None:
            total = self._minutes[key] = _Sum()
        total.count += count
        if bucket is None:
            return
        total.runtimes[bucket] += count
        total.runtime_sum_s += runtime_sum_s
        if longest_s is not None:
            total.runtime_max_s = max(total.runtime_max_s or 0.0, longest_s)

    def drain(self) -> list[RollupIncrement]:
        """Return everything added since the last call and start again from nothing."""
        minutes = {key: total for key, total in self._minutes.items() if not total.is_nothing}
        self._minutes = {}
        hours: dict[tuple[int, str, str], _Sum] = {}
        for (bucket_at, name, state), total in minutes.items():
            hour_at = bucket_at // HOUR_S * HOUR_S
            hours.setdefault((hour_at, name, state), _Sum()).add(total)
        return [
            RollupIncrement(
                resolution,
                *key,
                total.count,
                total.runtime_sum_s,
                total.runtime_max_s,
                tuple(total.runtimes),
            )
            for resolution, sums in ((MINUTE_S, minutes), (HOUR_S, hours))
            for key, total in sums.items()
        ]


def runtime_bucket(runtime_s: float) -> int:
    """Return the index of the bucket that counts ``runtime_s``."""
    return bisect_left(RUNTIME_BOUNDS_S, runtime_s)


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

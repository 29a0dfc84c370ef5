"""How fast acts on many targets may go."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import sqlalchemy as sa

from umbel_backend.db.query import run
from umbel_backend.db.statements import audit

DEFAULT_RATE = 200
"""Tasks a minute that one user may create by acts, unless they raise it."""
CREATING = ("retry", "run", "resume")
"""Acts that create work: a resume where it sends a message of what had ended again."""
_MINUTE_S = 60.0


class Pace:
    """Lets no more than ``per_minute`` targets through in any minute.

    Args:
        per_minute: 0 is unlimited.
        earlier: When targets were let through before, Unix seconds; asked at the start.
        clock, sleep: For tests.
    """

    def __init__(
        self,
        per_minute: int,
        earlier: Callable[[float], list[float]] = lambda _since: [],
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._sleep = sleep
        now = clock()
        self._passed = [min(at, now) for at in earlier(now - _MINUTE_S)] if per_minute else []

    def take(self, wanted: int) -> int:
        """Wait until at least one target may go; return how many may, at most ``wanted``."""
        if not self._per_minute:
            return wanted
        while True:
            now = self._clock()
            # A clock set back must not stop everything until it has caught up.
            self._passed = [at for at in self._passed if now - _MINUTE_S < at <= now + 1.0]
            free = self._per_minute - len(self._passed)
            if free > 0:
                taken = min(wanted, free)
                self._passed += [now] * taken
                return taken
            self._sleep(self.wait_s(now))

    def wait_s(self, now: float) -> float:
        """Return how long it takes until one more may go."""
        return max(0.01, min(self._passed, default=now) + _MINUTE_S - now)

    def minutes_for(self, targets: int) -> float:
        """Return about how long ``targets`` take, in minutes."""
        if not self._per_minute:
            return 0.0
        return float(max(0, math.ceil((len(self._passed) + targets) / self._per_minute) - 1))


def creating_pace(engine: sa.Engine, operator: str, per_minute: int) -> Pace:
    """Return the pace of ``operator``'s acts that create work, counting those of the last minute."""
    return Pace(
        per_minute, lambda since: run(engine, audit.created_since(operator, CREATING, since))
    )

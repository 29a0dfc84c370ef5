"""How fast the line to the terminal takes what is drawn, and how often to draw because of it.

Over a slow line the terminal's end is not seen; what is seen is that writing blocks once its buffers
are full. No Textual here.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

SLOWEST_S = 1.0
"""However slow the line, one redraw is tried this often."""
SLOW_SHARE = 0.4
"""Share of the time between two redraws that writing one may take."""
SLOW_IN_A_ROW = 2
"""Slow redraws before fewer are drawn: one may be the machine's fault."""
QUICK_SHARE = 0.1
CLOGGED_WRITES = 9
"""Writes under way from which on what is drawn waits: about three paints. Textual blocks at 30."""
_PATIENCE, _MOST_PATIENCE = 5, 40


class LinePace:
    """Watches writes from the loop's hand to the terminal's, and paces redraws by them.

    `handed` and all below it belong to the loop; `written` and `flushed` are called by the thread
    that writes.

    Args:
        clock: Returns seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._under_way: deque[float] = deque()
        self._in_hand = 0
        self._worst_s = 0.0
        self._factor = 1
        self._slow = self._quick = 0
        self._patience = _PATIENCE
        self._tried = False
        self._drawn_at = 0.0

    def handed(self) -> None:
        """Note that something is given to the thread that writes."""
        self._under_way.append(self._clock())

    def written(self) -> None:
        """Note that one of those is with the operating system, or in the file's buffer."""
        self._in_hand += 1

    def flushed(self) -> None:
        """Note that all that was written has left."""
        now = self._clock()
        for _ in range(min(self._in_hand, len(self._under_way))):
            self._worst_s = max(self._worst_s, now - self._under_way.popleft())
        self._in_hand = 0

    @property
    def is_clogged(self) -> bool:
        """Whether so much is under way that more had better wait."""
        return len(self._under_way) >= CLOGGED_WRITES

    def interval_s(self, usual_s: float) -> float:
        """Return how long to wait between two redraws instead of ``usual_s``."""
        return max(usual_s, min(SLOWEST_S, usual_s * self._factor))

    def due(self, usual_s: float) -> bool:
        """Return whether to redraw now; to be asked every ``usual_s``.

        What was drawn last has to be out: drawing more would only make the next key wait longer.
        """
        now = self._clock()
        interval_s = self.interval_s(usual_s)
        # A timer is a little early or late.
        if now - self._drawn_at < interval_s - usual_s / 2:
            return False
        waiting_s = now - self._oldest(now)
        self._learn(max(self._worst_s, waiting_s), interval_s, usual_s)
        if waiting_s > SLOW_SHARE * usual_s:
            return False
        self._worst_s, self._drawn_at = 0.0, now
        return True

    def words(self, usual_s: float) -> str:
        """Return what to tell of a slow line; empty while it is quick enough."""
        interval_s = self.interval_s(usual_s)
        if interval_s <= usual_s:
            return ""
        rate = 1 / interval_s
        return f"slow line, {rate:.2g} redraw{'' if rate == 1 else 's'}/s"

    def _oldest(self, now: float) -> float:
        try:
            return self._under_way[0]
        except IndexError:
            return now

    def _learn(self, took_s: float, interval_s: float, usual_s: float) -> None:
        if took_s > SLOW_SHARE * interval_s:
            self._quick, self._slow = 0, self._slow + 1
            if self._slow >= SLOW_IN_A_ROW and interval_s < SLOWEST_S:
                self._slower()
        elif took_s < QUICK_SHARE * interval_s:
            self._slow, self._quick = 0, self._quick + 1
            if self._quick >= self._patience:
                self._quicker()
        else:
            self._slow = self._quick = 0

    def _slower(self) -> None:
        if self._tried:
            # It was too early to try; the line would swing between two rates.
            self._patience = min(_MOST_PATIENCE, self._patience * 2)
        self._factor *= 2
        self._slow, self._tried = 0, False

    def _quicker(self) -> None:
        self._quick, self._tried = 0, self._factor > 1
        if self._factor > 1:
            self._factor //= 2
        else:
            self._patience = _PATIENCE


class WatchedFile:
    """A text file that tells a `LinePace` when it was written and flushed.

    Args:
        file: What is written to.
        pace: Who is told.
    """

    def __init__(self, file: Any, pace: LinePace) -> None:
        self._file = file
        self._pace = pace

    def write(self, text: str) -> int:
        """Write ``text``."""
        count: int = self._file.write(text)
        self._pace.written()
        return count

    def flush(self) -> None:
        """Flush; blocks while the line takes no more."""
        self._file.flush()
        self._pace.flushed()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

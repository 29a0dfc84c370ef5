"""An act in a thread of its own, which hands over what comes of each target as it is seen."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from umbel_backend.acts.outcome import NOT_BEGUN, Outcome
from umbel_backend.errors import UmbelError

if TYPE_CHECKING:
    from umbel_backend.acts.operator import Job

log = logging.getLogger(__name__)

Outcomes = Generator[tuple[str, Outcome], None, None]
"""Target and what was seen of it, in the order in which it was known."""


class ThreadJob:
    """One act in a thread; what comes of it is handed over target by target.

    Args:
        work: Makes the outcomes, in the thread; given this job.
    """

    def __init__(self, work: Callable[[ThreadJob], Outcomes]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._new: list[tuple[str, Outcome]] = []
        self._told: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="umbel-act", daemon=True)
        self._is_over = False
        self._begun: Callable[[], Job | None] = lambda: None
        self.problem: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether it ended, well or not."""
        return self._is_over

    @property
    def batch(self) -> str | None:
        """Its id in the audit, from before its first entry on."""
        begun = self._begun()
        return None if begun is None else begun.batch

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Begin no further target; what is under way is seen to its end."""
        self._stop.set()

    def join(self, timeout_s: float) -> None:
        """Wait for the end, but not for ever."""
        self._thread.join(timeout_s)

    def take(self) -> Sequence[tuple[str, Outcome]]:
        """Take what became known since the last call."""
        with self._lock:
            taken, self._new = self._new, []
        return taken

    def sleep(self, seconds: float) -> None:
        """Wait for the pace of the act, and no longer than it is wanted."""
        if self._stop.wait(seconds):
            raise _Stopped

    def carried_out(self, outcomes: Outcomes, job: Callable[[], Job | None]) -> Outcomes:
        """Yield ``outcomes`` until it is to stop, and then what was seen of all that was begun.

        What has a row in the audit and was not begun counts as what has none: nothing came of it.
        """
        self._begun = job
        try:
            with closing(outcomes):
                for target, outcome in outcomes:
                    yield target, outcome
                    if self._stop.is_set():
                        break
        except _Stopped:
            pass
        finally:
            begun = job()
            for target, outcome in ({} if begun is None else begun.outcomes).items():
                if outcome != NOT_BEGUN:
                    self._tell(target, outcome)

    def _tell(self, target: str, outcome: Outcome) -> None:
        with self._lock:
            if target not in self._told:
                self._told.add(target)
                self._new.append((target, outcome))

    def _run(self) -> None:
        try:
            with closing(self._work(self)) as outcomes:
                for target, outcome in outcomes:
                    self._tell(target, outcome)
        except UmbelError as error:
            self.problem = str(error)
        except Exception as error:
            # The console must go on, and the operator must learn that this did not.
            log.exception("an act failed")
            self.problem = f"The act failed: {type(error).__name__}; the log has the details."
        finally:
            self._is_over = True


class _Stopped(Exception):
    """The operator wants no further target."""

"""Asks broker and workers why one task waits, in a thread of its own, while somebody wants to know."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from umbel_backend.settings import Settings
from umbel_console.services import Question, WhyAnswer

if TYPE_CHECKING:
    from umbel_backend.broker.waiting_facts import WaitingFacts

EVERY_S = 3.0
"""Pause between two rounds of questions about the same task."""
STALE_S = 5.0
"""A question that was not repeated for so long is nobody's any more: its screen is not shown."""
IDLE_S = 20.0
"""After so long without a question the connections are closed."""


class LiveWaiting:
    """Answers for the task asked about last; older answers are dropped.

    Args:
        settings: Names the cluster.
        clock: Returns Unix seconds.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._changed = threading.Condition()
        self._question: Question | None = None
        self._asked_at = 0.0
        self._answer: WhyAnswer | None = None
        self._is_stopped = False
        self._thread: threading.Thread | None = None

    def look_at(self, question: Question | None) -> None:
        """Ask about this task from now on; None stops asking."""
        with self._changed:
            before, self._question = self._question, question
            # A screen that comes back asks again what it asked before; that is no new question.
            was_stale = time.monotonic() - self._asked_at > STALE_S
            self._asked_at = time.monotonic()
            is_new = _id(before) != _id(question)
            if is_new:
                self._answer = None
            if self._thread is None and question is not None and not self._is_stopped:
                self._thread = threading.Thread(target=self._run, name="umbel-why", daemon=True)
                self._thread.start()
            if is_new or was_stale:
                self._changed.notify()

    def answer(self, task_id: str) -> WhyAnswer | None:
        """Return what was found out about ``task_id``; None until there is something."""
        with self._changed:
            found = self._answer
        return found if found is not None and found.task_id == task_id else None

    def stop(self) -> None:
        """Stop asking; a question on its way is not waited for long."""
        with self._changed:
            self._is_stopped = True
            self._question = None
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(0.2)

    def _run(self) -> None:
        # Only now: kombu and redis are not wanted before the first question.
        from umbel_backend.broker.waiting_facts import WaitingFacts

        facts = WaitingFacts(self._settings)
        try:
            while not self._is_stopped:
                question = self._wanted()
                if question is None:
                    self._rest(facts)
                    continue
                answer = self._ask(facts, question)
                with self._changed:
                    if _id(self._question) == question.record.id:
                        self._answer = answer
                        self._changed.wait(EVERY_S)
        finally:
            facts.close()

    def _wanted(self) -> Question | None:
        is_stale = time.monotonic() - self._asked_at > STALE_S
        return None if is_stale else self._question

    def _rest(self, facts: WaitingFacts) -> None:
        """Wait for a question, and let go of the connections if none comes."""
        with self._changed:
            if self._wanted() is not None or self._is_stopped:
                return
            if self._changed.wait(IDLE_S):
                return
        facts.close()
        with self._changed:
            if self._wanted() is None and not self._is_stopped:
                self._changed.wait()

    def _ask(self, facts: WaitingFacts, question: Question) -> WhyAnswer:
        from umbel_backend.broker.why_waiting import Cause, why_waiting

        record = question.record
        try:
            found = facts.gather(
                record, question.workers, now=self._clock(), paused=question.queue_paused
            )
            causes = why_waiting(found)
        except Exception as error:
            # This thread must outlive whatever a transport raises; the sentence shows it.
            facts.close()
            words = f"It cannot be told: asking failed with {type(error).__name__}: {error}"
            causes = [Cause(kind="failed", sentence=words[:300], certainty="unknown")]
        return WhyAnswer(record.id, causes, self._clock())


def _id(question: Question | None) -> str | None:
    return None if question is None else question.record.id

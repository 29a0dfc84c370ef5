"""Since when something that is asked again and again does not answer."""

from __future__ import annotations


class Outage:
    """What is wrong with one source of answers; it is over with the first answer."""

    def __init__(self) -> None:
        self.problem: str | None = None
        """Why the last attempt failed, as a sentence; None if it did not."""
        self.since: float | None = None
        """When the first of the attempts failed that all failed since, in Unix seconds."""

    def note(self, problem: str | None, now: float) -> None:
        """Take over how an attempt ended at ``now``; None is an answer."""
        if problem is None:
            self.since = None
        elif self.since is None:
            self.since = now
        self.problem = problem

"""Errors an operator is told about in one plain sentence, and the exit code each one carries."""

from __future__ import annotations


class UmbelError(Exception):
    """Something an operator must be told; ``str()`` is one plain sentence, never a traceback."""

    exit_code = 1


class InvalidValue(UmbelError):
    """A value given by the operator is not usable; the sentence names it and what is allowed."""

    exit_code = 2


class InvalidFilter(InvalidValue):
    """A filter text has a mistake.

    Attributes:
        text: The whole filter as given.
        position: Index of the first wrong character in ``text``, from 0.
        length: How many characters are wrong, at least 1.
        problem: What is wrong and what is allowed, without the position.
    """

    def __init__(self, text: str, position: int, length: int, problem: str) -> None:
        super().__init__(f"{problem} (at character {position + 1} of the filter)")
        self.text = text
        self.position = position
        self.length = max(1, length)
        self.problem = problem


class BrokerUnavailable(UmbelError):
    """The broker cannot be reached, refused the login, or went away; never names a password."""

    exit_code = 3


class DatabaseUnavailable(UmbelError):
    """The database cannot be opened, read or written as needed."""

    exit_code = 3


class LeaseLost(UmbelError):
    """Another process holds the lease now; what this one was about to write was not written."""


class NotPermitted(UmbelError):
    """The operator's role or a read-only context does not allow this."""

    exit_code = 4


class ControlTimeout(UmbelError):
    """No worker answered a control command in time; what happened is unknown."""


class Refused(UmbelError):
    """The cluster was reached and said no."""


class NotFound(UmbelError):
    """There is nothing by that id or name."""

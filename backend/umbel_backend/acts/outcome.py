"""What was seen to come of an act, for one target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Word = Literal["done", "partly", "refused", "unknown"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one act on one target."""

    outcome: Word
    """``done``: the effect was seen. ``partly``: it was begun, and its end cannot be seen from here.
    ``refused``: nothing was changed. ``unknown``: whether anything changed is not known."""
    detail: str
    """What was seen, in plain sentences."""
    new_id: str | None = None
    """The task that a retry or a run made."""


def done(detail: str, new_id: str | None = None) -> Outcome:
    """Return the outcome of an act whose effect was seen."""
    return Outcome("done", detail, new_id)


def partly(detail: str, new_id: str | None = None) -> Outcome:
    """Return the outcome of an act that was begun and whose end cannot be seen from here."""
    return Outcome("partly", detail, new_id)


def refused(detail: str) -> Outcome:
    """Return the outcome of an act that changed nothing."""
    return Outcome("refused", detail)


def unknown(detail: str, new_id: str | None = None) -> Outcome:
    """Return the outcome of an act of which it is not known whether it changed anything."""
    return Outcome("unknown", detail, new_id)


NOT_BEGUN = refused("Not begun.")
"""What came of a target that was not reached before everything was stopped."""

"""Python's garbage collector during a start: it would walk what was just imported, and find nothing.

A tenth of the time to the first screen goes there otherwise, and later each full collection would
walk the libraries again while a key waits.
"""

from __future__ import annotations

import gc

_YOUNG = 10_000
"""New objects before the young ones are looked at. Python's 700 are a hundredth of one batch of events."""


def pause() -> None:
    """Collect nothing until `resume`."""
    gc.disable()


def resume() -> None:
    """Collect as usual."""
    gc.enable()


def settle() -> None:
    """Collect again, but leave alone what is there now, as everything is imported."""
    gc.freeze()
    gc.set_threshold(_YOUNG, 10, 10)
    gc.enable()

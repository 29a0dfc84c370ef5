"""The tasks of history that a retry by filter is about."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from umbel_backend.acts.again import last_repeats, was_repeated
from umbel_backend.acts.retry import MAY_RUN_TWICE
from umbel_backend.acts.selection import in_history
from umbel_backend.db.tables import task
from umbel_backend.filters.edit import asked
from umbel_backend.filters.tree import Filter
from umbel_backend.records import TaskRecord


@dataclass(frozen=True, slots=True)
class Ended:
    """Tasks that ended and match a filter."""

    records: list[TaskRecord]
    """The latest change first."""
    left_out: int
    """How many more match that ended as SUCCESS, REVOKED or LOST, which the filter did not ask for."""
    repeated: int = 0
    """How many more match that were retried already, and have not failed since."""


def ended_matching(engine: sa.Engine, chosen: Filter, *, twice: bool = False) -> Ended:
    """Return the tasks that ended and match ``chosen``.

    What may do the same for the second time is taken only where the filter names a state, and what was
    retried already is not.

    Args:
        engine: Of the history.
        chosen: The filter.
        twice: Take it all the same.
    """
    found = in_history(engine, chosen, task.c.finished_at.is_not(None))
    if twice:
        return Ended(found, 0)
    is_asked = "state" in asked(chosen)
    kept = [each for each in found if is_asked or each.state not in MAY_RUN_TWICE]
    again = last_repeats(engine, kept)
    fresh = [each for each in kept if not was_repeated(each, again)]
    return Ended(fresh, len(found) - len(kept), len(kept) - len(fresh))

"""The tasks that belong together: all of the chain, group or chord that one of them is of."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from umbel_backend.db.query import run
from umbel_backend.db.statements import tasks
from umbel_backend.filters.parse import parse
from umbel_backend.filters.tree import Filter


def of_workflows(engine: sa.Engine, ids: Sequence[str]) -> Filter:
    """Return the filter for all tasks that have the same first task as any of ``ids``.

    A task that history does not know is taken for the first of its workflow.
    """
    records = run(engine, tasks.by_ids(ids))
    roots = dict.fromkeys(
        (records[each].root_id or each) if each in records else each for each in ids
    )
    names = ",".join('"{}"'.format(root.replace('"', "")) for root in roots)
    return parse(f"root:{names} OR id:{names}")

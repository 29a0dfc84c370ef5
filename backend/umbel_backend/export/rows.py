"""What is exported, before it is written: rows of the database as they came, nothing converted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from umbel_backend.records import LogLine

_NAMES = (
    "n id name state queue priority worker args kwargs args_exact args_complete result"
    " result_exact exception traceback sent_at received_at started_at finished_at runtime_s"
    " retries root_id parent_id group_id retry_of eta expires pid progress paused_how tags"
)
COLUMNS = tuple(_NAMES.split())
"""What a row holds: columns of `umbel_backend.db.tables.task`, the truths as 0 and 1 or as bool."""

Row = tuple[Any, ...]
Run = tuple[int, float | None, float | None, str, str | None, str | None, str | None, float | None]
"""Number, start, end, outcome, exception, worker, policy and its delay, as in
`umbel_backend.records.Attempt`."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Some tasks, complete."""

    rows: Sequence[Row]
    """The values of `COLUMNS` for each."""
    runs: Mapping[int, Sequence[Run]]
    """The runs before the last one, by ``n``, of those tasks that have any."""
    retries: Mapping[int, Sequence[str]]
    """The ids of the tasks by which one was repeated, by its ``n``, of those that were."""
    logs: Mapping[str, Sequence[LogLine]] = field(default_factory=dict)
    """What they logged, by id, of those that did and if it was asked for."""

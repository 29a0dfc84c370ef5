"""What one screen shows of the task store: filtered, ordered, kept up to date by changes only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

from umbel_backend.records import TaskRecord
from umbel_console.stores.tasks import Predicate, Section, TaskStore, section_of

SortKey = Callable[[TaskRecord, float], Any]
"""From a record and now to something that orders; of one type for all records."""

RECHECK_S = 1.0
"""How often keys and filters that depend on the clock are worked out anew for every record."""

_SECTION_ORDER = {section: rank for rank, section in enumerate(Section)}


def calm_order(record: TaskRecord, now: float) -> tuple[int, float, str]:
    """Order active, paused, waiting, completed; the longest running on top, the newest end first.

    What changes often is then below what does not, and the top of the table stands still.
    """
    section = section_of(record)
    if section is Section.COMPLETED:
        at = -(record.finished_at or 0.0)
    elif section is Section.ACTIVE:
        at = record.started_at or record.state_at
    else:
        at = record.sent_at or record.received_at or record.state_at
    return _SECTION_ORDER[section], at, record.id


class Selection:
    """An ordered, filtered reading of a `TaskStore`.

    Args:
        store: Where the records are.
    """

    def __init__(self, store: TaskStore) -> None:
        self._store = store
        self._predicate: Predicate | None = None
        self._section: Section | None = None
        self._sort_key: SortKey = calm_order
        self._descending = False
        self._clocked = False
        self._ordered: list[tuple[Any, TaskRecord]] = []
        self._revision = -1
        self._rechecked_at = 0.0
        self._rows: list[TaskRecord] = []
        self._whole = True

    def choose(
        self,
        *,
        predicate: Predicate | None,
        moves: bool,
        section: Section | None,
        sort_key: SortKey = calm_order,
        descending: bool = False,
        ticks: bool = False,
    ) -> None:
        """Set what is shown and in which order.

        Args:
            predicate: Tells whether a record is shown; None shows all.
            moves: The predicate's answer changes with the clock.
            section: The only section shown; None shows all.
            sort_key: What to order by.
            descending: The largest key comes first.
            ticks: The sort key changes with the clock.
        """
        self._predicate = predicate
        self._section = section
        self._sort_key = sort_key
        self._descending = descending
        self._clocked = moves or ticks
        self._whole = True

    def rows(self, now: float) -> list[TaskRecord]:
        """Return the records to show, in order; the same list object while nothing changed."""
        if self._clocked and now - self._rechecked_at >= RECHECK_S:
            self._whole = True
        if not self._whole and self._revision == self._store.revision:
            return self._rows
        changes = None if self._whole else self._store.changed_since(self._revision)
        self._revision = self._store.revision
        if changes is None:
            self._whole = False
            self._rechecked_at = now
            self._ordered = self._keyed(self._store.records(), now)
        else:
            changed = dict(changes)
            kept = [chosen for chosen in self._ordered if chosen[1].id not in changed]
            fresh = (record for record in changed.values() if record is not None)
            self._ordered = kept + self._keyed(fresh, now)
        # All but the fresh ones are in place: sorting is close to one pass.
        self._ordered.sort(key=itemgetter(0), reverse=self._descending)
        self._rows = [record for _, record in self._ordered]
        return self._rows

    def _keyed(self, records: Iterable[TaskRecord], now: float) -> list[tuple[Any, TaskRecord]]:
        key = self._sort_key
        return [(key(record, now), record) for record in records if self._shows(record, now)]

    def _shows(self, record: TaskRecord, now: float) -> bool:
        if self._section is not None and section_of(record) is not self._section:
            return False
        return self._predicate is None or self._predicate(record, now)

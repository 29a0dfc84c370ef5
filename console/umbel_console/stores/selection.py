"""What one screen shows of the task store: filtered, ordered, kept up to date by changes only."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from umbel_backend.records import TaskRecord
from umbel_console.stores.tasks import Predicate, Section, TaskStore, section_of

SortKey = Callable[[TaskRecord, float], Any]
"""From a record and now to something that orders; of one type for all records."""

T = TypeVar("T")
_Place = tuple[Any, str]
"""What a record is ordered by: its sort key, then its id, so that no two are equal."""

RECHECK_S = 1.0
"""How often keys and filters that depend on the clock are worked out anew for every record."""

_MANY = 8
"""When more than one record in so many changed, all are looked at anew: it costs less then."""

_AT_ONCE = 100
"""Records looked at between two looks at the clock."""

_SECTION_ORDER = {
    Section.ACTIVE: 0,
    Section.PAUSED: 1,
    Section.WAITING: 2,
    Section.COMPLETED: 3,
}


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
        # Side by side, in ascending order: what a record is ordered by, and the record.
        self._places: list[_Place] = []
        self._ordered: list[TaskRecord] = []
        self._place_of: dict[str, _Place] = {}
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
        changed = None if changes is None else dict(changes)
        self._revision = self._store.revision
        if changed is None or len(changed) * _MANY > len(self._store):
            self._whole = False
            self._rechecked_at = now
            self._order(self._placed(self._store.records(), now))
        else:
            self._take_out(changed)
            self._put_in(changed.values(), now)
        self._rows = self._in_order()
        return self._rows

    def fill(self, now: float, part_s: float) -> Iterator[None]:
        """Work out all rows in parts of about ``part_s``, so that keys can be answered in between.

        What changes meanwhile is for `rows` to add.
        """
        revision, records = self._store.revision, list(self._store.records())
        placed: list[tuple[_Place, TaskRecord]] = []
        ends_at = time.perf_counter() + part_s
        for start in range(0, len(records), _AT_ONCE):
            placed += self._placed(records[start : start + _AT_ONCE], now)
            if time.perf_counter() > ends_at:
                yield
                ends_at = time.perf_counter() + part_s
        self._order(placed)
        self._revision, self._whole, self._rechecked_at = revision, False, now
        self._rows = self._in_order()

    def stretch(self, section: Section) -> slice:
        """Return where the records of ``section`` stand; only in calm order, which keeps them together."""
        rank = _SECTION_ORDER[section]
        first, end = (bisect_left(self._places, ((at,), "")) for at in (rank, rank + 1))
        return slice(first, end)

    def _in_order(self) -> list[TaskRecord]:
        return self._ordered[::-1] if self._descending else self._ordered[:]

    def _order(self, placed: Iterable[tuple[_Place, TaskRecord]]) -> None:
        ordered = sorted(placed, key=_place)
        self._places = [place for place, _ in ordered]
        self._ordered = [record for _, record in ordered]
        self._place_of = {record.id: place for place, record in ordered}

    def _take_out(self, ids: Iterable[str]) -> None:
        """Take out the records with ``ids``, which are found by what they were ordered by."""
        forget, places, ordered = self._place_of.pop, self._places, self._ordered
        known = (forget(task_id, None) for task_id in ids)
        gone = sorted(bisect_left(places, place) for place in known if place is not None)
        self._places, self._ordered = _without(places, gone), _without(ordered, gone)

    def _put_in(self, records: Iterable[TaskRecord | None], now: float) -> None:
        """Put ``records`` in their places; None stands for one that is no longer there."""
        there = (record for record in records if record is not None)
        fresh = sorted(self._placed(there, now), key=_place)
        places, ordered = self._places, self._ordered
        self._places, self._ordered = [], []
        done = 0
        for place, record in fresh:
            at = bisect_left(places, place, done)
            self._places += places[done:at]
            self._ordered += ordered[done:at]
            self._places.append(place)
            self._ordered.append(record)
            self._place_of[record.id] = place
            done = at
        self._places += places[done:]
        self._ordered += ordered[done:]

    def _placed(self, records: Iterable[TaskRecord], now: float) -> list[tuple[_Place, TaskRecord]]:
        key = self._sort_key
        return [
            ((key(record, now), record.id), record)
            for record in records
            if self._shows(record, now)
        ]

    def _shows(self, record: TaskRecord, now: float) -> bool:
        if self._section is not None and section_of(record) is not self._section:
            return False
        return self._predicate is None or self._predicate(record, now)


class InSection:
    """One section of all there is, in calm order: at hand at once, for it is a part of ``whole``.

    Args:
        whole: Of no predicate and no section, in calm order.
        section: None is all of it.
    """

    def __init__(self, whole: Selection, section: Section | None) -> None:
        self._whole = whole
        self._section = section
        self._seen: list[TaskRecord] | None = None
        self._rows: list[TaskRecord] = []

    def rows(self, now: float) -> list[TaskRecord]:
        """Return the records to show, in order; the same list object while nothing changed."""
        rows = self._whole.rows(now)
        if self._section is None:
            return rows
        if rows is not self._seen:
            self._seen = rows
            self._rows = rows[self._whole.stretch(self._section)]
        return self._rows


def _place(placed: tuple[_Place, TaskRecord]) -> _Place:
    return placed[0]


def _without(values: list[T], gone: Iterable[int]) -> list[T]:
    """Return ``values`` without those at the indexes ``gone``, which ascend."""
    kept: list[T] = []
    done = 0
    for index in gone:
        kept += values[done:index]
        done = index + 1
    kept += values[done:]
    return kept

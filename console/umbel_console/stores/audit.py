"""The entries of the audit that a console has read, the latest first, and the filter over them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from umbel_backend.errors import InvalidFilter, InvalidValue
from umbel_backend.records import AuditRecord

if TYPE_CHECKING:
    from umbel_backend.filters import Filter

_WORD = re.compile(r'(?:[^\s"]|"[^"]*")+')
OUTCOMES = ("done", "partly", "refused", "unknown", "interrupted", "none")
_MOST_HINTS = 12


class AuditStore:
    """Entries by id; what came is put in its place, what was read before is replaced."""

    def __init__(self) -> None:
        self._by_id: dict[int, AuditRecord] = {}
        self._rows: list[AuditRecord] = []
        self.more = False
        """There are older ones, which were not read yet."""

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def rows(self) -> Sequence[AuditRecord]:
        """The entries, the latest first; the same list as long as nothing changed."""
        return self._rows

    @property
    def oldest(self) -> int | None:
        """The id of the oldest one that was read."""
        return self._rows[-1].id if self._rows else None

    def begin(self, rows: Iterable[AuditRecord], more: bool) -> None:
        """Take over the newest entries under another filter."""
        self._by_id = {row.id: row for row in rows}
        self.more = more
        self._order()

    def renew(self, rows: Sequence[AuditRecord], more: bool) -> None:
        """Take over the newest entries, read again.

        Those in between that are no longer among them, as the filter does not match them any more,
        are forgotten; entries that were read further back stay.
        """
        if not more:
            self.begin(rows, more)
            return
        least = rows[-1].id
        older = {id_: row for id_, row in self._by_id.items() if id_ < least}
        fresh = {row.id: row for row in rows}
        if {**fresh, **older} != self._by_id:
            self._by_id = {**fresh, **older}
            self._order()
        if not older:
            self.more = more

    def add_older(self, rows: Iterable[AuditRecord], more: bool) -> None:
        """Take over the next older entries."""
        self._by_id.update((row.id, row) for row in rows)
        self.more = more
        self._order()

    def values(self, field: str) -> list[str]:
        """Return what is known to stand in a field, the most recent first."""
        if field == "outcome":
            return list(OUTCOMES)
        name = {"kind": "target_kind"}.get(field, field)
        if name not in ("operator", "origin", "action", "target", "target_kind", "batch"):
            return []
        return list(dict.fromkeys(str(getattr(row, name)) for row in self._rows))[:_MOST_HINTS]

    def _order(self) -> None:
        self._rows = sorted(self._by_id.values(), key=lambda row: -row.id)


def read(text: str) -> Filter:
    """Parse a filter of the audit: words of which all have to fit.

    Raises:
        InvalidFilter: A word is none; with its position.
    """
    from umbel_backend.acts.audit_filter import read_audit_filter
    from umbel_backend.filters.fields import TASK_FIELDS
    from umbel_backend.filters.tree import Filter, Pattern, Words

    if text.count('"') % 2:
        raise InvalidFilter(text, text.rindex('"'), 1, "This quote is not closed.")
    for word in _WORD.finditer(text):
        try:
            read_audit_filter([word.group()], 0.0)
        except InvalidValue as error:
            raise InvalidFilter(text, word.start(), len(word.group()), str(error)) from None
    # What matches is decided by the database; the tree only tells one filter from another.
    node = Words(TASK_FIELDS.bare, (Pattern((" ".join(text.split()),)),))
    return Filter(text.strip(), node)


def suggest(text: str, cursor: int, store: AuditStore) -> list[tuple[str, str]]:
    """Return what could stand at the cursor: the whole text then, and what to show of it."""
    from umbel_backend.acts.audit_filter import FIELDS

    start = max(text.rfind(" ", 0, cursor), -1) + 1
    word, rest = text[start:cursor], text[cursor:]
    field, colon, begun = word.partition(":")
    if not colon:
        names = [name for name in FIELDS if name.startswith(field)] if field else list(FIELDS)
        return [(f"{text[:start]}{name}:{rest}", f"{name}:") for name in names]
    before, comma, last = begun.rpartition(",")
    found = [each for each in store.values(field) if each.lower().startswith(last.lower())]
    shown = [f'"{each}"' if " " in each else each for each in found if each != last]
    head = f"{text[:start]}{field}:{before}{comma}"
    return [(f"{head}{each}{rest}", each) for each in shown]

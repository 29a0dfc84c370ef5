"""A tab of things that are not tasks, narrowed by a filter bar; each opens a screen of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.screen import Screen

from umbel_console.actions import Situation
from umbel_console.screens.simple_list import SimpleListScreen
from umbel_console.widgets.filter_bar import FilterBar
from umbel_console.widgets.record_table import RecordTable

if TYPE_CHECKING:
    from umbel_backend.filters import Filter
    from umbel_console.stores.narrowing import Facts


class NarrowedListScreen(SimpleListScreen):
    """Shows the records of a store that a filter of words matches.

    A subclass gives all of them, what can be searched of one, and the screen that shows one.
    """

    FIELDS: ClassVar[tuple[str, ...]] = ()
    """The fields a filter may name, besides bare words."""

    def all_records(self) -> Sequence[Any]:
        """Return every record there is."""
        raise NotImplementedError

    def facts(self, record: Any) -> Facts:
        """Return what can be searched of one record."""
        raise NotImplementedError

    def compose_table(self) -> RecordTable[Any]:
        """Make the table."""
        raise NotImplementedError

    def detail_of(self, key: str) -> Screen[None]:
        """Return the screen that shows one record."""
        raise NotImplementedError

    def compose_body(self) -> ComposeResult:
        """Lay out filter bar and table."""
        yield FilterBar(self.session.draw, read=self._read)
        yield self.compose_table()

    def records(self) -> Sequence[Any]:
        """Return what the filter matches."""
        chosen = self.query_one(FilterBar).chosen
        records = self.all_records()
        if chosen is None:
            return records
        from umbel_console.stores.narrowing import matches

        return [record for record in records if matches(chosen.root, self.facts(record))]

    def situation(self) -> Situation:
        """Return what decides which actions can be done."""
        return Situation(has_record=self.table.record is not None, has_filter=True)

    def on_filter_bar_chosen(self, event: FilterBar.Chosen) -> None:
        """Show only what the filter matches."""
        super().on_filter_bar_chosen(event)
        self.table.choose_anew()
        self.refresh_body()
        self.draw_status()

    def do_open(self) -> None:
        """Show the record under the cursor on a screen of its own."""
        self.table.action_open()

    def on_record_table_opened(self, event: RecordTable.Opened) -> None:
        """Show one record."""
        event.stop()
        self.app.push_screen(self.detail_of(event.key))

    def why_none_matches(self, what: str, count: int) -> str | None:
        """Return what to say when the filter hides everything; None if it hides nothing."""
        if not count or self.query_one(FilterBar).chosen is None:
            return None
        if count == 1:
            return "The only one there is does not match the filter. esc drops it."
        return f"None of the {count:,} {what} matches the filter. esc drops it."

    def _read(self, text: str) -> Filter:
        from umbel_console.stores.narrowing import read

        return read(text, self.FIELDS)

    def _go_to_match(self, by: int) -> None:
        chosen = self._last_filter
        if chosen is None or self.query_one(FilterBar).chosen is not None:
            super()._go_to_match(by)
            return
        from umbel_console.stores.narrowing import matches

        root = chosen.root
        if not self.table.seek(lambda record: matches(root, self.facts(record)), by):
            way = "below" if by > 0 else "above"
            self.say(f"No further match {way} for {chosen.text}")

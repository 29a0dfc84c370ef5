"""What Tasks and History share: a filter bar, a table of tasks, and the detail of one beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from umbel_backend.records import TaskRecord
from umbel_console.actions import Situation
from umbel_console.render.context import DrawContext
from umbel_console.render.line import Part
from umbel_console.screens.tab import TabScreen
from umbel_console.screens.task_detail import WIDE, TaskDetail
from umbel_console.widgets.filter_bar import FilterBar
from umbel_console.widgets.record_table import RecordTable


class TaskListScreen(TabScreen):
    """A tab that lists tasks. A subclass makes the table and fills it."""

    def compose_table(self) -> RecordTable[Any]:
        """Make the table."""
        raise NotImplementedError

    def compose_body(self) -> ComposeResult:
        """Lay out filter bar, table and detail."""
        session = self.session
        yield FilterBar(session.draw, read=session.read_filter, suggest=session.suggest_filter)
        with Horizontal(id="body"):
            with Vertical(id="list"):
                yield self.compose_table()
            yield TaskDetail(session)

    @property
    def bar(self) -> FilterBar:
        """The filter bar."""
        return self.query_one(FilterBar)

    @property
    def detail(self) -> TaskDetail:
        """The detail, open or not."""
        return self.query_one(TaskDetail)

    @property
    def task_under_cursor(self) -> TaskRecord | None:
        """The task under the cursor; None if there is none, or a gap."""
        record = self.table.record
        return record if isinstance(record, TaskRecord) else None

    def situation(self) -> Situation:
        """Return what decides which actions can be done."""
        return Situation(
            has_record=self.task_under_cursor is not None,
            has_filter=True,
            detail_open=self.detail.is_open,
        )

    def keys_in_detail(self) -> bool:
        """Whether the keys go to the detail now."""
        focused = self.focused
        return focused is not None and self.detail in focused.ancestors

    def do_open(self) -> None:
        """Open the task under the cursor."""
        self.table.action_open()

    def do_back(self) -> None:
        """Close the detail first."""
        if self.detail.is_open:
            self.detail.close()
            self.remove_class("-detail")
            self.table.focus()
        else:
            super().do_back()

    def on_record_table_opened(self, event: RecordTable.Opened) -> None:
        """Show the detail beside the table, or over it where there is no room."""
        self.add_class("-detail")
        self.detail.open(event.key, self.task_under_cursor)
        self.detail.focus()

    def on_record_table_moved(self, event: RecordTable.Moved) -> None:
        """Let an open detail follow the cursor."""
        record = self.task_under_cursor
        if self.detail.is_open and record is not None and self.size.width >= WIDE:
            self.detail.open(record.id, record)

    def filter_part(self, draw: DrawContext) -> list[Part]:
        """Return which filter holds while the one that is typed has a mistake."""
        if not self.bar.has_mistake:
            return []
        chosen = self.bar.chosen
        return [Part(draw.cell(f"shown: {chosen.text if chosen else 'all'}", "warn"), 1)]

    def marks_part(self, draw: DrawContext, rows: Sequence[Any]) -> list[Part]:
        """Return how many are marked, and how many of them cannot be seen now."""
        table = self.table
        if not len(table.marks):
            return []
        hidden = table.marks.hidden(table.key_of(record) for record in rows)
        words = f"{len(table.marks):,} marked"
        words += f" ({hidden:,} not in view)" if hidden else ""
        return [Part(draw.cell(words, "accent"), 1)]

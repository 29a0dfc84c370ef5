"""What Tasks and History share: a filter bar, a table of tasks, and the detail of one beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from umbel_backend.records import TaskRecord
from umbel_console.actions import Situation
from umbel_console.render.context import DrawContext
from umbel_console.render.line import Part
from umbel_console.render.words import counted
from umbel_console.screens.filtered import FilteredScreen
from umbel_console.widgets.record_table import RecordTable

if TYPE_CHECKING:
    # Loaded after the first frame, which has none.
    from umbel_console.screens.task_detail import TaskDetail


class TaskListScreen(FilteredScreen):
    """A tab that lists tasks. A subclass makes the table and fills it."""

    _detail: TaskDetail | None = None

    def compose_table(self) -> RecordTable[Any]:
        """Make the table."""
        raise NotImplementedError

    def compose_above(self) -> ComposeResult:
        """Yield what stands between the filter bar and the table."""
        yield from ()

    def compose_body(self) -> ComposeResult:
        """Lay out filter bar and table; the detail comes late."""
        yield self.make_bar()
        with Horizontal(id="body"), Vertical(id="list"):
            yield from self.compose_above()
            yield self.compose_table()

    async def mount_late(self) -> None:
        """Mount the detail beside the table."""
        from umbel_console.screens.task_detail import TaskDetail

        detail = TaskDetail(self.session)
        await self.query_one("#body").mount(detail)
        self._detail = detail
        await super().mount_late()

    @property
    def open_detail(self) -> TaskDetail | None:
        """The detail while it is open."""
        return self._detail if self._detail is not None and self._detail.is_open else None

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
            detail_open=self.open_detail is not None,
        )

    def keys_in_detail(self) -> bool:
        """Whether the keys go to the detail now."""
        focused = self.focused
        return focused is not None and self._detail in focused.ancestors

    def do_open(self) -> None:
        """Open the task under the cursor, at once: the next key is the detail's already."""
        record = self.task_under_cursor
        if record is None:
            return
        with self.table.prevent(RecordTable.Opened):
            self.table.action_open()
        self._show_detail(record.id)

    def do_family(self) -> None:
        """Open the task under the cursor at its family."""
        self.do_open()
        if self.open_detail is not None:
            self.open_detail.show_part("Family")

    def do_compare(self) -> None:
        """Put two marked tasks side by side, or the marked one and the one under the cursor."""
        from umbel_console.screens.compare import CompareScreen, to_compare

        record = self.task_under_cursor
        chosen = to_compare(self.table.marks.keys(), None if record is None else record.id)
        if isinstance(chosen, str):
            self.say(chosen, "warn")
        else:
            self.app.push_screen(CompareScreen(self.session, *chosen))

    def do_logs(self) -> None:
        """Show the log of the task under the cursor over the whole screen."""
        from umbel_console.screens.logs import LogsScreen

        record = self.task_under_cursor
        if record is not None:
            self.app.push_screen(LogsScreen(self.session, record))

    def do_back(self) -> None:
        """Close the detail first, then the filter pane."""
        if self.open_detail is not None:
            self.close_detail()
            self.table.focus()
        elif self.has_class("-pane"):
            self.close_pane()
        else:
            super().do_back()

    def close_detail(self) -> None:
        """Close the detail, if it is open."""
        if self.open_detail is not None:
            self.open_detail.close()
            self.flag_detail(False)

    def on_record_table_opened(self, event: RecordTable.Opened) -> None:
        """Show the detail beside the table, or over it where there is no room."""
        self._show_detail(event.key)

    def _show_detail(self, task_id: str) -> None:
        if self._detail is not None:
            self.flag_detail(True)
            self._detail.open(task_id, self.task_under_cursor)
            self._detail.focus()

    def on_record_table_moved(self, event: RecordTable.Moved) -> None:
        """Let an open detail follow the cursor."""
        record, detail = self.task_under_cursor, self.open_detail
        if detail is None or record is None:
            return
        from umbel_console.screens.task_detail import WIDE

        if self.size.width >= WIDE:
            detail.open(record.id, record)

    def look_at_detail(self) -> None:
        """Bring an open detail up to date."""
        if self.open_detail is not None:
            self.open_detail.look_again()

    def marks_part(self, draw: DrawContext, rows: Sequence[Any]) -> list[Part]:
        """Return how many are marked, and how many of them cannot be seen now."""
        table = self.table
        span = table.open_range()
        if span is not None:
            words = f"{counted(span[1] - span[0] + 1, 'row')} in the range, space marks"
            return [Part(draw.cell(words, "warn"), 1)]
        if not len(table.marks):
            return []
        hidden, why = table.hidden_marks(), "hidden by filter" if self.bar.chosen else "not in view"
        words = f"{len(table.marks):,} marked"
        words += f", {hidden:,} {why}" if hidden else ""
        return [Part(draw.cell(words, "accent"), 1)]

"""A screen about one worker or queue: asked anew on a slow clock, over the tab it came from."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, ClassVar, Self

from textual import events, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from umbel_backend.errors import UmbelError
from umbel_backend.records import TaskRecord
from umbel_console.actions import Situation
from umbel_console.render.line import Part
from umbel_console.screens.tab import TabScreen
from umbel_console.screens.task_detail import WIDE, TaskDetail
from umbel_console.session import Session
from umbel_console.stores.outage import Outage
from umbel_console.widgets.kept_screens import KeptScreen
from umbel_console.widgets.line import Line
from umbel_console.widgets.record_table import RecordTable


class RecordScreen(TabScreen, KeptScreen[None]):
    """Shows one record of a tab in full, with tables of what belongs to it and the detail of a task.

    Args:
        session: The live state.
    """

    ASK_EVERY_S: ClassVar[float] = 3.0
    SORTS = False
    DEFAULT_CSS = """
    RecordScreen #list > Static { height: auto; padding: 0 1; }
    RecordScreen #about { background: $surface; }
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.key = ""
        """What is shown; empty until it is told."""
        self.asked_at: float | None = None
        """When the last question was sent."""
        self.outage = Outage()
        """Why there is no answer, and since when."""
        self._asking: object = None
        """What the question under way is known by; None while there is none."""
        self._due_at = 0.0
        self._blocks: dict[str, object] = {}

    def about(self, key: str) -> Self:
        """Show the record of ``key`` when it is shown next."""
        self.key = key
        self.renew()
        return self

    def on_screen_resume(self) -> None:
        """Turn to another record before what is known is shown."""
        KeptScreen.on_screen_resume(self)

    def begin_anew(self) -> None:
        """Forget the record shown before: its answers, its rows, what was marked and opened."""
        self.workers.cancel_node(self)
        self.asked_at = self._asking = None
        self.outage = Outage()
        self._due_at = 0.0
        self._blocks.clear()
        if self.detail.is_open:
            self._close_detail()
        for table in self.query(RecordTable):
            _empty(table)
        self.table.focus()
        self._said = None
        self._header_at = 0.0

    # What a subclass fills in

    def compose_tables(self) -> ComposeResult:
        """Yield what stands below title, facts and charts."""
        raise NotImplementedError

    async def ask(self) -> None:
        """Ask, and keep the answer. Raises `UmbelError`."""
        raise NotImplementedError

    def draw_above(self) -> None:
        """Draw title, facts and charts."""
        raise NotImplementedError

    def fill(self) -> None:
        """Show the answer in the tables."""
        raise NotImplementedError

    def task_of(self, key: str) -> tuple[str, TaskRecord | None] | None:
        """Return id and record of the task that a row stands for; None if it is no task."""
        raise NotImplementedError

    # The frame

    def compose_body(self) -> ComposeResult:
        """Lay out title, facts, charts, tables, and the detail of a task."""
        with Horizontal(id="body"):
            with Vertical(id="list"):
                yield Line(id="about")
                yield Static(id="facts")
                yield Static(id="charts")
                yield from self.compose_tables()
            yield TaskDetail(self.session)

    @property
    def detail(self) -> TaskDetail:
        """The detail of a task, open or not."""
        return self.query_one(TaskDetail)

    def restore_columns(self) -> None:
        """The columns here are what they are: what the operator arranged is the tab's own table."""

    def do_columns(self) -> None:
        """Say that there is nothing to choose."""
        self.say("The columns of this table are fixed.", "warn")

    def refresh_body(self) -> None:
        """Show what is known, and ask again when it is time to."""
        if self._is_new:
            return
        if self._asking is None and time.monotonic() >= self._due_at and not self.table.is_frozen:
            self.ask_soon()
        self.draw_above()
        self.fill()
        self.detail.look_again()

    def show_block(self, name: str, text: Any) -> None:
        """Show a text above the tables, if it changed."""
        if self._blocks.get(name) != text:
            self._blocks[name] = text
            block = self.query_one(f"#{name}", Static)
            block.update(text)
            block.display = bool(text.plain)

    @property
    def inside(self) -> int:
        """Cells there are for a text above the tables."""
        return max(20, self.query_one("#list").size.width - 2)

    def ask_soon(self) -> None:
        """Ask now, without waiting for the answer."""
        self._asking = asking = object()
        self._ask(asking)

    @work(exclusive=True, exit_on_error=False)
    async def _ask(self, asking: object) -> None:
        try:
            self.asked_at = self.session.clock()
            if self.session.inquiry is None:
                self.outage.note("Nobody can be asked.", self.asked_at)
            else:
                await self.ask()
                self.outage.note(None, self.session.clock())
        except UmbelError as error:
            self.outage.note(str(error), self.session.clock())
        finally:
            if asking is self._asking:
                self._asking = None
                self._due_at = time.monotonic() + self.ASK_EVERY_S
        # The screen may have been left meanwhile.
        if self.is_current:
            self.refresh_body()
            self.draw_status()

    # Actions

    def situation(self) -> Situation:
        """Return what decides which actions can be done."""
        return Situation(has_record=self.table.record is not None, detail_open=self.detail.is_open)

    def keys_in_detail(self) -> bool:
        """Whether the keys go to the detail of a task."""
        focused = self.focused
        return focused is not None and self.detail in focused.ancestors

    def action_act(self, action_id: str) -> None:
        """Do an action; the key of the tab one is on goes back to its table."""
        if action_id == f"app.{self.MODE}":
            self.app.pop_screen()
        else:
            super().action_act(action_id)

    def do_refresh(self) -> None:
        """Ask again now, the rest of the console included."""
        self._due_at = 0.0
        super().do_refresh()

    def do_open(self) -> None:
        """Open the task under the cursor."""
        self.table.action_open()

    def on_record_table_opened(self, event: RecordTable.Opened) -> None:
        """Show a task beside the table, or over it where there is no room."""
        event.stop()
        found = self.task_of(event.key)
        if found is None:
            self.say("There is no more to see of it than this line.", "warn")
            return
        self.flag("-detail", True, self.query_one("#list"))
        self.detail.open(*found)
        self.detail.focus()

    def on_record_table_moved(self, event: RecordTable.Moved) -> None:
        """Let an open detail follow the cursor."""
        record = self.table.record
        if self.detail.is_open and record is not None and self.size.width >= WIDE:
            found = self.task_of(self.table.key_of(record))
            if found is not None:
                self.detail.open(*found)

    def do_back(self) -> None:
        """Close the detail of a task first, then thaw, then go back to the tab."""
        table = self.table
        if self.detail.is_open:
            self._close_detail()
            table.focus()
        elif table.marks.anchor is not None or table.is_frozen:
            super().do_back()
        else:
            self.app.pop_screen()

    def _close_detail(self) -> None:
        self.detail.close()
        self.flag("-detail", False, self.query_one("#list"))

    def on_resize(self, event: events.Resize) -> None:
        """Let facts and charts flow into the new width."""
        self._blocks.clear()
        self.call_after_refresh(self.refresh_body)

    def own_problem(self) -> str | None:
        """Return why the last question was not answered."""
        return self.outage.problem

    def status_parts(self) -> list[Part]:
        """Tell what is shown, and that it is held still."""
        draw = self.session.draw()
        parts = [Part(draw.cell(f" {words}", "muted"), rank) for rank, words in self.told()]
        if self.table.is_frozen:
            parts.append(Part(draw.cell("frozen, . goes on", "warn", bold=True)))
        return parts

    def told(self) -> Sequence[tuple[int, str]]:
        """Return what the status line tells, each with its rank."""
        return ()


def _empty(table: RecordTable[Any]) -> None:
    """Leave ``table`` as if it had never shown a row."""
    with table.prevent(RecordTable.Moved, RecordTable.Changed):
        if table.is_frozen:
            table.thaw()
        table.marks.clear()
        table.show(())
        table.home()

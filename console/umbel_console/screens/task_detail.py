"""The detail of one task, beside the table where there is room, over it where there is not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from textual import events, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Static

from umbel_backend.errors import UmbelError
from umbel_backend.records import KeptMessage, TaskRecord
from umbel_console import actions
from umbel_console.render.context import DrawContext
from umbel_console.render.line import Part
from umbel_console.screens.task_detail_log import LogPart
from umbel_console.session import Session
from umbel_console.widgets.document_view import DocumentView
from umbel_console.widgets.line import Line

if TYPE_CHECKING:
    from umbel_console.screens.task_detail_parts import Known

WIDE = 140
"""Columns from which the detail stands beside the table."""

MOST_COPIED = 100_000
"""Longest text sent to the terminal's clipboard; many terminals take no more."""
MOST_REPEATS = 10
"""Tasks of the retry lineage that are looked up."""
READ_AGAIN_S = 2.0
"""How long after a change of state the database is read again: what came with it is stored then."""


class TaskDetail(LogPart):
    """Everything known of one task; stays up to date while it is open.

    Args:
        session: The live state and the history.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("detail")]
    DEFAULT_CSS = """
    TaskDetail { display: none; width: 1fr; height: 1fr; }
    TaskDetail.-open { display: block; }
    TaskDetail #head { height: auto; padding: 0 1; }
    TaskDetail #parts { background: $panel; }
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._task_id: str | None = None
        self._trail: list[str] = []
        self._given: TaskRecord | None = None
        self._stored: TaskRecord | None = None
        self._members: list[TaskRecord] | None = None
        self._is_whole = True
        self._repeats: dict[str, TaskRecord] = {}
        self._kept: KeptMessage | None = None
        self._read_state: tuple[str, int] | None = None
        self._again_at: float | None = None
        self._trouble: str | None = None
        self._is_read = False
        self._is_reading = False
        self._part = "Arguments"
        self._drawn: tuple[object, ...] | None = None
        self._merged: tuple[TaskRecord, TaskRecord, TaskRecord] | None = None

    @property
    def is_open(self) -> bool:
        """Whether a task is shown."""
        return self._task_id is not None

    @property
    def record(self) -> TaskRecord | None:
        """The task shown, as far as it is known: what events told, completed by the database."""
        if self._task_id is None:
            return None
        live = self._session.tasks.get(self._task_id)
        stored = self._stored
        if live is None or stored is None:
            return live or stored or self._given
        if self._merged is None or self._merged[0] is not live or self._merged[1] is not stored:
            from umbel_console.stores.merge import merged

            self._merged = live, stored, merged(live, stored)
        return self._merged[2]

    @property
    def part(self) -> str:
        """The name of the part shown."""
        return self._part

    def compose(self) -> ComposeResult:
        """Lay out title, what stands above the parts, part titles and the part."""
        yield Line(id="title")
        yield Static(id="head")
        yield Line(gap=0, id="parts")
        yield DocumentView(self._session.draw)

    @property
    def _view(self) -> DocumentView:
        return self.query_one(DocumentView)

    def focus(self, scroll_visible: bool = True) -> TaskDetail:
        """Give the keys to the part that can be scrolled, before the next key is looked at."""
        shown = self.log_view if self._part == "Logs" else None
        self.screen.set_focus(shown or self._view, scroll_visible)
        return self

    def open(self, task_id: str, record: TaskRecord | None = None) -> None:
        """Show the task with ``task_id``; what the database knows of it is added when it comes."""
        if task_id != self._task_id:
            self._trail.clear()
            self._show(task_id, record)

    def close(self) -> None:
        """Show nothing, and ask nothing more."""
        self._task_id = self._given = self._stored = self._members = None
        self._session.tasks.follow(None)
        if self._session.waiting is not None:
            self._session.waiting.look_at(None)
        self.remove_class("-open")

    def _show(self, task_id: str, record: TaskRecord | None) -> None:
        self._task_id = task_id
        self._given = record
        self._stored = self._members = self._trouble = self._kept = None
        self._read_state = self._again_at = None
        self._repeats = {}
        self._is_read = False
        self._drawn = None
        self.add_class("-open")
        self._view.home()
        self.look_again()

    def look_again(self) -> None:
        """Draw what changed since the last look."""
        if self._task_id is None:
            return
        session, record = self._session, self.record
        session.tasks.follow(self._task_id)
        if session.history is not None and (not self._is_read or self._is_changed(record)):
            self._is_read = True
            self._complete(self._task_id)
        self._ask_why(record)
        self.show_log(self._task_id, record if self._part == "Logs" else None)
        draw = session.draw()
        answer = session.waiting and session.waiting.answer(self._task_id)
        # What is over does not tick, but its family may go on.
        ticks = record is not None and (not record.is_ready or self._part == "Family")
        drawn = (
            record,
            int(draw.now) if ticks else 0,
            self._part,
            self._members,
            self._repeats,
            self._kept,
            self._trouble,
            answer,
            session.tasks.seen_count if self._part == "Raw" else 0,
            session.history_problem,
            draw.palette,
            self.size,
        )
        if self._drawn is not None and all(
            a is b or (not isinstance(a, TaskRecord) and a == b)
            for a, b in zip(drawn, self._drawn, strict=True)
        ):
            return
        self._drawn = drawn
        self._draw(record, draw)

    def on_resize(self, event: events.Resize) -> None:
        """Lay everything out for the new width."""
        self.look_again()

    def _is_changed(self, record: TaskRecord | None) -> bool:
        """Whether it is time to read again, some time after the task changed its state."""
        state = None if record is None else (record.state, len(record.attempts))
        if state != self._read_state:
            first = self._read_state is None
            self._read_state = state
            self._again_at = None if first else time.monotonic() + READ_AGAIN_S
        if self._again_at is None or time.monotonic() < self._again_at:
            return False
        self._again_at = None
        return True

    # Asking

    @work(exclusive=True, exit_on_error=False)
    async def _complete(self, task_id: str) -> None:
        """Read from the database what live events do not tell: its beginning, its family, retries."""
        history = self._session.history
        if history is None:
            return
        self._is_reading = True
        try:
            stored = await history.by_id(task_id)
            if self._task_id != task_id:
                return
            self._stored = stored
            self._kept = await history.kept_message(task_id)
            if self._task_id != task_id:
                return
            record = self.record
            if record is not None:
                members = await history.family(record)
                if self._task_id != task_id:
                    return
                self._members = members
                self._is_whole = len(members) < 500
                await self._look_up_repeats(task_id, record)
        except UmbelError as error:
            if self._task_id == task_id:
                self._trouble = str(error)
        self._is_reading = False
        self._drawn = None
        self.look_again()

    async def _look_up_repeats(self, task_id: str, record: TaskRecord) -> None:
        history = self._session.history
        wanted = [*((record.retry_of,) if record.retry_of else ()), *record.retried_as]
        found = {}
        for each in wanted[-MOST_REPEATS:]:
            known = self._session.tasks.get(each)
            if known is None and history is not None:
                known = await history.by_id(each)
            if known is not None:
                found[each] = known
        if self._task_id == task_id:
            self._repeats = found

    def _ask_why(self, record: TaskRecord | None) -> None:
        session = self._session
        if session.waiting is None:
            return
        from umbel_console.screens.task_detail_parts import waits
        from umbel_console.services import Question

        if record is None or not waits(record):
            session.waiting.look_at(None)
            return
        queue = next((each for each in session.queues.records() if each.name == record.queue), None)
        session.waiting.look_at(
            Question(
                record=record,
                workers=session.workers.records(),
                queue_paused=queue is not None and queue.state == "paused",
            )
        )

    # Drawing

    def _known(self, record: TaskRecord) -> Known:
        from umbel_console.screens.task_detail_parts import Known

        session = self._session
        worker = session.workers.get(record.worker) if record.worker else None
        trouble = self._trouble
        if session.history is None:
            trouble = session.history_problem or "The database is not open yet."
        return Known(
            record=record,
            members=self._live_members(record),
            is_whole=self._is_whole,
            repeats={id_: session.tasks.get(id_) or each for id_, each in self._repeats.items()},
            events=session.tasks.seen(),
            seen=session.tasks.seen_count,
            answer=None if session.waiting is None else session.waiting.answer(record.id),
            can_ask=session.waiting is not None,
            skew_s=None if worker is None else worker.clock_skew_s,
            trouble=trouble,
            kept=self._kept,
            worker=worker,
        )

    def _live_members(self, record: TaskRecord) -> list[TaskRecord] | None:
        """Return the members of the workflow as they stand now; None until they were read."""
        if self._part != "Family":
            return self._members
        if self._members is None and self._trouble is None and self._session.history is not None:
            return None
        tasks = self._session.tasks
        found = {member.id: tasks.get(member.id) or member for member in self._members or ()}
        related = [record, *found.values()]
        roots = {each.root_id or each.id for each in related}
        groups = {each.group_id for each in related if each.group_id is not None}
        for live in tasks.records():
            if live.root_id in roots or live.id in roots or live.group_id in groups:
                found[live.id] = live
        return list(found.values())

    def _draw(self, record: TaskRecord | None, draw: DrawContext) -> None:
        from umbel_console.render import detail
        from umbel_console.render.document import said
        from umbel_console.screens import task_detail_parts as parts

        title = self.query_one("#title", Line)
        if record is None:
            title.show([Part(draw.cell(f" {self._task_id}", "muted"))])
            self.query_one("#head", Static).update("")
            self.query_one("#parts", Line).show([])
            self._view.show([said(self._why_unknown(), draw)])
            return
        if self._part not in parts.parts_of(record):
            self._part = "Arguments"
        known = self._known(record)
        title.show([*detail.title(record, draw, known.repeats), *self._trail_part(draw)])
        width = max(20, self.size.width - 2)
        # What stands above the part takes at most half of the height.
        most = max(6, self.size.height // 2 + 1)
        lines = parts.head(known, draw, width, most)
        self.query_one("#head", Static).update(parts.fitted(lines, draw, width, most))
        self.query_one("#parts", Line).show(parts.titles(known, self._part, draw))
        self._view.show(parts.document(self._part, known, draw), cursor=record.id)

    def _why_unknown(self) -> str:
        session = self._session
        if self._trouble or session.history_problem:
            return self._trouble or session.history_problem or ""
        if session.history is None or not self._is_read or self._is_reading:
            return "reading"
        return "Neither this console nor the database knows this task."

    def _trail_part(self, draw: DrawContext) -> list[Part]:
        if not self._trail:
            return []
        words = f"esc back to {self._trail[-1][:8]} "
        return [Part(draw.cell(words, "muted"), 3, right=True)]

    # Actions

    def action_act(self, action_id: str) -> None:
        """Do one of the detail's actions."""
        getattr(self, f"do_{action_id.removeprefix('detail.')}")()

    def do_next_part(self) -> None:
        """Show the next part."""
        self._turn(1)

    def do_previous_part(self) -> None:
        """Show the part before."""
        self._turn(-1)

    def do_family(self) -> None:
        """Show the chain, group or chord."""
        self.show_part("Family")

    def do_open(self) -> None:
        """Open the task under the cursor of this part."""
        if self._view.key is not None:
            self.follow(self._view.key)

    def do_back(self) -> None:
        """Go back to the task one came from; from the first one, to the table."""
        if self._trail:
            self._show(self._trail.pop(), None)
        else:
            self._tell("screen.back")

    def do_copy(self) -> None:
        """Copy what this part shows: arguments, result, traceback, record, or else the id."""
        from umbel_console.screens.tab import TabScreen
        from umbel_console.screens.task_detail_parts import copied

        record, screen = self.record, self.screen
        if record is None or not isinstance(screen, TabScreen):
            return
        text, name = copied(self._part, record)
        if len(text) > MOST_COPIED:
            screen.say(f"{len(text):,} characters are too many to copy through a terminal.", "warn")
            return
        self.app.copy_to_clipboard(text)
        screen.say(f"Copied {name} (if your terminal allows it).")

    def follow(self, task_id: str) -> None:
        """Open another task in the same place; esc comes back to this one."""
        if self._task_id is None or task_id == self._task_id:
            return
        self._trail.append(self._task_id)
        members = self._members or ()
        record = next((member for member in members if member.id == task_id), None)
        self._show(task_id, record or self._repeats.get(task_id))

    def _tell(self, action_id: str) -> None:
        from umbel_console.screens.tab import TabScreen

        if isinstance(self.screen, TabScreen):
            self.screen.action_act(action_id)

    def _turn(self, by: int) -> None:
        from umbel_console.screens.task_detail_parts import PARTS, parts_of

        names = PARTS if self.record is None else parts_of(self.record)
        self.show_part(names[(names.index(self._part) + by) % len(names)])

    def show_part(self, name: str) -> None:
        """Show another part from its top."""
        self._part = name
        self._view.home()
        self.look_again()
        self.hand_over()

    def on_line_clicked(self, event: Line.Clicked) -> None:
        """Show the part whose title was clicked."""
        event.stop()
        self.show_part(event.does.removeprefix("part."))

    def on_document_view_opened(self, event: DocumentView.Opened) -> None:
        """Open the task that was double-clicked."""
        event.stop()
        self.follow(event.key)

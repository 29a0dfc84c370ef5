"""The detail of one task, beside the table where there is room, over it where there is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Static

from umbel_backend.records import TaskRecord
from umbel_console import actions
from umbel_console.render.context import DrawContext
from umbel_console.render.line import Part
from umbel_console.screens.task_detail_log import LogPart
from umbel_console.screens.task_reading import TaskReading
from umbel_console.session import Session
from umbel_console.widgets.document_view import DocumentView
from umbel_console.widgets.line import Line
from umbel_console.widgets.thrifty_screen import flag

if TYPE_CHECKING:
    from umbel_console.screens.task_detail_parts import Known

WIDE = 140
"""Columns from which the detail stands beside the table."""

MOST_COPIED = 100_000
"""Longest text sent to the terminal's clipboard; many terminals take no more."""


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
        self._reading: TaskReading | None = None
        self._trail: list[str] = []
        self._part = "Arguments"
        self._drawn: tuple[object, ...] | None = None

    @property
    def is_open(self) -> bool:
        """Whether a task is shown."""
        return self._reading is not None

    @property
    def record(self) -> TaskRecord | None:
        """The task shown, as far as it is known: what events told, completed by the database."""
        return None if self._reading is None else self._reading.record

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
        if self._reading is None or task_id != self._reading.task_id:
            self._trail.clear()
            self._show(task_id, record)

    def close(self) -> None:
        """Show nothing, and ask nothing more."""
        self._reading = None
        self._session.tasks.follow(None)
        if self._session.waiting is not None:
            self._session.waiting.look_at(None)
        flag(self, "-open", False, self)

    def _show(self, task_id: str, record: TaskRecord | None) -> None:
        self._reading = TaskReading(self._session, task_id, record)
        self._drawn = None
        flag(self, "-open", True, self)
        self._view.home()
        self.look_again()

    def look_again(self) -> None:
        """Draw what changed since the last look."""
        reading = self._reading
        if reading is None:
            return
        session, record = self._session, reading.record
        session.tasks.follow(reading.task_id)
        if reading.is_due():
            reading.begin()
            self._complete(reading)
        self._ask_why(record)
        self.show_log(reading.task_id, record if self._part == "Logs" else None)
        draw = session.draw()
        answer = session.waiting and session.waiting.answer(reading.task_id)
        # What is over does not tick, but its family may go on.
        ticks = record is not None and (not record.is_ready or self._part == "Family")
        drawn = (
            record,
            int(draw.now) if ticks else 0,
            self._part,
            reading.members,
            reading.repeats,
            reading.kept,
            reading.trouble,
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
        self._draw(reading, record, draw)

    def on_resize(self, event: events.Resize) -> None:
        """Lay everything out for the new width."""
        self.look_again()

    # Asking

    @work(exclusive=True, exit_on_error=False)
    async def _complete(self, reading: TaskReading) -> None:
        """Read from the database what live events do not tell: its beginning, its family, retries."""
        await reading.read()
        if reading is self._reading:
            self._drawn = None
            self.look_again()

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

    def _known(self, reading: TaskReading, record: TaskRecord) -> Known:
        from umbel_console.screens.task_detail_parts import Known

        session = self._session
        worker = session.workers.get(record.worker) if record.worker else None
        trouble = reading.trouble
        if session.history is None:
            trouble = session.history_problem or "The database is not open yet."
        return Known(
            record=record,
            members=reading.members_now() if self._part == "Family" else reading.members,
            is_whole=reading.is_whole,
            repeats=reading.repeats_now(),
            events=session.tasks.seen(),
            seen=session.tasks.seen_count,
            answer=None if session.waiting is None else session.waiting.answer(record.id),
            can_ask=session.waiting is not None,
            skew_s=None if worker is None else worker.clock_skew_s,
            trouble=trouble,
            kept=reading.kept,
            worker=worker,
        )

    def _draw(self, reading: TaskReading, record: TaskRecord | None, draw: DrawContext) -> None:
        from umbel_console.render import detail
        from umbel_console.render.document import said
        from umbel_console.screens import task_detail_parts as parts

        title = self.query_one("#title", Line)
        if record is None:
            title.show([Part(draw.cell(f" {reading.task_id}", "muted"))])
            self.query_one("#head", Static).update("")
            self.query_one("#parts", Line).show([])
            self._view.show([said(reading.why_unknown(), draw)])
            return
        if self._part not in parts.parts_of(record):
            self._part = "Arguments"
        known = self._known(reading, record)
        title.show([*detail.title(record, draw, known.repeats), *self._trail_part(draw)])
        width = max(20, self.size.width - 2)
        # What stands above the part takes at most half of the height.
        most = max(6, self.size.height // 2 + 1)
        lines = parts.head(known, draw, width, most)
        self.query_one("#head", Static).update(parts.fitted(lines, draw, width, most))
        self.query_one("#parts", Line).show(parts.titles(known, self._part, draw))
        self._view.show(parts.document(self._part, known, draw), cursor=record.id)

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
        reading = self._reading
        if reading is not None and task_id != reading.task_id:
            self._trail.append(reading.task_id)
            self._show(task_id, reading.relative(task_id))

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

"""The detail of one task, beside the table where there is room, over it where there is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Static

from umbel_backend import states
from umbel_backend.errors import UmbelError
from umbel_backend.records import TaskRecord
from umbel_console import actions
from umbel_console.render import detail
from umbel_console.render.context import DrawContext
from umbel_console.render.line import Part
from umbel_console.session import Session
from umbel_console.widgets.line import Line

WIDE = 140
"""Columns from which the detail stands beside the table."""

PARTS = ("Arguments", "Result", "Traceback", "Attempts", "Family", "Fields")


class DetailScroll(VerticalScroll):
    """The part one reads, scrolled by the same keys as a table."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "scroll_down", "down", show=False),
        Binding("k,up", "scroll_up", "up", show=False),
        Binding("g,home", "scroll_home", "top", show=False),
        Binding("G,end", "scroll_end", "bottom", show=False),
    ]


class TaskDetail(Vertical):
    """Everything known of one task; stays up to date while it is open.

    Args:
        session: The live state and the history.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("detail")]
    DEFAULT_CSS = """
    TaskDetail { display: none; width: 1fr; height: 1fr; }
    TaskDetail.-open { display: block; }
    TaskDetail .block { height: auto; max-height: 8; padding: 0 1; }
    TaskDetail DetailScroll { height: 1fr; padding: 0 1; scrollbar-size-vertical: 1; }
    TaskDetail DetailScroll Static { height: auto; }
    """

    class Closed(Message):
        """The detail was closed."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._task_id: str | None = None
        self._record: TaskRecord | None = None
        self._members: list[TaskRecord] = []
        self._trouble: str | None = None
        self._part = PARTS[0]
        self._drawn: tuple[object, ...] | None = None

    @property
    def is_open(self) -> bool:
        """Whether a task is shown."""
        return self._task_id is not None

    @property
    def record(self) -> TaskRecord | None:
        """The task shown, as far as it is known."""
        return self._record

    def compose(self) -> ComposeResult:
        """Lay out title, timeline, facts, part titles and the part."""
        yield Line(id="title")
        yield Static(id="timeline", classes="block")
        yield Static(id="facts", classes="block")
        yield Line(gap=0, id="parts")
        with DetailScroll():
            yield Static(id="part")

    def focus(self, scroll_visible: bool = True) -> TaskDetail:
        """Give the keys to the part that can be scrolled."""
        self.query_one(DetailScroll).focus(scroll_visible)
        return self

    def open(self, task_id: str, record: TaskRecord | None = None) -> None:
        """Show the task with ``task_id``; what the database knows of it is added when it comes."""
        if task_id == self._task_id:
            return
        self._task_id = task_id
        self._record = self._session.tasks.get(task_id) or record
        self._members = []
        self._trouble = None
        self._drawn = None
        self.add_class("-open")
        self.query_one(DetailScroll).scroll_home(animate=False)
        self.look_again()
        self._complete(task_id)

    def close(self) -> None:
        """Show nothing."""
        self._task_id = self._record = None
        self.remove_class("-open")

    def look_again(self) -> None:
        """Draw what changed since the last look."""
        if self._task_id is None:
            return
        live = self._session.tasks.get(self._task_id)
        if live is not None:
            self._record = live
        draw = self._session.draw()
        record = self._record
        second = int(draw.now) if record is not None and not record.is_ready else 0
        drawn = (record, second, self._part, len(self._members), draw.palette, self.size.width)
        if drawn == self._drawn:
            return
        self._drawn = drawn
        self._draw(record, draw)

    def on_resize(self, event: events.Resize) -> None:
        """Lay the timeline out for the new width."""
        self.look_again()

    @work(exclusive=True, exit_on_error=False)
    async def _complete(self, task_id: str) -> None:
        """Read from the database what live events do not tell: older attempts and the family."""
        history = self._session.history
        if history is None:
            return
        try:
            stored = await history.by_id(task_id)
            record = self._record or stored
            if record is not None and self._task_id == task_id:
                self._record = record
                self.look_again()
                members = await history.family(record)
                if self._task_id == task_id:
                    self._members = [self._session.tasks.get(m.id) or m for m in members]
        except UmbelError as error:
            self._trouble = str(error)
        self._drawn = None
        self.look_again()

    def _draw(self, record: TaskRecord | None, draw: DrawContext) -> None:
        title, parts = self.query_one("#title", Line), self.query_one("#parts", Line)
        if record is None:
            title.show([Part(draw.cell(f" {self._task_id}", "muted"))])
            text = self._trouble or "Looking it up in the database."
            self.query_one("#part", Static).update(draw.cell(text, "muted"))
            return
        title.show(detail.title(record, draw))
        width = max(20, self.size.width - 4)
        self.query_one("#timeline", Static).update(detail.timeline(record, draw, width))
        self.query_one("#facts", Static).update(self._facts(record, draw))
        parts.show(self._titles(record, draw))
        self.query_one("#part", Static).update(self._text(record, draw))

    def _facts(self, record: TaskRecord, draw: DrawContext) -> Text:
        text = detail.facts(record, draw)
        if record.exception and record.state not in (states.SUCCESS, states.STARTED):
            role = "warn" if record.state == states.RETRY else "bad"
            text.append("\n").append_text(draw.cell(record.exception, role, bold=True))
        return text

    def _titles(self, record: TaskRecord, draw: DrawContext) -> list[Part]:
        has = {
            "Traceback": bool(record.traceback),
            "Attempts": bool(record.attempts),
            "Family": len(self._members) > 1,
        }
        parts = []
        for name in PARTS:
            here = name == self._part
            label = f"[{name}]" if here else f" {name} "
            text = draw.cell(label, "accent" if here else "muted", bold=here)
            if not here and has.get(name, True):
                text = draw.cell(label)
            if name == "Attempts" and record.attempts:
                text.append_text(draw.cell(str(len(record.attempts) + 1), "muted"))
            text.stylize(Style(meta={"does": f"part.{name}"}))
            parts.append(Part(text))
        return parts

    def _text(self, record: TaskRecord, draw: DrawContext) -> Text:
        if self._part == "Family":
            text = detail.family(record, self._members, draw)
            if self._trouble:
                text.append("\n").append_text(draw.cell(self._trouble, "bad"))
            return text
        drawers: dict[str, Callable[[TaskRecord, DrawContext], Text]] = {
            "Arguments": detail.arguments,
            "Result": detail.result,
            "Traceback": detail.traceback,
            "Attempts": detail.attempts,
            "Fields": detail.fields,
        }
        return drawers[self._part](record, draw)

    # Actions

    def action_act(self, action_id: str) -> None:
        """Do one of the detail's actions."""
        place = PARTS.index(self._part)
        if action_id == "detail.family":
            self.show_part("Family")
        else:
            step = 1 if action_id == "detail.next_part" else -1
            self.show_part(PARTS[(place + step) % len(PARTS)])

    def show_part(self, name: str) -> None:
        """Show another part from its top."""
        self._part = name
        self.query_one(DetailScroll).scroll_home(animate=False)
        self.look_again()

    def on_line_clicked(self, event: Line.Clicked) -> None:
        """Show the part whose title was clicked."""
        event.stop()
        self.show_part(event.does.removeprefix("part."))

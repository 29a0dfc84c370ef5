"""The log of one task: a live tail; paused, searched, narrowed to a level, read from its start."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from umbel_backend.levels import level_word
from umbel_backend.records import LogLine, TaskRecord
from umbel_console import actions
from umbel_console.render.log_words import Standing, status, why_no_lines
from umbel_console.render.logs import LEAST
from umbel_console.render.time import clock
from umbel_console.screens.log_reading import LogReading
from umbel_console.session import Session
from umbel_console.widgets.line import Line
from umbel_console.widgets.log_view import LogView
from umbel_console.widgets.prompt import Prompt


class LogPane(Vertical):
    """Shows the log of one task at a time; whoever owns it calls `look_again` on its clock.

    Args:
        session: The history, what came live, and who has an agent.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("logs")]
    DEFAULT_CSS = """
    LogPane { height: 1fr; width: 1fr; }
    LogPane #log-search { display: none; height: 1; }
    LogPane #log-search.-on { display: block; }
    LogPane #log-why { display: none; height: 1fr; padding: 0 2; }
    LogPane.-empty #log-why { display: block; }
    LogPane.-empty LogView { height: 1; }
    """

    class Ready(Message):
        """The pane can show a log."""

        def __init__(self, pane: LogPane) -> None:
            self.pane = pane
            super().__init__()

    def __init__(self, session: Session, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._session = session
        self._reading: LogReading | None = None
        self._record: TaskRecord | None = None
        self._busy_with: Callable[[], Coroutine[Any, Any, None]] | None = None
        self._drawn: tuple[object, ...] | None = None
        self._told: tuple[Standing, str, object] | None = None
        self._said = ""

    def compose(self) -> ComposeResult:
        """Lay out what is told about the log, the log, and the line to search with."""
        yield Line(id="log-status")
        yield LogView(self._session.draw, id="log-lines")
        yield Static(id="log-why")
        yield Prompt(id="log-search", placeholder="search in this log")

    def on_mount(self) -> None:
        """Tell the owner that a log can be shown."""
        self.post_message(self.Ready(self))

    @property
    def view(self) -> LogView:
        """The lines."""
        return self.query_one(LogView)

    @property
    def task_id(self) -> str | None:
        """Whose log is shown."""
        return None if self._reading is None else self._reading.task_id

    def open(self, task_id: str) -> None:
        """Show the log of this task from its end."""
        if task_id == self.task_id:
            return
        self._reading = LogReading(self._session, task_id)
        self._drawn = self._told = None
        self._said = ""
        view = self.view
        view.words, view.here, view.follows = "", -1, True
        view.show(())

    def close(self) -> None:
        """Read nothing more."""
        self._reading = None

    # Bringing up to date

    def look_again(self, record: TaskRecord | None) -> None:
        """Show what came since, and read what was stored meanwhile when it is time to.

        Args:
            record: The task as it is known now.
        """
        reading = self._reading
        if reading is None:
            return
        self._record = record
        if self._busy_with is None and reading.is_due(record):
            self._read(lambda: self._read_on(reading, record))
        self._show()

    def _show(self, *, shifted: int = 0) -> None:
        """Show what is held, if it is not what was shown."""
        reading = self._reading
        if reading is None:
            return
        window, revision = reading.window, self._session.logs.revision(reading.task_id)
        palette = self._session.draw().palette
        drawn = (window, window.stored[-1:], len(window.stored), window.has_after, revision)
        if shifted or self._drawn is None or drawn != self._drawn:
            reading.take_live()
            self._drawn = drawn
            self.view.show(window.lines, shifted=shifted)
        elif self._told is not None and self._told[-1] is not palette:
            self.view.redraw()
        self._tell()

    def _tell(self) -> None:
        reading, session, view = self._reading, self._session, self.view
        if reading is None:
            return
        draw, record, window = session.draw(), self._record, reading.window
        held = len(window)
        standing = Standing(
            held=held,
            count=reading.count,
            from_first=not window.has_before,
            follows=view.follows and not window.has_after,
            is_over=record is not None and record.is_ready,
            least=reading.least,
            left_out=window.left_out,
            wraps=view.wraps,
            said=self._said,
            problem=reading.problem,
        )
        why = "" if held else self._why(reading)
        told = (standing, why, draw.palette)
        if told == self._told:
            return
        self._told = told
        self.query_one("#log-status", Line).show(status(standing, draw))
        self.set_class(not held, "-empty")
        if not held:
            words = draw.cell(why, "muted")
            words.no_wrap = False
            self.query_one("#log-why", Static).update(words)

    def _why(self, reading: LogReading) -> str:
        session, record = self._session, self._record
        hostname = record.worker if record is not None else None
        return why_no_lines(
            record,
            session.workers.get(hostname) if hostname else None,
            reading.least,
            is_read=reading.window.is_read or session.history is None,
            has_stream=session.agents.has_stream,
            kept_days=session.settings.log_days,
            now=session.clock(),
            problem=reading.problem
            or (session.history is None and session.history_problem)
            or None,
        )

    # Reading

    def _read(self, what: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begin to read; what is being read is given up for it."""
        self._busy_with = what
        self._work(what)

    @work(exclusive=True, exit_on_error=False)
    async def _work(self, what: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await what()
        finally:
            if self._busy_with is what:
                self._busy_with = None

    async def _read_on(self, reading: LogReading, record: TaskRecord | None) -> None:
        shifted = await reading.read_on(record)
        if reading is self._reading:
            self._show(shifted=shifted)

    async def _read_more(self, by: int) -> None:
        reading = self._reading
        if reading is not None:
            shifted = await (reading.read_older() if by < 0 else reading.read_newer())
            if reading is self._reading and shifted:
                self._show(shifted=shifted)
            elif reading is self._reading:
                self._show()

    async def _read_edge(self, by: int) -> None:
        reading, view = self._reading, self.view
        if reading is None:
            return
        if by < 0 and reading.window.has_before:
            await reading.read_begin()
        elif by > 0 and reading.window.has_after:
            await reading.read_end()
        if reading is not self._reading:
            return
        self._show()
        (view.go_to_begin if by < 0 else view.go_to_end)()
        self._tell()

    async def _find(self, start: int, by: int, *, turn: bool = False) -> None:
        reading, view = self._reading, self.view
        if reading is None or not view.words:
            return
        words = view.words
        found = await reading.find(words, start, by)
        if found is None and turn:
            found = await reading.find(words, start, -by)
        if reading is not self._reading:
            return
        way = "below" if by > 0 else "above"
        where = "in this log" if turn else way
        self._said = "" if found is not None else f"No line {where} holds {words[:40]!r}."
        if found is not None:
            # What was searched for may stand in another stretch.
            self._drawn = None
            self._show()
            view.here = found
            view.go_to(found)
        self._tell()

    # Actions

    def action_act(self, action_id: str) -> None:
        """Do one of the log's actions."""
        self._said = ""
        getattr(self, f"do_{action_id.removeprefix('logs.')}")()
        self._tell()

    def do_follow(self) -> None:
        """Go to the end and stay there, or hold the view still."""
        view = self.view
        if view.follows:
            view.follows = False
        else:
            self.do_bottom()

    def do_top(self) -> None:
        """Go to the first line there is."""
        self.view.go_to_begin()
        self._read(lambda: self._read_edge(-1))

    def do_bottom(self) -> None:
        """Go to the last line there is, and follow what comes."""
        self.view.go_to_end()
        self._read(lambda: self._read_edge(1))

    def do_level(self) -> None:
        """Ask for lines of the next higher level and above; after ERROR for all again."""
        reading = self._reading
        if reading is None:
            return
        reading.ask_from(LEAST[(LEAST.index(reading.least) + 1) % len(LEAST)])
        view = self.view
        view.here, view.follows = -1, True
        self._drawn = None
        self.look_again(self._record)

    def do_wrap(self) -> None:
        """Break long lines, or cut them."""
        view = self.view
        view.wraps = not view.wraps
        view.redraw()

    def do_search(self) -> None:
        """Begin to type what to look for."""
        prompt = self.query_one(Prompt)
        prompt.put(self.view.words)
        prompt.add_class("-on")
        prompt.focus()

    def do_next_match(self) -> None:
        """Go to the next line that holds what was searched for."""
        self._go_to_match(1)

    def do_previous_match(self) -> None:
        """Go to the line before that holds it."""
        self._go_to_match(-1)

    def _go_to_match(self, by: int) -> None:
        view = self.view
        if not view.words:
            self._said = "Nothing was searched for yet; / begins."
            return
        start = view.here if view.here >= 0 else view.top - by
        self._read(lambda: self._find(start + by, by))

    def do_copy(self) -> None:
        """Copy the lines in sight."""
        lines = self.view.in_sight()
        self.app.copy_to_clipboard(as_text(self._session, lines))
        noun = "line" if len(lines) == 1 else "lines"
        self._said = f"Copied the {len(lines):,} {noun} in sight (if your terminal allows it)."

    # Messages

    def on_log_view_near_end(self, event: LogView.NearEnd) -> None:
        """Read on in the direction one scrolls."""
        event.stop()
        self._tell()
        if self._busy_with is None:
            self._read(lambda: self._read_more(event.by))

    def on_input_changed(self, event: Prompt.Changed) -> None:
        """Mark what is typed wherever it stands in sight."""
        event.stop()
        self.view.words = event.value
        self.view.redraw()

    def on_input_submitted(self, event: Prompt.Submitted) -> None:
        """Go to the next match, or to the one before where there is none below."""
        event.stop()
        self._leave_prompt()
        view = self.view
        view.here = -1
        if view.words:
            view.follows = False
            self._read(lambda: self._find(view.top, 1, turn=True))

    def on_prompt_left(self, event: Prompt.Left) -> None:
        """Search for nothing."""
        event.stop()
        self._leave_prompt()
        self.view.words, self.view.here = "", -1
        self._said = ""
        self.view.redraw()
        self._tell()

    def on_prompt_completion_asked(self, event: Prompt.CompletionAsked) -> None:
        """There is nothing to complete."""
        event.stop()

    def _leave_prompt(self) -> None:
        self.screen.set_focus(self.view)
        self.query_one(Prompt).remove_class("-on")


def as_text(session: Session, lines: Sequence[LogLine]) -> str:
    """Return log lines as text for the clipboard: one line each, texts of several as they are."""
    return "\n".join(
        f"{clock(line.at, session.zone, millis=True)} {level_word(line.level)} {line.logger} {line.text}"
        for line in lines
    )

"""The log of one task over the whole screen; esc goes back to where one came from."""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from umbel_backend.errors import UmbelError
from umbel_backend.records import TaskRecord
from umbel_console import actions
from umbel_console.action import Situation
from umbel_console.render.context import DrawContext
from umbel_console.render.line import Part
from umbel_console.render.state import state_cell
from umbel_console.render.task import elapsed_cell, name_cell, worker_cell
from umbel_console.screens.frame_lines import footer_parts
from umbel_console.screens.log_pane import LogPane
from umbel_console.session import Session
from umbel_console.widgets.kept_screens import kept
from umbel_console.widgets.line import Line


class LogsScreen(ModalScreen[None]):
    """The log of one task.

    Args:
        session: The live state and the history.
        record: The task as it was known when the log was asked for.
    """

    AUTO_FOCUS = "LogView"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,l", "dismiss", "close", id="log_screen.close"),
        Binding("question_mark", "help", "help", id="log_screen.help"),
    ]
    DEFAULT_CSS = """
    LogsScreen { layout: vertical; background: $background; }
    LogsScreen #log-title { background: $surface; }
    LogsScreen #log-keys { background: $surface; }
    """

    def __init__(self, session: Session, record: TaskRecord) -> None:
        super().__init__()
        self._session = session
        self._given = record
        self._stored: TaskRecord | None = None
        self._is_read = False

    @property
    def record(self) -> TaskRecord:
        """The task as it is known now."""
        return self._session.tasks.get(self._given.id) or self._stored or self._given

    @property
    def pane(self) -> LogPane:
        """The log."""
        return self.query_one(LogPane)

    def compose(self) -> ComposeResult:
        """Lay out the task, its log, and the keys."""
        yield Line(id="log-title")
        yield LogPane(self._session)
        yield Line(gap=2, id="log-keys")

    def on_mount(self) -> None:
        """Open the log and keep it up to date."""
        self.pane.open(self._given.id)
        self.pane.view.focus()
        self.look()
        self.set_interval(1 / self._session.settings.refresh_hz, self.look)

    def on_resize(self, event: events.Resize) -> None:
        """Fit title and keys into the new width."""
        self.call_after_refresh(self.look)

    def look(self) -> None:
        """Bring everything up to date."""
        session, record = self._session, self.record
        if not self._is_read and session.history is not None:
            self._is_read = True
            self._complete()
        draw = session.draw()
        self.query_one("#log-title", Line).show(
            [
                Part(draw.cell(" Log of ", "muted").append_text(name_cell(record, draw))),
                Part(state_cell(record.state, draw)),
                Part(elapsed_cell(record, draw), 2),
                Part(worker_cell(record, draw), 3),
                Part(draw.cell(f"{record.id} ", "muted"), 4, right=True),
            ]
        )
        self.query_one("#log-keys", Line).show(self._keys())
        self.pane.look_again(record)

    @work(exclusive=True, exit_on_error=False)
    async def _complete(self) -> None:
        """Read from the database who ran it and when it ended, which events may not have told."""
        history = self._session.history
        if history is None:
            return
        try:
            self._stored = await history.by_id(self._given.id)
        except UmbelError as error:
            self._session.history_problem = str(error)

    def _keys(self) -> list[Part]:
        draw = self._session.draw()
        shown = footer_parts(actions.footer(["logs"]), Situation(), self._session)
        back, help = _key("esc", "back", "close", draw), _key("?", "help", "help", draw)
        return [Part(back), *shown, Part(help)]

    # Actions

    def action_help(self) -> None:
        """List the keys."""
        from umbel_console.screens.help import HelpScreen

        self.app.push_screen(kept(self.app, HelpScreen, self._session).about(("logs",)))

    def on_line_clicked(self, event: Line.Clicked) -> None:
        """Do what the clicked key stands for."""
        event.stop()
        if event.does == "close":
            self.dismiss()
        elif event.does == "help":
            self.action_help()
        else:
            self.pane.action_act(event.does)


def _key(key: str, word: str, does: str, draw: DrawContext) -> Text:
    text = draw.empty().append_text(draw.cell(f" {key}", "accent", bold=True))
    text.append_text(draw.cell(f" {word}", "muted"))
    text.stylize(Style(meta={"does": does}))
    return text

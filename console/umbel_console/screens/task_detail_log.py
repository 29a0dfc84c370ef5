"""The log as a part of a task's detail: loaded when it is first shown, and over the whole screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical

from umbel_backend.records import TaskRecord
from umbel_console.session import Session
from umbel_console.widgets.thrifty_screen import flag

if TYPE_CHECKING:
    # Loaded with the first log that is looked at.
    from umbel_console.screens.log_pane import LogPane
    from umbel_console.widgets.log_view import LogView


class LogPart(Vertical):
    """What of a detail has to do with the log.

    Args:
        session: The live state and the history.
    """

    DEFAULT_CSS = """
    LogPart LogPane { display: none; }
    LogPart.-logs LogPane { display: block; }
    LogPart.-logs DocumentView { display: none; }
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._log_session = session
        self._log: LogPane | None = None
        self._log_comes = False

    @property
    def record(self) -> TaskRecord | None:
        """The task shown."""
        raise NotImplementedError

    def look_again(self) -> None:
        """Draw what changed since the last look."""
        raise NotImplementedError

    @property
    def log_view(self) -> LogView | None:
        """The lines of the log; None until a log was shown."""
        return None if self._log is None else self._log.view

    def show_log(self, task_id: str | None, record: TaskRecord | None) -> None:
        """Bring the log up to date; without ``record`` another part is shown."""
        flag(self, "-logs", record is not None, *self.children)
        pane = self._log
        if record is None or task_id is None:
            if pane is not None and pane.task_id is not None:
                pane.close()
        elif pane is not None:
            pane.open(task_id)
            pane.look_again(record)
        elif not self._log_comes:
            from umbel_console.screens.log_pane import LogPane

            self._log_comes = True
            self.mount(LogPane(self._log_session))

    def on_log_pane_ready(self, event: LogPane.Ready) -> None:
        """Show the log now that there is a place for it, and give it the keys if they are here."""
        event.stop()
        self._log = event.pane
        self.look_again()
        self.hand_over()

    def hand_over(self) -> None:
        """Give the keys to the part that is shown, if another part of this detail has them."""
        focused = self.screen.focused
        if focused is None or self in focused.ancestors:
            self.focus()

    def do_logs(self) -> None:
        """Show the log over the whole screen."""
        from umbel_console.screens.logs import LogsScreen

        record = self.record
        if record is not None:
            self.app.push_screen(LogsScreen(self._log_session, record))

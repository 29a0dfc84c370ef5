"""A framed box over a tab that stays in sight; menus and choosers are made of it."""

from __future__ import annotations

from typing import Generic

from textual.color import Color
from textual.containers import Vertical
from textual.screen import ModalScreen, ScreenResultType

from umbel_console.session import Session


class Overlay(ModalScreen[ScreenResultType], Generic[ScreenResultType]):
    """A modal screen around one `Vertical`; what is behind it is dimmed, not hidden.

    Args:
        session: For the colours.
    """

    DEFAULT_CSS = """
    Overlay { align: center middle; }
    Overlay > Vertical {
        max-width: 96%; height: auto; max-height: 94%; padding: 0 1;
        background: $surface; border: round $panel;
    }
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session

    def on_mount(self) -> None:
        """Let the tab be seen; sixteen colours cannot be mixed, so there it is not dimmed."""
        palette = self._session.palette
        self.styles.background = (
            Color(0, 0, 0, 0) if palette.ansi else Color.parse(palette.background).with_alpha(0.5)
        )
        if not self._session.unicode:
            box = self.query_one(Vertical)
            box.styles.border = ("ascii", box.styles.border_top[1])

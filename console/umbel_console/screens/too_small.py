"""What stands in the place of everything while the window is too small for a table."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Static

from umbel_console.session import Session


class TooSmallScreen(ModalScreen[None]):
    """Says how large the window must be; what it covers goes on, and comes back as it was.

    Args:
        session: For colours.
        least: Columns and lines the console needs.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("q", "exit", "quit", show=False)]
    DEFAULT_CSS = """
    TooSmallScreen { align: center middle; background: $background; }
    TooSmallScreen Static { width: 100%; height: auto; padding: 0 1; text-align: center; }
    """

    def __init__(self, session: Session, least: tuple[int, int]) -> None:
        super().__init__()
        self._session = session
        self._least = least

    def compose(self) -> ComposeResult:
        """Lay out the sentences."""
        yield Static()

    def on_mount(self) -> None:
        """Say it."""
        self._tell()

    def on_resize(self) -> None:
        """Say it of the new size."""
        self._tell()

    def _tell(self) -> None:
        draw, (columns, lines) = self._session.draw(), self._least
        size = self.app.size
        words = Text(justify="center")
        words.append_text(draw.cell("This window is too small for Umbel.", "warn", bold=True))
        words.append("\n")
        have = f"It has {size.width} columns and {size.height} lines; {columns} and {lines} are needed."
        words.append_text(draw.cell(have))
        words.append("\n")
        words.append_text(
            draw.cell("Make it larger and everything is as it was; q leaves.", "muted")
        )
        words.no_wrap = False
        self.query_one(Static).update(words)

    def action_exit(self) -> None:
        """Leave Umbel."""
        self.app.exit(0)

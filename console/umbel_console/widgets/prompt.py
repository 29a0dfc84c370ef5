"""A line to type in: the filter and the command bar are made of it."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input


class Prompt(Input):
    """An input without a frame; ``esc`` leaves it, ``tab`` takes the first suggestion."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "leave", show=False),
        Binding("tab", "complete", "complete", show=False),
        Binding("up", "recall(-1)", "earlier", show=False),
        Binding("down", "recall(1)", "later", show=False),
    ]
    DEFAULT_CSS = """
    Prompt, Prompt:focus {
        width: 1fr; height: 1; padding: 0; border: none; background: transparent;
        background-tint: transparent;
    }
    Prompt > .input--placeholder { color: $foreground 65%; }
    """

    class Left(Message):
        """The prompt was left by ``esc``."""

    class CompletionAsked(Message):
        """``tab`` was pressed."""

    def __init__(self, *, id: str | None = None, placeholder: str = "") -> None:
        super().__init__(id=id, placeholder=placeholder, compact=True, select_on_focus=False)
        self.cursor_blink = False
        self._past: list[str] = []
        self._place = 0

    def remember(self, text: str) -> None:
        """Keep ``text`` for the up key."""
        if text and (not self._past or self._past[-1] != text):
            self._past.append(text)
        self._place = len(self._past)

    def put(self, text: str) -> None:
        """Set the text with the cursor at its end."""
        self.value = text
        self.cursor_position = len(text)

    def action_leave(self) -> None:
        """Leave without keeping."""
        self.post_message(self.Left())

    def action_complete(self) -> None:
        """Ask for the first suggestion."""
        self.post_message(self.CompletionAsked())

    def action_recall(self, step: int) -> None:
        """Go through what was typed before."""
        self._place = max(0, min(len(self._past), self._place + step))
        self.put(self._past[self._place] if self._place < len(self._past) else "")

"""A word in brackets that does something when it is pushed; dialogs end with a row of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from umbel_console.render.context import DrawContext
from umbel_console.render.text import width_of
from umbel_console.widgets.row_strip import text_strip


class Push(Widget, can_focus=True):
    """One choice of a dialog.

    Args:
        draw: Makes the context to draw with.
        label: What it says.
        role: Its colour; what changes the world is not calm.
        id: Names it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "push", "choose", show=False)]
    ALLOW_SELECT = False
    DEFAULT_CSS = "Push { width: auto; height: 1; margin-right: 2; }"

    class Pushed(Message):
        """It was chosen by ``enter`` or a click."""

        def __init__(self, push: Push) -> None:
            self.push = push
            super().__init__()

    def __init__(
        self, draw: Callable[[], DrawContext], label: str, *, role: str = "foreground", id: str
    ) -> None:
        super().__init__(id=id)
        self._draw = draw
        self._label = label
        self._role = role

    def say(self, label: str) -> None:
        """Show another label."""
        if label != self._label:
            self._label = label
            self.refresh(layout=True)

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """Return the cells of the label and what frames it."""
        return width_of(self._text())

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return one line."""
        return 1

    def render_line(self, y: int) -> Strip:
        """Return the label in brackets, reversed while it has the keys."""
        draw, here = self._draw(), self.has_focus
        text = draw.cell(self._text(), "muted" if self.disabled else self._role, bold=here)
        over = Style(reverse=True) if here else None
        return text_strip(text, self.size.width, self.rich_style, over)

    def _text(self) -> str:
        return f"[ {self._label} ]"

    def on_focus(self) -> None:
        """Draw it as chosen."""
        self.refresh()

    def on_blur(self) -> None:
        """Draw it at rest."""
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Choose it."""
        event.stop()
        self.action_push()

    def action_push(self) -> None:
        """Tell the dialog."""
        if not self.disabled:
            self.post_message(self.Pushed(self))

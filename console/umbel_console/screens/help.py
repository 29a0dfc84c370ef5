"""The keys of the present screen, from the registry."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from umbel_console import actions
from umbel_console.render.state import LOOKS, state_cell
from umbel_console.render.text import width_of
from umbel_console.session import Session

HEADINGS: dict[actions.Scope, str] = {
    "screen": "Here",
    "tasks": "Sections",
    "history": "Pages",
    "table": "Moving and marking",
    "detail": "In the detail of a task",
    "app": "Everywhere",
}
WIDTH = 84
FILTERS = (
    ("state:FAILURE,LOST", "one of these states"),
    ("name:billing.* queue:high", "both; * stands for anything"),
    ("-worker:w1@app", "not this worker"),
    ("runtime>10s since:2h", "ran longer than, changed within"),
    ("tag.user_id:4711", "a tag taken from headers or arguments"),
    ("timeout", "the word in name, id, arguments, result or error"),
)


class HelpScreen(ModalScreen[None]):
    """Lists keys, state signs and the filter language in short.

    Args:
        session: For colours and the key map.
        scopes: Whose keys are listed.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", "close", show=False),
        Binding("j,down", "scroll(1)", "down", show=False),
        Binding("k,up", "scroll(-1)", "up", show=False),
    ]
    DEFAULT_CSS = """
    HelpScreen { align: center middle; background: $background 60%; }
    HelpScreen VerticalScroll {
        width: 84; max-width: 96%; height: auto; max-height: 94%;
        background: $surface; padding: 1 2; scrollbar-size-vertical: 1;
    }
    HelpScreen Static { height: auto; }
    """

    def __init__(self, session: Session, scopes: Sequence[actions.Scope]) -> None:
        super().__init__()
        self._session = session
        self._scopes = scopes

    def compose(self) -> ComposeResult:
        """Lay out one text that scrolls."""
        with VerticalScroll():
            yield Static(self.text())

    def action_scroll(self, by: int) -> None:
        """Scroll by lines."""
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)

    def text(self) -> Text:
        """Return the whole help."""
        draw = self._session.draw()
        text = draw.empty().append_text(draw.cell("Keys", "accent", bold=True))
        text.append("  esc closes\n", draw.muted)
        key_map = self._session.settings.key_map
        for scope, heading in HEADINGS.items():
            if scope not in self._scopes and scope != "detail":
                continue
            text.append("\n").append_text(draw.cell(heading, bold=True)).append("\n")
            for action in actions.in_scopes([scope]):
                keys = actions.keys_of(action, key_map, unicode=draw.unicode)
                text.append_text(self._row(keys, action.tooltip or action.label))
        text.append("\n").append_text(draw.cell("States", bold=True)).append("\n  ")
        for number, state in enumerate(LOOKS):
            cell = state_cell(state, draw)
            text.append_text(cell)
            text.append("\n  " if number % 5 == 4 else " " * (13 - width_of(cell.plain)))
        text.append("\n").append_text(draw.cell("Filter", bold=True)).append("\n")
        for example, meaning in FILTERS:
            text.append_text(self._row(example, meaning, 30))
        text.rstrip()
        return text

    def _row(self, left: str, right: str, width: int = 10) -> Text:
        draw = self._session.draw()
        row = draw.empty().append_text(draw.cell(f"  {left:<{width}} ", "accent"))
        room = max(20, min(WIDTH, self.app.size.width * 96 // 100) - 5 - width - 3)
        lines = textwrap.wrap(right, room) or [""]
        indent = "\n" + " " * (width + 3)
        return row.append(indent.join(lines), draw.muted).append("\n")

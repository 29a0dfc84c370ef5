"""The keys of the present screen, from the registry, searchable."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from umbel_console import actions
from umbel_console.render.state import LOOKS, state_cell
from umbel_console.render.text import width_of
from umbel_console.session import Session
from umbel_console.widgets.overlay import Overlay
from umbel_console.widgets.prompt import Prompt
from umbel_console.widgets.scroll_keys import SCROLL_KEYS

WIDTH = 86
FRAME = 7
"""Cells of the box that its border, its margins and the scrollbar take."""
FILTERS = (
    ("state:FAILURE,LOST", "one of these states"),
    ("name:billing.* queue:high", "both; * stands for anything"),
    ("-worker:w1@app", "not this worker"),
    ("runtime>10s since:2h", "ran longer than, changed within"),
    ("tag.user_id:4711", "a tag taken from headers or arguments"),
    ("timeout", "the word in name, id, arguments, result or error"),
)


class HelpScreen(Overlay[None]):
    """Lists keys, state signs and the filter language in short; ``/`` narrows the list.

    Args:
        session: For colours and the key map.
        scopes: Whose keys are listed.
    """

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", "close", show=False),
        Binding("slash", "search", "search", show=False, id="help.search"),
        Binding("space", "page(1)", "page down", show=False),
        *SCROLL_KEYS,
    ]
    DEFAULT_CSS = """
    HelpScreen #help { width: 86; height: 94%; padding: 0 2; }
    HelpScreen VerticalScroll { height: 1fr; scrollbar-size-vertical: 1; }
    HelpScreen Prompt { display: none; margin-bottom: 1; }
    HelpScreen Prompt.-on { display: block; }
    HelpScreen Static { height: auto; }
    """

    def __init__(self, session: Session, scopes: Sequence[actions.Scope]) -> None:
        super().__init__(session)
        self._scopes = scopes

    def compose(self) -> ComposeResult:
        """Lay out a prompt that comes when asked for, and one text that scrolls."""
        with Vertical(id="help"):
            yield Prompt(placeholder="search keys and what they do")
            with VerticalScroll(can_focus=False):
                yield Static(self.text())

    def action_search(self) -> None:
        """Begin to type what the list is narrowed to."""
        self.query_one(Prompt).add_class("-on").focus()

    def on_input_changed(self, event: Prompt.Changed) -> None:
        """Show only what holds the words typed."""
        event.stop()
        self.query_one(Static).update(self.text(event.value))

    def on_input_submitted(self, event: Prompt.Submitted) -> None:
        """Give the keys back to the list."""
        event.stop()
        self.set_focus(None)

    def on_prompt_left(self, event: Prompt.Left) -> None:
        """Show the whole list again."""
        event.stop()
        prompt = self.query_one(Prompt)
        prompt.put("")
        prompt.remove_class("-on")
        self.set_focus(None)

    def action_step(self, by: int) -> None:
        """Scroll by lines."""
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)

    def action_page(self, by: int) -> None:
        """Scroll by what is shown."""
        shown = self.query_one(VerticalScroll)
        shown.scroll_relative(y=by * max(1, shown.size.height - 1), animate=False)

    def action_edge(self, to: int) -> None:
        """Go to the first line (-1) or the last (1)."""
        shown = self.query_one(VerticalScroll)
        (shown.scroll_home if to < 0 else shown.scroll_end)(animate=False)

    def text(self, wanted: str = "") -> Text:
        """Return the help; with ``wanted`` only the actions that hold all of its words."""
        draw = self._session.draw()
        text = draw.empty().append_text(draw.cell("Keys", "accent", bold=True))
        text.append("  / searches, esc closes\n", draw.muted)
        words = wanted.casefold().split()
        found = [
            part for scope in actions.TITLES if (part := self._of_scope(scope, words)) is not None
        ]
        for part in found:
            text.append_text(part)
        if not found:
            text.append_text(draw.cell(f" No key of this screen is about {wanted}.", "muted"))
        if not words:
            text.append_text(self._states()).append_text(self._filters())
        text.rstrip()
        return text

    def _of_scope(self, scope: actions.Scope, words: Sequence[str]) -> Text | None:
        if scope not in self._scopes and scope != "detail":
            return None
        draw, key_map = self._session.draw(), self._session.settings.key_map
        text = draw.empty().append("\n").append_text(draw.cell(actions.TITLES[scope], bold=True))
        text.append("\n")
        is_empty = True
        for action in actions.in_scopes([scope]):
            keys = actions.keys_of(action, key_map, unicode=draw.unicode)
            said = f"{keys} {action.label} {action.tooltip}".casefold()
            if all(word in said for word in words):
                text.append_text(self._row(keys, action.tooltip or action.label))
                is_empty = False
        return None if is_empty else text

    def _states(self) -> Text:
        draw = self._session.draw()
        text = draw.empty().append("\n").append_text(draw.cell("States", bold=True)).append("\n  ")
        for number, state in enumerate(LOOKS):
            cell = state_cell(state, draw)
            text.append_text(cell)
            text.append("\n  " if number % 5 == 4 else " " * (13 - width_of(cell.plain)))
        return text

    def _filters(self) -> Text:
        draw = self._session.draw()
        text = draw.empty().append("\n").append_text(draw.cell("Filter", bold=True)).append("\n")
        for example, meaning in FILTERS:
            text.append_text(self._row(example, meaning, 30))
        return text

    def _row(self, left: str, right: str, width: int = 10) -> Text:
        draw = self._session.draw()
        row = draw.empty().append_text(draw.cell(f"  {left:<{width}} ", "accent"))
        box = min(WIDTH, self.app.size.width * 96 // 100)
        room = max(20, box - FRAME - width - 3)
        lines = textwrap.wrap(right, room) or [""]
        indent = "\n" + " " * (width + 3)
        return row.append(indent.join(lines), draw.muted).append("\n")

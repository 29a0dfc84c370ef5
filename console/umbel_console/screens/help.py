"""The keys of the present screen, from the registry, searchable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from umbel_console import actions
from umbel_console.render.context import DrawContext
from umbel_console.render.document import DocLine, blank, said
from umbel_console.render.state import LOOKS, state_cell
from umbel_console.render.text import width_of
from umbel_console.session import Session
from umbel_console.widgets.document_view import DocumentView
from umbel_console.widgets.kept_screens import KeptScreen
from umbel_console.widgets.overlay import Overlay
from umbel_console.widgets.prompt import Prompt
from umbel_console.widgets.scroll_keys import SCROLL_KEYS

STATES_IN_ROW = 5
STATE_WIDTH = 13
"""Cells of one state with the space behind it."""
FILTERS = (
    ("state:FAILURE,LOST", "one of these states"),
    ("name:billing.* queue:high", "both; * stands for anything"),
    ("-worker:w1@app", "not this worker"),
    ("runtime>10s since:2h", "ran longer than, changed within"),
    ("tag.user_id:4711", "a tag taken from headers or arguments"),
    ("timeout", "the word in name, id, arguments, result or error"),
)


class HelpView(DocumentView, can_focus=False):
    """The list; the screen around it has the keys."""

    DEFAULT_CSS = "HelpView { padding: 0; }"


class HelpScreen(Overlay[None], KeptScreen[None]):
    """Lists keys, state signs and the filter language in short; ``/`` narrows the list.

    Args:
        session: For colours and the key map.
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
    HelpScreen Prompt { display: none; margin-bottom: 1; }
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._scopes: Sequence[actions.Scope] = ()
        self._whole: list[DocLine] = []
        self._drawn: object = None

    def about(self, scopes: Sequence[actions.Scope]) -> Self:
        """List the keys of ``scopes`` when it is shown next."""
        self._scopes = scopes
        self.renew()
        return self

    def compose(self) -> ComposeResult:
        """Lay out a prompt that comes when asked for, and one text that scrolls."""
        with Vertical(id="help"):
            yield Prompt(placeholder="search keys and what they do")
            yield HelpView(self._session.draw)

    def begin_anew(self) -> None:
        """Show the whole list from its top, with nothing searched."""
        self._end_search()
        drawn = tuple(self._scopes), self._session.palette
        if drawn != self._drawn:
            self._drawn, self._whole = drawn, self.lines()
        self._view.home()
        self._view.show(self._whole)

    @property
    def _view(self) -> HelpView:
        return self.query_one(HelpView)

    def action_search(self) -> None:
        """Begin to type what the list is narrowed to."""
        prompt = self.query_one(Prompt)
        prompt.display = True
        prompt.focus()

    def on_input_changed(self, event: Prompt.Changed) -> None:
        """Show only what holds the words typed."""
        event.stop()
        self._view.show(self.lines(event.value) if event.value.strip() else self._whole)

    def on_input_submitted(self, event: Prompt.Submitted) -> None:
        """Give the keys back to the list."""
        event.stop()
        self.set_focus(None)

    def on_prompt_left(self, event: Prompt.Left) -> None:
        """Show the whole list again."""
        event.stop()
        self._end_search()

    def _end_search(self) -> None:
        prompt = self.query_one(Prompt)
        prompt.put("")
        prompt.display = False
        self.set_focus(None)

    def action_step(self, by: int) -> None:
        """Scroll by lines."""
        self._view.action_step(by)

    def action_page(self, by: int) -> None:
        """Scroll by what is shown."""
        self._view.action_page(by)

    def action_edge(self, to: int) -> None:
        """Go to the first line (-1) or the last (1)."""
        self._view.action_edge(to)

    def lines(self, wanted: str = "") -> list[DocLine]:
        """Return the help; with ``wanted`` only the actions that hold all of its words."""
        draw = self._session.draw()
        title = draw.empty().append_text(draw.cell("Keys", "accent", bold=True))
        found = [DocLine(title.append("  / searches, esc closes", draw.muted))]
        words = wanted.casefold().split()
        for scope in actions.TITLES:
            if scope in self._scopes or scope == "detail":
                found += self._of_scope(scope, words, draw)
        if len(found) == 1:
            found.append(said(f" No key of this screen is about {wanted}.", draw))
        return found if words else [*found, *_states(draw), *_filters(draw)]

    def _of_scope(
        self, scope: actions.Scope, words: Sequence[str], draw: DrawContext
    ) -> list[DocLine]:
        key_map = self._session.settings.key_map
        rows = []
        for action in actions.in_scopes([scope]):
            keys = actions.keys_of(action, key_map, unicode=draw.unicode)
            told = f"{keys} {action.label} {action.tooltip}".casefold()
            if all(word in told for word in words):
                rows.append(_row(keys, action.tooltip or action.label, draw))
        return [*_heading(actions.TITLES[scope], draw), *rows] if rows else []


def _heading(title: str, draw: DrawContext) -> list[DocLine]:
    return [blank(), DocLine(draw.cell(title, bold=True))]


def _states(draw: DrawContext) -> list[DocLine]:
    rows: list[Text] = []
    for number, state in enumerate(LOOKS):
        if not number % STATES_IN_ROW:
            rows.append(draw.empty().append("  "))
        cell = state_cell(state, draw)
        rows[-1].append_text(cell).append(" " * (STATE_WIDTH - width_of(cell.plain)))
    return [*_heading("States", draw), *(DocLine(row, hang=2, prose=True) for row in rows)]


def _filters(draw: DrawContext) -> list[DocLine]:
    rows = [_row(example, meaning, draw, 30) for example, meaning in FILTERS]
    return [*_heading("Filter", draw), *rows]


def _row(left: str, right: str, draw: DrawContext, width: int = 10) -> DocLine:
    line = draw.empty().append_text(draw.cell(f"  {left:<{width}} ", "accent"))
    return DocLine(line.append(right, draw.muted), hang=width + 3, prose=True)

"""The part of the filter pane that one types in: to narrow, to give a time, to name a view."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Static

from umbel_backend.errors import InvalidFilter, UmbelError
from umbel_backend.filters.edit import FilterText
from umbel_console.render.line import Part
from umbel_console.render.prose import paragraph, wrapped
from umbel_console.session import Session
from umbel_console.stores.views import SavedViews, View
from umbel_console.widgets.filter_pane_counts import Count, CountingPane
from umbel_console.widgets.filter_pane_list import PaneList
from umbel_console.widgets.line import Line
from umbel_console.widgets.prompt import Prompt
from umbel_console.widgets.thrifty_screen import flag
from umbel_console.widgets.time_picker import read_time

Typed = Literal["narrow", "since", "until", "save", "rename"]

USUAL_WIDTH = 38
"""Cells of the pane beside a table, taken before it was laid out."""
SAID_ROWS = 4
"""Rows below the list for what is said of it."""

SIGNS: dict[Typed, str] = {
    "narrow": " / ",
    "since": " from ",
    "until": " to ",
    "save": " save as ",
    "rename": " rename to ",
}


class TypingPane(CountingPane):
    """A pane with a list, a line to type in and a sentence below. A subclass edits the filter.

    Args:
        session: For colours, tags and preferences.
        mode: The tab it belongs to, ``tasks`` or ``history``.
        count: Counts under the present filter.
        text: Returns the filter as it stands in the bar.
        view: Returns the present view under a name.
    """

    DEFAULT_CSS = """
    TypingPane #typing { height: 1; display: none; }
    TypingPane #typing.-on { display: block; }
    TypingPane #typing Line { width: auto; }
    TypingPane #said { height: auto; padding: 0 1; }
    """

    def __init__(
        self,
        session: Session,
        mode: str,
        *,
        count: Count,
        text: Callable[[], str],
        view: Callable[[str], View],
    ) -> None:
        super().__init__(session, mode, count)
        self._text = text
        self._view = view
        self._views = SavedViews(session.preferences)
        self._said = ""
        self._typed: Typed | None = None
        self._renamed = ""

    def compose(self) -> ComposeResult:
        """Lay out title, list, the line one types in, and what is said of the row."""
        yield Line(id="pane-title")
        yield PaneList(self._session.draw, self._row_changed)
        with Horizontal(id="typing"):
            yield Line(id="typing-sign")
            yield Prompt(id="pane-text")
        yield Static(id="said")

    def _edit(self, text: str) -> None:
        """Ask for the filter ``text``, or say why not."""
        raise NotImplementedError

    def _filter_text(self) -> tuple[FilterText | None, str]:
        """Return the filter as it stands, or None and why it cannot be changed."""
        try:
            return FilterText(self._text()), ""
        except InvalidFilter as error:
            return None, f"{error.problem}: mend the filter first."

    def _take_keys(self) -> None:
        """Give the keys to the list."""
        self.query_one(PaneList).focus()

    # What is said

    def say(self, sentence: str) -> None:
        """Tell one sentence below the list, until the cursor moves."""
        self._said = sentence
        self._show_said()

    def on_resize(self, event: events.Resize) -> None:
        """Break what is said for the new width."""
        self._show_said()

    def _row_changed(self) -> None:
        self.say("")

    def _show_said(self) -> None:
        draw, row = self._session.draw(), self.query_one(PaneList).row
        words, role = self._said, "warn"
        if not words:
            words = self._problem or self._filter_text()[1]
        if not words and row is not None:
            words, role = row.writes, "warn" if row.problem else "muted"
        room = (self.size.width or USUAL_WIDTH) - 2
        rows = wrapped(draw.cell(words, role), room, SAID_ROWS, draw)
        self.query_one("#said", Static).update(paragraph(rows))

    # Typing

    def _begin_typing(self, what: Typed, text: str = "") -> None:
        self._typed = what
        self._flag_typing(True)
        sign = self._session.draw().cell(SIGNS[what], "accent", bold=True)
        line = self.query_one("#typing-sign", Line)
        line.styles.width = len(SIGNS[what])
        line.show([Part(sign)])
        prompt = self.query_one(Prompt)
        prompt.put(text)
        prompt.focus()
        self._judge(text)

    def _stop_typing(self) -> None:
        self._typed = None
        self._flag_typing(False)

    def _flag_typing(self, on: bool) -> None:
        line = self.query_one("#typing", Horizontal)
        flag(line, "-on", on, line)

    def _leave_typing(self) -> None:
        self._stop_typing()
        self._said = ""
        self._show()
        self._take_keys()

    def on_input_changed(self, event: Prompt.Changed) -> None:
        """Narrow, or tell what is wrong, while one types."""
        event.stop()
        if self._typed == "narrow":
            self._narrowed = event.value.strip()
            self._show()
        else:
            self._judge(event.value)

    def _judge(self, typed: str) -> bool:
        """Say what ``typed`` means and return whether it can be taken."""
        if self._typed not in ("since", "until"):
            self.say("")
            return True
        text, mistake = self._filter_text()
        if text is None:
            self.say(mistake)
            return False
        answer = read_time(typed, self._typed, text, self._session.clock())
        self.say(answer.words)
        return answer.is_right

    def on_input_submitted(self, event: Prompt.Submitted) -> None:
        """Take what was typed, unless it is wrong."""
        event.stop()
        typed, what = event.value.strip(), self._typed
        if what in ("since", "until"):
            text, _ = self._filter_text()
            if self._judge(typed) and text is not None:
                self._leave_typing()
                self._edit(text.replaced(what, typed or None))
        elif what == "save" or what == "rename":
            try:
                said = self._save(typed) if what == "save" else self._rename(typed)
            except UmbelError as error:
                self.say(str(error))
                return
            self._leave_typing()
            self.query_one(PaneList).go_to(("view", "views", " ".join(typed.split())))
            self.say(said)
        else:
            self._leave_typing()

    def _save(self, name: str) -> str:
        replaced = self._views.save(self._view(name))
        return f"{'Replaced' if replaced else 'Saved'} the view; :view {name} opens it."

    def _rename(self, name: str) -> str:
        self._views.rename(self._renamed, name)
        return f"The view is called {name} now."

    def on_prompt_left(self, event: Prompt.Left) -> None:
        """Leave without taking what was typed."""
        event.stop()
        if self._typed == "narrow":
            self._narrowed = ""
        self._leave_typing()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Typing ends when the keys go to the list."""
        # The message may come when the next key has begun to type already.
        has_list = isinstance(event.widget, PaneList) and self.screen.focused is event.widget
        if has_list and self._typed is not None:
            self._stop_typing()

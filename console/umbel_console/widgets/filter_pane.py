"""The filter pane: what the tasks at hand are like, with counts; choosing changes the filter's text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from textual.binding import BindingType
from textual.message import Message

from umbel_backend.errors import InvalidFilter
from umbel_backend.filters.edit import FilterText
from umbel_console import actions
from umbel_console.session import Session
from umbel_console.stores.views import View
from umbel_console.widgets.filter_pane_counts import Count
from umbel_console.widgets.filter_pane_list import PaneList
from umbel_console.widgets.filter_pane_rows import Row, rows
from umbel_console.widgets.filter_pane_typing import TypingPane
from umbel_console.widgets.thrifty_screen import flag
from umbel_console.widgets.time_picker import with_preset

_MOVES: Final[Mapping[str, Callable[[PaneList], None]]] = {
    "down": lambda found: found.move(1),
    "up": lambda found: found.move(-1),
    "page_down": lambda found: found.page(1),
    "page_up": lambda found: found.page(-1),
    "top": lambda found: found.edge(-1),
    "bottom": lambda found: found.edge(1),
    "next_group": lambda found: found.next_group(1),
    "previous_group": lambda found: found.next_group(-1),
}
"""What the actions do that only move the cursor, by their verbs."""


class FilterPane(TypingPane):
    """Facets, stretches of time and saved views beside a table.

    Args:
        session: For colours, tags and preferences.
        mode: The tab it belongs to, ``tasks`` or ``history``.
        count: Counts under the present filter.
        text: Returns the filter as it stands in the bar.
        view: Returns the present view under a name.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("pane")]
    DEFAULT_CSS = """
    FilterPane { width: 39; height: 1fr; display: none; border-right: solid $panel; }
    FilterPane.-plain { border-right: ascii $panel; }
    FilterPane.-open { display: block; }
    """

    class Edited(Message):
        """The filter is to read ``text``."""

        def __init__(self, text: str) -> None:
            self.text = text
            super().__init__()

    class Opened(Message):
        """A saved view is to be shown."""

        def __init__(self, view: View) -> None:
            self.view = view
            super().__init__()

    class Closed(Message):
        """The operator is done with the pane."""

    def __init__(
        self,
        session: Session,
        mode: str,
        *,
        count: Count,
        text: Callable[[], str],
        view: Callable[[str], View],
    ) -> None:
        super().__init__(session, mode, count=count, text=text, view=view)
        self.set_class(not session.unicode, "-plain")
        self._expanded: frozenset[str] = frozenset()

    def open(self) -> None:
        """Show it and take the keys."""
        if not self.is_open:
            self.query_one(PaneList).home()
            flag(self, "-open", True, self)
            self._said = ""
            self.count_anew(forget=True)
            self._tick()
            self._show()
        self._take_keys()

    def close(self) -> None:
        """Show nothing, and forget what was narrowed."""
        self._stop_typing()
        self._narrowed = ""
        flag(self, "-open", False, self)

    def look_again(self, *, is_new: bool = False) -> None:
        """Draw for the filter as it stands now; with ``is_new`` it is another one, and is counted."""
        if is_new:
            self.count_anew()
            self._said = ""
        if self.is_open:
            self._show()

    # Drawing

    def _show(self) -> None:
        text, _ = self._filter_text()
        shown = self.query_one(PaneList)
        is_whole = self._facets is not None or bool(self._problem)
        found = rows(
            text,
            self._facets,
            self._groups,
            order=self._order,
            narrowed=self._narrowed,
            expanded=self._expanded,
            views=self._read_views(),
            kept=shown.row,
            unknown=self._why_not_counted(),
        )
        shown.show(found, is_whole=is_whole)
        self._show_title()
        self._show_said()

    def _why_not_counted(self) -> str:
        if self._problem:
            return "not counted"
        return self._session.draw().glyph("counting …", "counting")

    def _read_views(self) -> list[tuple[View, str]]:
        return [(view, self._mistake_in(view.text)) for view in self._views.all()]

    def _mistake_in(self, text: str) -> str:
        wrong = self._mistake_of(text)
        return f"{text} is no filter any more: {wrong}" if wrong else ""

    def _mistake_of(self, text: str) -> str:
        try:
            self._session.read_filter(text)
        except InvalidFilter as error:
            return error.problem
        return ""

    # Actions

    def action_act(self, action_id: str) -> None:
        """Do one of the pane's actions."""
        verb = actions.BY_ID[action_id].verb
        if verb in _MOVES:
            _MOVES[verb](self.query_one(PaneList))
        else:
            getattr(self, f"do_{verb}")()

    def do_choose(self) -> None:
        """Choose the row under the cursor, or choose it no longer."""
        row = self.query_one(PaneList).row
        if row is None:
            self.say("Nothing is under the cursor yet: the tasks are being counted.")
            return
        match row.kind:
            case "value":
                self._toggle(row, exclude=False)
            case "more":
                self._expanded = self._expanded ^ {row.group}
                self._show()
            case "preset":
                self._choose_preset(row)
            case "bound":
                self._begin_typing("since" if row.label == "from" else "until", row.value or "")
            case "view" if row.view is not None:
                self.post_message(self.Opened(row.view))
            case "save":
                self._begin_typing("save")

    def do_exclude(self) -> None:
        """Keep the value under the cursor out, or no longer."""
        row = self.query_one(PaneList).row
        if row is None or row.kind != "value":
            self.say("Only values can be kept out.")
            return
        self._toggle(row, exclude=True)

    def do_clear(self) -> None:
        """Ask for nothing in the group under the cursor."""
        row = self.query_one(PaneList).row
        if row is not None and row.group != "views":
            self._change(lambda text: _without(text, row.group))

    def do_narrow(self) -> None:
        """Show only values that hold what one types."""
        self._begin_typing("narrow", self._narrowed)

    def do_rename(self) -> None:
        """Give the view under the cursor another name."""
        row = self.query_one(PaneList).row
        if row is None or row.view is None:
            self.say("Only saved views have a name to change.")
            return
        self._renamed = row.view.name
        self._begin_typing("rename", row.view.name)

    def do_forget(self) -> None:
        """Delete the view under the cursor."""
        row = self.query_one(PaneList).row
        if row is None or row.view is None:
            self.say("Only saved views can be deleted.")
            return
        self._views.delete(row.view.name)
        self._show()
        self.say(f"Deleted the view {row.view.name}.")

    def do_close(self) -> None:
        """Show all values again; if that is so already, close the pane."""
        if self._narrowed:
            self._narrowed = ""
            self._show()
        else:
            self.post_message(self.Closed())

    def _toggle(self, row: Row, *, exclude: bool) -> None:
        self._change(lambda text: text.toggled(row.group, row.value, exclude=exclude))

    def _choose_preset(self, row: Row) -> None:
        preset = row.preset
        if preset is not None:
            self._change(lambda text: with_preset(text, preset))

    def _change(self, change: Callable[[FilterText], str]) -> None:
        """Ask for the present filter with a change, or say why it cannot be made."""
        text, mistake = self._filter_text()
        if text is None:
            self.say(mistake)
            return
        try:
            self._edit(change(text))
        except InvalidFilter as error:
            self.say(error.problem)

    def _edit(self, text: str) -> None:
        """Ask for ``text`` in the bar, unless it would make a mistake of a filter."""
        wrong = self._mistake_of(text)
        if wrong and not self._mistake_of(self._text()):
            self.say(f"This cannot be asked for: {wrong}")
            return
        self._said = ""
        self.post_message(self.Edited(text))

    # Messages of the list

    def on_pane_list_clicked(self, event: PaneList.Clicked) -> None:
        """Choose what was clicked."""
        event.stop()
        row = self.query_one(PaneList).row
        if event.exclude and row is not None and row.kind == "value":
            self.do_exclude()
        else:
            self.do_choose()


def _without(text: FilterText, group: str) -> str:
    if group == "time":
        return FilterText(text.replaced("since", None)).replaced("until", None)
    return text.cleared(group)

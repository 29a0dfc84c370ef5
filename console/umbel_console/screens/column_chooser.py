"""The column chooser behind ``c``: which columns of a table show, in which order, how wide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from umbel_console.render.choice import check_box
from umbel_console.render.context import DrawContext
from umbel_console.render.line import Part
from umbel_console.session import Session
from umbel_console.widgets.arrangement import Arrangement, Fate
from umbel_console.widgets.choice_list import ChoiceList
from umbel_console.widgets.columns import Column
from umbel_console.widgets.kept_screens import KeptScreen
from umbel_console.widgets.line import Line
from umbel_console.widgets.overlay import Overlay
from umbel_console.widgets.record_table import RecordTable

SECTION = "columns"
"""Section of the preferences; the names in it are the tabs'."""

KEYS = (
    ("space", "show or hide"),
    ("J K", "move"),
    ("< >", "width"),
    ("=", "own width"),
    ("r", "reset all"),
    ("esc", "done"),
)


def saved_arrangement(session: Session, name: str) -> Arrangement:
    """Return how the operator arranged the table called ``name``."""
    return Arrangement.read(session.preferences.get(SECTION, name))


class ColumnChooser(Overlay[None], KeptScreen[None]):
    """Changes the table at once, so that one sees what one does, and keeps it at the end.

    Args:
        session: For the colours and the preferences.
    """

    _table: RecordTable[Any]
    _tab: str
    _heading: str

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,c", "done", "done", show=False),
        Binding("space", "show_or_hide", "show or hide", show=False),
        Binding("J,shift+down", "shift(1)", "move down", show=False),
        Binding("K,shift+up", "shift(-1)", "move up", show=False),
        Binding("less_than_sign,left", "widen(-1)", "narrower", show=False),
        Binding("greater_than_sign,right", "widen(1)", "wider", show=False),
        Binding("equals_sign", "own_width", "own width", show=False),
        Binding("r", "reset", "reset", show=False),
    ]
    DEFAULT_CSS = """
    ColumnChooser { align: right middle; }
    ColumnChooser > Vertical { width: 60; }
    ColumnChooser #title { margin-bottom: 1; }
    ColumnChooser #said { margin-top: 1; }
    """

    def about(self, table: RecordTable[Any], tab: str, heading: str) -> Self:
        """Arrange the columns of ``table`` when it is shown next.

        Args:
            table: Whose columns.
            tab: Mode of the tab, under which the arrangement is kept.
            heading: Title of the tab.
        """
        self._table, self._tab, self._heading = table, tab, heading
        self.renew()
        return self

    def compose(self) -> ComposeResult:
        """Lay out title, columns, what is to be said of one, and the keys."""
        with Vertical():
            yield Line(id="title")
            yield ChoiceList(self._session.draw, beside=6)
            yield Line(id="said")
            yield Line(id="keys")
            yield Line(id="more_keys")

    def begin_anew(self) -> None:
        """Draw the columns."""
        draw = self._session.draw()
        title = draw.cell(f"  Columns of {self._heading}", "accent", bold=True)
        self.query_one("#title", Line).show([Part(title)])
        self.query_one("#keys", Line).show(_keys(KEYS[:3], draw))
        self.query_one("#more_keys", Line).show(_keys(KEYS[3:], draw))
        self.query_one(ChoiceList).focus()
        self._show(0)

    def action_done(self) -> None:
        """Keep the arrangement and close."""
        self._session.preferences.put(SECTION, self._tab, self._table.arrangement.kept())
        self.dismiss(None)

    def action_show_or_hide(self) -> None:
        """Show or hide the column under the cursor; one that tells most is always shown."""
        column = self._column
        if column.rank == 0:
            self._say(f"{column.label} is always shown.")
            return
        self._apply(self._table.arrangement.toggled(column.key))

    def action_shift(self, by: int) -> None:
        """Move the column under the cursor; the cursor goes with it."""
        table, column = self._table, self._column
        table.arrange_columns(table.arrangement.moved(table.columns, column.key, by))
        places = [each.key for each in self._columns]
        self._show(places.index(column.key))

    def action_widen(self, by: int) -> None:
        """Make the column under the cursor wider or narrower, from the width it has."""
        column = self._column
        if self._fates[column.key].why in ("hidden", "no room here"):
            self._say(f"{column.label} is not shown, so it has no width now.")
            return
        width = self._fates[column.key].width or column.width
        self._apply(self._table.arrangement.resized(column.key, width + by))

    def action_own_width(self) -> None:
        """Let the column share the width as it does without a choice."""
        self._apply(self._table.arrangement.resized(self._column.key, None))

    def action_reset(self) -> None:
        """Forget all choices about this table."""
        key = self._column.key
        self._table.arrange_columns(Arrangement())
        self._show([each.key for each in self._columns].index(key))
        self._say("All columns are as they came.")

    def on_choice_list_chosen(self, event: ChoiceList.Chosen) -> None:
        """Show or hide by enter or click, as by space."""
        self.action_show_or_hide()

    @property
    def _columns(self) -> Sequence[Column[Any]]:
        return self._table.arrangement.ordered(self._table.columns)

    @property
    def _column(self) -> Column[Any]:
        return self._columns[self.query_one(ChoiceList).cursor]

    @property
    def _fates(self) -> dict[str, Fate]:
        return self._table.arrangement.fates(self._table.columns, self._table.room)

    def _apply(self, arrangement: Arrangement) -> None:
        self._table.arrange_columns(arrangement)
        self._show()

    def _show(self, cursor: int | None = None) -> None:
        draw, fates, own = self._session.draw(), self._fates, self._table.arrangement.widths
        lines = [
            _line(column, fates[column.key], column.key in own, draw) for column in self._columns
        ]
        self.query_one(ChoiceList).show(lines, cursor)
        shown = sum(fate.width is not None for fate in fates.values())
        dropped = sum(fate.why == "no room here" for fate in fates.values())
        words = f"{shown} of {len(fates)} shown"
        if dropped:
            words += f", {dropped} without room: hide or narrow others"
        self._say(words)

    def _say(self, sentence: str) -> None:
        draw = self._session.draw()
        self.query_one("#said", Line).show([Part(draw.cell(f"  {sentence}", "muted"))])


def _line(column: Column[Any], fate: Fate, own_width: bool, draw: DrawContext) -> Text:
    line = draw.empty()
    off = fate.width is None
    line.append_text(check_box(None if fate.why == "hidden" else "included", draw, dim=off))
    line.append_text(draw.cell(f"{column.label:<14}", "muted" if off else "foreground"))
    cells = "" if fate.width is None else f"{fate.width}"
    line.append_text(draw.cell(f"{cells:>4} ", "foreground" if own_width else "muted"))
    notes = [fate.why] if fate.why else []
    if own_width and not off:
        notes.append("width chosen")
    return line.append_text(draw.cell(" " + ", ".join(notes), "muted"))


def _keys(keys: Sequence[tuple[str, str]], draw: DrawContext) -> list[Part]:
    line = draw.empty()
    for key, words in keys:
        line.append_text(draw.cell(f"  {key} ", "accent", bold=True))
        line.append_text(draw.cell(words, "muted"))
    return [Part(line)]

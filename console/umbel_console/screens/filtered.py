"""A tab under a filter: what offers filters (pane, views, earlier ones) and carries them over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from textual import events, work
from textual.containers import Horizontal
from textual.worker import Worker, WorkerError

from umbel_backend.errors import UmbelError
from umbel_console import actions
from umbel_console.render.context import DrawContext
from umbel_console.render.line import Part
from umbel_console.screens.tab import TabScreen
from umbel_console.session import Session
from umbel_console.stores.tasks import Section
from umbel_console.turnstile import Typed
from umbel_console.widgets.filter_bar import FilterBar
from umbel_console.widgets.prompt import Prompt

if TYPE_CHECKING:
    # Loaded when the pane is first opened: the first frame has none.
    from umbel_console.stores.facets import Facets, Span
    from umbel_console.stores.views import View
    from umbel_console.widgets.filter_pane import FilterPane

BESIDE = 100
"""Columns from which the pane stands beside the table, and not in its place."""
BESIDE_DETAIL = 180
"""Columns from which it stays beside an open detail too."""
TYPING_S = 0.15
"""How long one must not type before the database is asked for values."""
COUNTED_S = 1.0
"""How long a key for the pane waits for the values under the filter that the key before it made."""
OTHER = {"tasks": ("history", "History"), "history": ("tasks", "Tasks")}
"""For each tab the mode and title of the one it shares filters with."""


class FilteredScreen(TabScreen):
    """Tasks or History, as far as their filter goes. A subclass lays out bar and ``#body``."""

    DEFAULT_CSS = """
    FilteredScreen.-pane.-covered #list { display: none; }
    FilteredScreen.-covered FilterPane.-open { width: 1fr; border: none; }
    FilteredScreen.-detail FilterPane.-open { display: none; }
    FilteredScreen.-detail.-roomy FilterPane.-open { display: block; }
    """

    _section: Section | None = None
    """The only section of the table that is shown; None shows all."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._first: Callable[[], None] | None = None
        self._mounting: Worker[None] | None = None

    def make_bar(self) -> FilterBar:
        """Make the filter bar; earlier filters are those of both tabs."""
        from umbel_console.stores.views import RecentFilters

        session = self.session
        recent = RecentFilters(session.preferences)
        return FilterBar(
            session.draw,
            read=session.read_filter,
            suggest=self._suggest,
            recent=recent.all,
            remember=recent.remember,
        )

    @property
    def bar(self) -> FilterBar:
        """The filter bar."""
        return self.query_one(FilterBar)

    @property
    def pane(self) -> FilterPane | None:
        """The filter pane; None until it is first opened."""
        from umbel_console.widgets.filter_pane import FilterPane

        return next(iter(self.query(FilterPane)), None)

    # Filters from elsewhere

    def on_mount(self) -> None:
        """Begin with what was asked for before there was a bar."""
        if self._first is not None:
            self._first()
            self._first = None

    def filter_by(self, text: str) -> None:
        """Show the table under the filter ``text``, as if it had been typed."""
        self._when_there(lambda: self._filter_by(text))

    def open_view(self, view: View) -> None:
        """Show the table as ``view`` says: filter, order and section."""
        self._when_there(lambda: self._open_view(view))

    def _when_there(self, act: Callable[[], None]) -> None:
        if self.is_mounted:
            act()
        else:
            self._first = act

    def _filter_by(self, text: str) -> None:
        self.close_detail()
        self.bar.put(text)
        self.table.focus()

    def _open_view(self, view: View) -> None:
        if self.MODE == "tasks":
            self._section = next((s for s in Section if s.value == view.section), None)
        keys = [column.key for column in self.table.columns if column.sort_key is not None]
        self.sort_by(view.sort if view.sort in keys else None, view.descending)
        self._filter_by(view.text)
        self.say(f"This is the view {view.name}.")

    def close_detail(self) -> None:
        """Close the detail of a task, if one is open."""
        raise NotImplementedError

    def flag_detail(self, is_open: bool) -> None:
        """Make room for the detail of a task, or take it back."""
        pane = self.pane if self.has_class("-pane") else None
        self.flag("-detail", is_open, self.query_one("#list"), *([] if pane is None else [pane]))

    def do_take_filter(self) -> None:
        """Take over the filter of the other tab."""
        mode, title = OTHER[self.MODE]
        text = self.session.filters.get(mode, "")
        if text:
            self.bar.put(text)
        else:
            self.say(f"{title} has no filter to take over.", "warn")

    def on_filter_bar_chosen(self, event: FilterBar.Chosen) -> None:
        """Tell the other tab, and count under the new filter."""
        filters = self.session.filters
        filters.pop(self.MODE, None)
        if event.chosen is not None:
            filters[self.MODE] = event.chosen.text
        if self.has_class("-pane") and self.pane is not None:
            self.pane.look_again(is_new=True)

    # The pane

    def do_filter_pane(self) -> None:
        """Open the filter pane, or go to it."""
        self.close_detail()
        self.flag("-pane", True, self.query_one("#list"))
        if self.pane is None:
            self._mounting = self._mount_pane()
        else:
            self.pane.open()

    @work(exclusive=True, group="pane", exit_on_error=False)
    async def _mount_pane(self) -> None:
        from umbel_console.widgets.filter_pane import FilterPane

        pane = FilterPane(
            self.session,
            self.MODE,
            count=self._count,
            text=lambda: self.bar.text,
            view=self._present_view,
        )
        await self.query_one("#body", Horizontal).mount(pane, before=0)
        pane.open()

    async def ready_for(self, event: Typed) -> None:
        """Wait for the pane that the first ``f`` mounts, and for values that a key is to act on."""
        await super().ready_for(event)
        mounting, self._mounting = self._mounting, None
        if mounting is not None:
            with suppress(WorkerError):
                await mounting.wait()
        pane = self.pane if self.keys_in_pane else None
        if pane is not None and self._acts_on_values(event):
            await pane.counted(COUNTED_S)

    def _acts_on_values(self, event: Typed) -> bool:
        if not isinstance(event, events.Key) or isinstance(self.focused, Prompt):
            return False
        bound = self.active_bindings.get(event.key)
        action = actions.BY_ID.get(bound.binding.id or "") if bound is not None else None
        return action is not None and action.scope == "pane" and action.verb != "close"

    def close_pane(self) -> None:
        """Close the pane and give the keys back to the table."""
        pane = self.pane
        if pane is None or not pane.is_open:
            return
        pane.close()
        self.flag("-pane", False, self.query_one("#list"))
        self.bar.keep()
        self.table.focus()

    @property
    def keys_in_pane(self) -> bool:
        """Whether the keys go to the pane now."""
        focused = self.focused
        if focused is None or not self.has_class("-pane"):
            return False
        return self.pane in focused.ancestors_with_self

    def help_scopes(self) -> tuple[actions.Scope, ...]:
        """Return the scopes of the tab, and that of the pane."""
        return (*super().help_scopes(), "pane")

    def footer_actions(self) -> list[actions.Action]:
        """Return the actions of the pane while the keys go there."""
        return actions.pane_footer() if self.keys_in_pane else super().footer_actions()

    def action_act(self, action_id: str) -> None:
        """Do an action; those of the pane are its own."""
        if actions.BY_ID[action_id].scope == "pane":
            if self.pane is not None:
                self.pane.action_act(action_id)
        else:
            super().action_act(action_id)

    def on_resize(self, event: events.Resize) -> None:
        """Put the pane beside the table where there is room."""
        self.set_class(event.size.width < BESIDE, "-covered")
        self.set_class(event.size.width >= BESIDE_DETAIL, "-roomy")

    def on_filter_pane_edited(self, event: Any) -> None:
        """Write the text of the pane into the bar."""
        self.bar.put(event.text)
        if self.pane is not None:
            self.pane.look_again()

    def on_filter_pane_opened(self, event: Any) -> None:
        """Show a saved view."""
        self._show_view(event.view)

    def on_filter_pane_closed(self, event: Any) -> None:
        """Give the room back to the table."""
        self.close_pane()

    async def _count(self, fields: Sequence[str], spans: Sequence[Span]) -> Facets | None:
        session, chosen, now = self.session, self.bar.chosen, self.session.clock()
        if self.MODE == "history":
            if session.history is None:
                return None
            return await session.history.facets(chosen, fields, spans, now)
        from umbel_console.stores.facets import count_facets

        records = session.tasks.records()
        return count_facets(records, chosen, fields, spans=spans, section=self._section, now=now)

    # Views

    def _present_view(self, name: str) -> View:
        from umbel_console.stores.views import View

        sort = self.table.sort
        return View(
            name=name,
            mode=self.MODE,
            text=self.bar.text.strip(),
            sort=None if sort is None else sort.column,
            descending=sort is not None and sort.descending,
            section=None if self._section is None else self._section.value,
        )

    def _show_view(self, view: View) -> None:
        self.close_pane()
        if view.mode == self.MODE:
            self.open_view(view)
        else:
            self.post_message(self.Commanded("view", view.name))

    def commands(self) -> dict[str, Callable[[str], None]]:
        """Return what the command bar understands, saving the present view among it."""
        return {**super().commands(), "save-view": self._command_save}

    def _command_save(self, name: str) -> None:
        from umbel_console.stores.views import SavedViews

        try:
            replaced = SavedViews(self.session.preferences).save(self._present_view(name))
        except UmbelError as error:
            self.say(str(error), "warn")
            return
        self.say(f"{'Replaced' if replaced else 'Saved'} the view; :view {name} opens it.")

    # Completion

    def _suggest(self, text: str, cursor: int) -> list[tuple[str, str]]:
        if self.MODE != "history" or self.session.history is None:
            return self.session.suggest_filter(text, cursor)
        from umbel_console.stores.suggestions import suggest

        def wanted(field: str, typed: str) -> None:
            self._look_up(field, typed)

        return suggest(text, cursor, self.session.known_values.both(wanted))

    @work(exclusive=True, group="values", exit_on_error=False)
    async def _look_up(self, field: str, typed: str) -> None:
        history = self.session.history
        if history is None:
            return
        await asyncio.sleep(TYPING_S)
        try:
            await self.session.known_values.look_up(history, field, typed)
        except UmbelError:
            # The page says what is wrong with the database; without it values are what is live.
            return
        self.bar.redraw()

    # What is told

    def filter_part(self, draw: DrawContext) -> list[Part]:
        """Return what a filter left out, or that a typed one does not hold, or one to take over."""
        chosen = self.bar.chosen
        if self.bar.has_mistake:
            return [Part(draw.cell(f"in force: {chosen.text if chosen else 'none'}", "warn"), 1)]
        if chosen is not None and self.MODE == "tasks":
            words = f"of {len(self.session.tasks):,} live tasks; history not searched (2)"
            return [Part(draw.cell(words, "muted"), 3)]
        mode, title = OTHER[self.MODE]
        other = self.session.filters.get(mode)
        if chosen is None and other:
            return [Part(draw.cell(f"t takes over the filter of {title}", "muted"), 4)]
        return []

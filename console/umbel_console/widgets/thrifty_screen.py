"""Screens that are styled, laid out and drawn no more often than what they show needs."""

from __future__ import annotations

from typing import Any

from textual import events
from textual.app import App
from textual.screen import Screen, ScreenResultType
from textual.widget import Widget

from umbel_console.widgets.span_update import SpanDisplay


def flag(widget: Widget, name: str, on: bool, *concerned: Widget) -> None:
    """Set or drop the class ``name`` of ``widget``, whose rules are about ``concerned`` alone.

    Textual itself styles the widget and all that is in it again.
    """
    if widget.has_class(name) != on:
        widget.set_class(on, name, update=False)
        widget.app.stylesheet.update_nodes(concerned)


class ThriftyScreen(Screen[ScreenResultType]):
    """A screen that waits with drawing itself while its app says so, and is not styled for nothing.

    To open a tab or a dialog Textual lays it out three or four times, as widgets come and learn their
    sizes, and draws all of it each time. To come back to one it styles every widget again.
    """

    _styled_for: object = None

    def flag(self, name: str, on: bool, *concerned: Widget) -> None:
        """Set or drop the class ``name``, whose rules are about ``concerned`` and nobody else."""
        flag(self, name, on, *concerned)

    def note_styled(self, app: App[Any]) -> None:
        """Note that it is styled, or about to be, for ``app`` as that is now."""
        self._styled_for = (app._css_update_count, app.app_focus, app.classes)

    @property
    def is_unplaced(self) -> bool:
        """Whether widgets are to be placed anew, or somebody waits until they are."""
        return self._layout_required or self._scroll_required or bool(self._callbacks)

    @property
    def is_owed(self) -> bool:
        """Whether something is to be drawn."""
        regions = self._compositor._dirty_regions
        return self._repaint_required or bool(self._dirty_widgets) or bool(regions)

    def pay(self) -> None:
        """Place what is to be placed, and draw what is to be drawn."""
        self._on_timer_update()
        if self._compositor._dirty_regions and self.is_current:
            self._compositor_refresh()

    def _on_screen_resume(self, event: events.ScreenResume) -> None:
        # Comes before Textual's own, which styles everything unless it is told not to.
        before = self._styled_for
        self.note_styled(self.app)
        if self._styled_for == before:
            event.refresh_styles = False

    def _compositor_refresh(self) -> None:
        app = self.app
        if self is app.screen and isinstance(app, SpanDisplay) and app.holds_paint:
            return
        super()._compositor_refresh()

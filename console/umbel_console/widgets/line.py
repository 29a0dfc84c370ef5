"""One line of chrome: header, tabs, status, footer. Sends only the cells that changed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from umbel_console.render.line import Part, fit
from umbel_console.widgets.row_strip import changed_span, text_strip


class Line(Widget):
    """A line made of parts that give way to each other when it is narrow."""

    ALLOW_SELECT = False
    DEFAULT_CSS = "Line { height: 1; width: 1fr; }"

    class Clicked(Message):
        """A part with the meta key ``does`` was clicked."""

        def __init__(self, does: str) -> None:
            self.does = does
            super().__init__()

    def __init__(self, *, gap: int = 2, id: str | None = None) -> None:
        super().__init__(id=id)
        self._gap = gap
        self._parts: Sequence[Part] = ()
        self._strip: Strip | None = None
        self._style: Style | None = None

    @property
    def plain(self) -> str:
        """What the line reads."""
        return "" if self._strip is None else self._strip.text

    def show(self, parts: Sequence[Part]) -> None:
        """Show ``parts`` instead."""
        before, self._parts = self._parts, parts
        strip, style = self._strip, self._style
        is_old = strip is None or strip.cell_length != self.size.width
        if is_old or style != self.rich_style or not _look_alike(before, parts):
            self._draw()

    def render_line(self, y: int) -> Strip:
        """Return the line."""
        if self._strip is None or y:
            return Strip.blank(self.size.width, self.rich_style)
        if self._style != self.rich_style:
            # Another theme: its style sheet makes the widget draw again, not who shows the parts.
            self._strip = self._drawn()
        return self._strip

    def on_resize(self, event: events.Resize) -> None:
        """Fit the parts into the new width."""
        self._draw()

    def on_click(self, event: events.Click) -> None:
        """Tell which part was clicked."""
        does = event.style.meta.get("does")
        if isinstance(does, str):
            event.stop()
            self.post_message(self.Clicked(does))

    def _draw(self) -> None:
        width = self.size.width
        if not width:
            return
        strip = self._drawn()
        before, self._strip = self._strip, strip
        if before is None or before.cell_length != strip.cell_length:
            self.refresh()
            return
        span = changed_span(before, strip)
        if span is not None:
            self.refresh(Region(span[0], 0, span[1] - span[0], 1))

    def _drawn(self) -> Strip:
        self._style, width = self.rich_style, self.size.width
        text = fit(self._parts, width, gap=self._gap, unicode=not self.app.has_class("-ascii"))
        return text_strip(text, width, self._style)


def _look_alike(before: Sequence[Part], parts: Sequence[Part]) -> bool:
    # Two texts of Rich are equal whatever their own style is.
    return before == parts and all(
        old.text.style == new.text.style for old, new in zip(before, parts, strict=True)
    )

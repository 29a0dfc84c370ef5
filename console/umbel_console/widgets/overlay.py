"""A framed box over a tab that stays in sight; menus and choosers are made of it."""

from __future__ import annotations

from functools import lru_cache
from typing import Generic

from rich.console import RenderableType
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.color import Color
from textual.containers import Vertical
from textual.css.styles import RulesMap
from textual.renderables.background_screen import BackgroundScreen
from textual.screen import ModalScreen, Screen, ScreenResultType
from textual.strip import Strip
from textual.style import Style as TextualStyle
from textual.visual import RenderOptions, Visual

from umbel_console.render.palette import Palette
from umbel_console.session import Session
from umbel_console.widgets.thrifty_screen import ThriftyScreen


class Behind(Visual):
    """The screen behind a box, dimmed.

    Textual turns it into a Rich renderable and that into lines again, and mixes the colours of each
    piece anew, at every redraw of the box; there are few colours.

    Args:
        screen: What is behind.
        tint: Laid over it; may be clear.
    """

    def __init__(self, screen: Screen[object], tint: Color) -> None:
        self._screen = screen
        self._tint = tint

    def render_strips(
        self, width: int, height: int | None, style: TextualStyle, options: RenderOptions
    ) -> list[Strip]:
        """Return its lines."""
        lines = self._screen._compositor.render_strips()
        return [self._dimmed(line).adjust_cell_length(width) for line in lines[:height]]

    def get_optimal_width(self, rules: RulesMap, container_width: int) -> int:
        """Return the width of all there is."""
        return container_width

    def get_height(self, rules: RulesMap, width: int) -> int:
        """Return the height of all there is."""
        return self._screen.size.height

    def _dimmed(self, line: Strip) -> Strip:
        segments = [
            Segment(text, None if style is None else _tinted(style, self._tint))
            for text, style, _ in line
        ]
        return Strip(segments, line.cell_length)


@lru_cache(maxsize=4096)
def _tinted(style: Style, tint: Color) -> Style:
    plain = style.clear_meta_and_links()
    if not tint.a:
        return plain
    front, back = plain.color, plain.bgcolor
    return plain + Style.from_color(
        None if front is None else (Color.from_rich_color(front) + tint).rich_color,
        None if back is None else (Color.from_rich_color(back) + tint).rich_color,
    )


class Overlay(
    ThriftyScreen[ScreenResultType], ModalScreen[ScreenResultType], Generic[ScreenResultType]
):
    """A modal screen around one `Vertical`; what is behind it is dimmed, not hidden.

    Args:
        session: For the colours.
    """

    DEFAULT_CSS = """
    Overlay { align: center middle; }
    Overlay > Vertical {
        max-width: 96%; height: auto; max-height: 94%; padding: 0 1;
        background: $surface; border: round $scrollbar;
    }
    Overlay.-plain > Vertical { border: ascii $scrollbar; }
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._dressed: Palette | None = None
        self.set_class(not session.unicode, "-plain")

    def on_mount(self) -> None:
        """Let the tab be seen."""
        self._dress()

    def on_screen_resume(self) -> None:
        """Dress in the present colours: a box that is kept may have been made in others."""
        self._dress()

    def _dress(self) -> None:
        """Take the colours; sixteen of them cannot be mixed, so there the tab is not dimmed."""
        palette = self._session.palette
        if palette is self._dressed:
            return
        self._dressed = palette
        self.styles.background = (
            Color(0, 0, 0, 0) if palette.ansi else Color.parse(palette.background).with_alpha(0.5)
        )

    def on_resize(self, event: events.Resize) -> None:
        """Fit the box into the new height; Textual remembers how high its lists were."""
        for box in self.query(Vertical):
            for child in box.children:
                child.refresh(layout=True)

    def render(self) -> RenderableType | Visual:  # type: ignore[override]
        """Return what is seen around the box."""
        behind = super().render()
        if isinstance(behind, BackgroundScreen):
            return Behind(behind.screen, behind.color)
        return behind

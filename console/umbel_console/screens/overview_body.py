"""The body of Overview: where its panels stand, which list has the keys, and scrolling to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.geometry import Offset

from umbel_console.render.context import DrawContext
from umbel_console.screens.overview_charts import CHARTS
from umbel_console.screens.overview_layout import Place, overview_layout
from umbel_console.screens.overview_lists import ListPanel, list_panels
from umbel_console.session import Session
from umbel_console.widgets.chart import Block


class OverviewBody(VerticalScroll, can_focus=False):
    """All panels, placed for the width there is; what does not fit the height is scrolled to.

    Args:
        session: For colours.
        why_empty: Says why a list, by its name, has no rows.
    """

    DEFAULT_CSS = """
    OverviewBody { scrollbar-size-vertical: 0; }
    OverviewBody #canvas > * { position: absolute; }
    """

    def __init__(self, session: Session, why_empty: Callable[[str], str]) -> None:
        super().__init__(id="body")
        self.lists: list[ListPanel] = list_panels(
            session.draw, lambda name: lambda: why_empty(name)
        )
        self._laid_out: object = None
        self._wanted: dict[str, int] = {}
        self._places: Mapping[str, Place] = {}
        self._order: list[str] = []
        self._last_list = ""

    def compose(self) -> ComposeResult:
        """Yield all panels; `place` puts them where they stand."""
        # What stands at a place of its own does not count for how far one can scroll; the canvas does.
        with Container(id="canvas"):
            for name in ("figures", "advice", *CHARTS):
                yield Block(id=name)
            yield from self.lists

    def block(self, name: str) -> Block:
        """Return the figures, the advice or a chart."""
        return self.query_one(f"#{name}", Block)

    def panel(self, name: str) -> ListPanel:
        """Return a list."""
        return self.query_one(f"#{name}", ListPanel)

    def place(self, advice: int, wanted: Mapping[str, int]) -> None:
        """Place every panel for the present size.

        Args:
            advice: Lines of the advice.
            wanted: Lines that panels can fill. A panel keeps what it once had: rows that come and go
                must not move the others.
        """
        width, height = self.size
        for name, lines in wanted.items():
            self._wanted[name] = max(lines, self._wanted.get(name, 0))
        if (width, height, advice, self._wanted) == self._laid_out:
            return
        self._laid_out = width, height, advice, dict(self._wanted)
        places, lines = overview_layout(width, height, advice, self._wanted)
        self.query_one("#canvas").styles.height = max(lines, height)
        for name, place in places.items():
            panel = self.query_one(f"#{name}")
            panel.styles.offset = Offset(place.x, place.y)
            panel.styles.width, panel.styles.height = place.width, place.height
        self._places = places
        lists = [panel.id or "" for panel in self.lists]
        self._order = sorted(lists, key=lambda name: (places[name].y, places[name].x))

    def more(self, draw: DrawContext) -> Text | None:
        """Say where there is more than can be seen; None if there is not."""
        if not self.max_scroll_y:
            return None
        if self.scroll_y >= self.max_scroll_y:
            return draw.cell(draw.glyph("↑ more above", "^ more above"), "accent")
        return draw.cell(draw.glyph("↓ more below", "v more below"), "accent")

    # Lists

    @property
    def list_in_use(self) -> ListPanel:
        """The list that has the keys, or had them last."""
        focused = self.screen.focused if self.is_attached else None
        for panel in self.lists:
            if panel.table is focused:
                return panel
        first = self._order[0] if self._order else "problems"
        wanted = self._last_list or first
        return next(panel for panel in self.lists if panel.id == wanted)

    def step(self, by: int, *, around: bool = True) -> None:
        """Give the keys to the next list (1) or the one before (-1); not past an end unless ``around``."""
        if not self._order:
            return
        index = self._order.index(self.list_in_use.id or "") + by
        if not around and not 0 <= index < len(self._order):
            return
        self._last_list = self._order[index % len(self._order)]
        self.panel(self._last_list).table.focus(scroll_visible=False)
        self._reveal(self._last_list)

    def _reveal(self, name: str) -> None:
        """Scroll until the list is seen whole, and what stands above it if there is room."""
        place, height = self._places[name], self.size.height
        end = place.y + place.height
        above = max((p.y for p in self._places.values() if p.y < place.y), default=place.y)
        top = above if end - above <= height else place.y
        if top < self.scroll_y or end > self.scroll_y + height:
            # All the way up from the first list, so that the figures are seen too.
            self.scroll_to(y=0 if end <= height else top, animate=False)

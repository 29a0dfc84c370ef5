"""An act under way or over: how far it is, and what was seen of every target."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from umbel_console.render import acts as cells
from umbel_console.render.line import Part
from umbel_console.session import Session
from umbel_console.stores.acts import DOING, NAMES, ActRun, what
from umbel_console.widgets.document_view import DocumentView
from umbel_console.widgets.line import Line
from umbel_console.widgets.overlay import Overlay

LOOK_EVERY_S = 0.2


class ActProgress(Overlay[None]):
    """Shows one act until it is left; the act goes on without it.

    Args:
        session: For the colours and the acts.
        run: The act to begin with; left and right go to others.
    """

    AUTO_FOCUS = "DocumentView"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "leave", "close", show=False),
        Binding("s", "stop", "stop", show=False),
        Binding("left", "turn(-1)", "earlier act", show=False),
        Binding("right", "turn(1)", "later act", show=False),
    ]
    DEFAULT_CSS = """
    ActProgress > Vertical { width: 100; height: 70%; min-height: 12; padding: 0 2; }
    ActProgress #bar { margin-top: 1; }
    ActProgress #counts { margin-bottom: 1; }
    ActProgress.-one > Vertical { height: auto; max-height: 70%; min-height: 0; }
    ActProgress.-one DocumentView { height: 5; margin-top: 1; }
    ActProgress.-one #bar, ActProgress.-one #counts { display: none; }
    ActProgress DocumentView { padding: 0; }
    """

    def __init__(self, session: Session, run: ActRun) -> None:
        super().__init__(session)
        self._run = run
        self._drawn: object = None

    def compose(self) -> ComposeResult:
        """Lay out title, bar, counts, outcomes and what can be done."""
        with Vertical():
            yield Line(id="heading")
            yield Line(id="bar")
            yield Line(id="counts")
            yield DocumentView(self._session.draw)
            yield Line(id="hint")

    def on_mount(self) -> None:
        """Look on until it is left."""
        self.set_interval(LOOK_EVERY_S, self.look)
        self.look()

    def action_leave(self) -> None:
        """Leave it; what is under way goes on."""
        self._run.is_shown = False
        self.dismiss(None)

    def action_stop(self) -> None:
        """Begin no further target."""
        if not self._run.is_over:
            self._run.stop()
            self.look()

    def action_turn(self, by: int) -> None:
        """Show an earlier act or a later one."""
        runs = self._session.runs.all()
        place = runs.index(self._run) + by if self._run in runs else len(runs) - 1
        if 0 <= place < len(runs) and runs[place] is not self._run:
            self._run.is_shown = False
            self._run = runs[place]
            self.query_one(DocumentView).home()
            self.look()

    def look(self) -> None:
        """Draw what became known."""
        session, run = self._session, self._run
        session.runs.look(session.clock())
        run.was_seen, run.is_shown = run.is_over, True
        self.set_class(len(run.targets) == 1, "-one")
        draw = session.draw()
        self._draw_lines()
        drawn = (run, len(run.outcomes), run.is_over, draw.palette)
        if drawn != self._drawn:
            self._drawn = drawn
            self.query_one(DocumentView).show(cells.results(run, draw))

    def _draw_lines(self) -> None:
        session, run = self._session, self._run
        draw, targets = session.draw(), what(run.verb, len(run.targets))
        verb = NAMES[run.verb] if run.is_over else DOING[run.verb]
        heading = draw.empty().append_text(draw.cell(f"{verb} {targets} in ", "accent", bold=True))
        heading.append_text(cells.environment(session.settings.context, draw))
        parts = [Part(heading)]
        runs = session.runs.all()
        if len(runs) > 1 and run in runs:
            arrows = draw.glyph("← →", "left right")
            words = f"act {runs.index(run) + 1} of {len(runs)}, {arrows}"
            parts.append(Part(draw.cell(words, "muted"), 1, right=True))
        self.query_one("#heading", Line).show(parts)
        self.query_one("#bar", Line).show([Part(cells.bar(run, draw))])
        self.query_one("#counts", Line).show([Part(cells.counts(run, draw))])
        self.query_one("#hint", Line).show([Part(draw.cell(self._hint(), "muted"))])

    def _hint(self) -> str:
        run = self._run
        if run.is_over:
            return "esc closes; the audit keeps every outcome"
        if run.is_stopping:
            return "It ends with what is under way. esc leaves it."
        return "esc leaves it going on, s stops it, o comes back to it"

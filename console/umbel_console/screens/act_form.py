"""What the forms have in common whose fields are put together into an act: lines, keys, the ways out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from umbel_console.render.acts import environment
from umbel_console.render.line import Part
from umbel_console.screens.act_dialog import ActDialog, Choice, Decision
from umbel_console.widgets.kept_screens import kept
from umbel_console.widgets.line import Line
from umbel_console.widgets.overlay import Overlay
from umbel_console.widgets.prompt import Prompt
from umbel_console.widgets.push import Push


class ActForm(Overlay[Decision | None]):
    """A form around one `Vertical` that begins with the line ``heading``; ends with the decision, or None.

    A subclass lays it out, and says what is asked before it is done.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "close", show=False),
        Binding("right", "app.focus_next", "next", show=False),
        Binding("left", "app.focus_previous", "previous", show=False),
    ]
    DEFAULT_CSS = """
    ActForm > Vertical { padding: 0 2; }
    ActForm Horizontal { height: 1; }
    """

    def check(self) -> None:
        """Look at what is typed by now."""
        raise NotImplementedError

    def choice(self) -> Choice | None:
        """Return what is to be asked; None if something is wrong, which is said."""
        raise NotImplementedError

    def typed(self, field: str | None, value: str) -> None:
        """Take note that a field was changed, before all are checked."""

    def complete(self) -> None:
        """Complete what is typed; by default go on to the next field."""
        self.focus_next()

    def field(self, name: str, hint: str) -> ComposeResult:
        """Lay out a line to type in, named ``name``, beside its label."""
        with Horizontal():
            yield Line(id=f"label-{name}").add_class("label")
            yield Prompt(id=name, placeholder=hint)

    def pushes(self) -> ComposeResult:
        """Lay out the two ways out."""
        draw = self._session.draw
        with Horizontal(id="pushes"):
            yield Push(draw, "Back", id="back")
            yield Push(draw, "Go on", role="bad", id="go")

    def name_fields(self, title: str, labels: Iterable[tuple[str, str]]) -> None:
        """Draw the heading, ``title`` and the cluster, and the labels by field."""
        draw = self._session.draw()
        heading = draw.empty().append_text(draw.cell(f"{title} in ", "accent", bold=True))
        heading.append_text(environment(self._session.settings.context, draw))
        esc = Part(draw.cell("esc closes", "muted"), 1, right=True)
        self.query_one("#heading", Line).show([Part(heading), esc])
        for field, label in labels:
            self.query_one(f"#label-{field}", Line).show([Part(draw.cell(label, "muted"))])

    # Typing

    def on_input_changed(self, event: Prompt.Changed) -> None:
        """Check what was typed."""
        event.stop()
        self.typed(event.input.id, event.value)
        self.check()

    def on_input_submitted(self, event: Prompt.Submitted) -> None:
        """Go on to the next field."""
        event.stop()
        self.focus_next()

    def on_prompt_completion_asked(self, event: Prompt.CompletionAsked) -> None:
        """Complete, or go on to the next field."""
        event.stop()
        self.complete()

    # Leaving

    def on_prompt_left(self, event: Prompt.Left) -> None:
        """Change nothing."""
        event.stop()
        self.dismiss(None)

    def action_leave(self) -> None:
        """Change nothing."""
        self.dismiss(None)

    def on_push_pushed(self, event: Push.Pushed) -> None:
        """Leave, or ask whether to do it."""
        event.stop()
        if event.push.id == "back":
            self.dismiss(None)
            return
        choice = self.choice()
        if choice is not None:
            dialog = kept(self.app, ActDialog, self._session).about([choice], {})
            self.app.push_screen(dialog, self._decided)

    def _decided(self, decision: Decision | None) -> None:
        if decision is not None:
            self.dismiss(decision)

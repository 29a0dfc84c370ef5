"""The form in which a task is put together before it is run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import TextArea

from umbel_backend.errors import UmbelError
from umbel_console.acting import TaskOrder, Wanted
from umbel_console.render.acts import environment
from umbel_console.render.line import Part
from umbel_console.screens.act_dialog import ActDialog, Choice, Decision
from umbel_console.session import Session
from umbel_console.stores import arguments, task_order
from umbel_console.widgets.json_editor import JsonEditor
from umbel_console.widgets.line import Line
from umbel_console.widgets.overlay import Overlay
from umbel_console.widgets.prompt import Prompt
from umbel_console.widgets.push import Push

ROWS: tuple[tuple[str, str, str], ...] = (
    ("queue", "Queue", "where it was seen last, else the workers' default"),
    ("priority", "Priority", "high, normal, low, or a number"),
    ("eta", "Not before", "90s, 5m, 2h, or 2026-11-01T12:30 (UTC)"),
    ("expires", "Expires", "90s, 5m, 2h, or 2026-11-01T12:30 (UTC)"),
    ("tags", "Tags", "user_id=4711 deployment_id=v4"),
)
"""Field, label and what may be typed there."""
LONGEST = 255
"""Characters of a task's name."""


class RunForm(Overlay[Decision | None]):
    """Asks what is to be run; ends with the decision, or None if nothing is.

    Args:
        session: For the colours, the acts, and the names that are known.
        name: The task to begin with.
    """

    AUTO_FOCUS = "#name"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "close", show=False),
        Binding("right", "app.focus_next", "next", show=False),
        Binding("left", "app.focus_previous", "previous", show=False),
    ]
    DEFAULT_CSS = """
    RunForm > Vertical { width: 94; padding: 0 2; }
    RunForm Horizontal { height: 1; }
    RunForm .label { width: 12; }
    RunForm JsonEditor { height: 7; }
    RunForm #offered, RunForm #heading { margin-bottom: 1; }
    RunForm #where, RunForm #pushes { margin-top: 1; }
    RunForm.-low #offered, RunForm.-low #heading, RunForm.-low #where { margin: 0; }
    RunForm.-low JsonEditor { height: 4; }
    RunForm.-low #pushes { margin: 0; }
    """

    def __init__(self, session: Session, name: str = "") -> None:
        super().__init__(session)
        self._first_name = name
        self._known: set[str] = {each.name for each in session.tasks.records() if each.name}
        self._taken = -1
        self._offers: Sequence[str] = ()

    def compose(self) -> ComposeResult:
        """Lay out the fields, what is wrong with them, and the two ways out."""
        draw = self._session.draw
        with Vertical():
            yield Line(id="heading")
            yield from self._row("name", "Task", "as its workers register it")
            yield Line(id="offered")
            yield JsonEditor(arguments.EMPTY)
            for field, label, hint in ROWS:
                yield from self._row(field, label, hint)
            yield Line(id="where")
            with Horizontal(id="pushes"):
                yield Push(draw, "Back", id="back")
                yield Push(draw, "Go on", role="bad", id="go")

    def _row(self, field: str, label: str, hint: str) -> ComposeResult:
        with Horizontal():
            line = Line(id=f"label-{field}").add_class("label")
            yield line
            yield Prompt(id=field, placeholder=hint)

    def on_mount(self) -> None:
        """Name the fields, and ask which tasks there are."""
        draw = self._session.draw()
        heading = draw.empty().append_text(draw.cell("Run a task in ", "accent", bold=True))
        heading.append_text(environment(self._session.settings.context, draw))
        esc = Part(draw.cell("esc closes", "muted"), 1, right=True)
        self.query_one("#heading", Line).show([Part(heading), esc])
        for field, label, _ in (("name", "Task", ""), *ROWS):
            self.query_one(f"#label-{field}", Line).show([Part(draw.cell(label, "muted"))])
        self.query_one("#name", Prompt).put(self._first_name)
        self._ask()

    def on_resize(self, event: events.Resize) -> None:
        """Do without empty lines in a low window."""
        self.set_class(event.size.height < 26, "-low")

    @work(exclusive=True, exit_on_error=False)
    async def _ask(self) -> None:
        acts = self._session.acts
        assert acts is not None, "the key says so without"
        try:
            named = await acts.registered()
        except UmbelError:
            # The dialog that follows says what is wrong; names that were seen can be completed.
            return
        # What could not be typed is not offered for typing.
        self._known |= {each for each in named if each.isprintable() and len(each) <= LONGEST}
        if self.is_mounted:
            self._check()

    # Typing

    def on_input_changed(self, event: Prompt.Changed) -> None:
        """Check what was typed."""
        event.stop()
        if event.input.id == "name" and event.value not in self._offers:
            self._taken = -1
        self._check()

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        """Check what was typed."""
        event.stop()
        self._check()

    def on_input_submitted(self, event: Prompt.Submitted) -> None:
        """Go on to the next field."""
        event.stop()
        self.focus_next()

    def on_prompt_completion_asked(self, event: Prompt.CompletionAsked) -> None:
        """Complete the name, asked again with the next one that could be meant; else go on."""
        event.stop()
        prompt = self.query_one("#name", Prompt)
        is_name = prompt.has_focus
        if is_name and self._taken < 0:
            self._offers = task_order.offered(prompt.value, self._known)
        others = [each for each in self._offers if each != prompt.value]
        if not is_name or not others or (self._taken < 0 and prompt.value in self._offers):
            self.focus_next()
            return
        self._taken = (self._taken + 1) % len(self._offers)
        prompt.put(self._offers[self._taken])

    def on_prompt_left(self, event: Prompt.Left) -> None:
        """Run nothing."""
        event.stop()
        self.dismiss(None)

    def action_leave(self) -> None:
        """Run nothing."""
        self.dismiss(None)

    @property
    def _found(self) -> TaskOrder | str:
        draw = self._session.draw()
        typed = {field: self.query_one(f"#{field}", Prompt).value for field in task_order.FIELDS}
        levels = {word: number for number, word in draw.levels.items()}
        return task_order.read(typed, self.query_one(JsonEditor).text, levels, draw.now)

    def _check(self) -> None:
        draw, found = self._session.draw(), self._found
        is_ready = not isinstance(found, str)
        words = "Go on shows where it goes and asks for a reason." if is_ready else str(found)
        self.query_one("#where", Line).show(
            [Part(draw.cell(words, "muted" if is_ready else "warn"))]
        )
        self.query_one("#go", Push).disabled = not is_ready
        self._offer()

    def _offer(self) -> None:
        draw, name = self._session.draw(), self.query_one("#name", Prompt).value.strip()
        indent = " " * 12
        if name in self._known:
            seen = self._seen(name)
            words = f"{indent}seen last with {seen}" if seen else f"{indent}workers know it"
        else:
            names = task_order.offered(name, self._known)
            words = f"{indent}tab {'  '.join(names)}" if names else f"{indent}no worker told of it"
        self.query_one("#offered", Line).show([Part(draw.cell(words, "muted"))])

    def _seen(self, name: str) -> str:
        """Return the arguments that a task of this name was seen with last; empty if it was not."""
        found = [each for each in self._session.tasks.records() if each.name == name and each.args]
        if not found:
            return ""
        last = max(found, key=lambda each: each.state_at)
        return f"{last.args} {last.kwargs or '{}'}"

    # Going on

    def on_push_pushed(self, event: Push.Pushed) -> None:
        """Leave, or ask whether to run it."""
        event.stop()
        found = self._found
        if event.push.id == "back":
            self.dismiss(None)
        elif not isinstance(found, str):
            wanted = Wanted(verb="run", ids=[found.name], order=found)
            count = f"{len(found.args)} positional, {len(found.kwargs)} by keyword"
            choice = Choice(words=f"{found.name}, arguments: {count}", wanted=wanted)
            self.app.push_screen(ActDialog(self._session, [choice], {}), self._decided)

    def _decided(self, decision: Decision | None) -> None:
        if decision is not None:
            self.dismiss(decision)

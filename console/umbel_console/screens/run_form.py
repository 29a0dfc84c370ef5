"""The form in which a task is put together before it is run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from textual import events, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static, TextArea

from umbel_backend.errors import UmbelError
from umbel_console.acting import TaskOrder, Wanted
from umbel_console.render.line import Part
from umbel_console.render.prose import paragraph
from umbel_console.render.signature import help_rows
from umbel_console.screens.act_dialog import Choice, Decision
from umbel_console.screens.act_form import ActForm
from umbel_console.session import Session
from umbel_console.stores import arguments, task_order
from umbel_console.widgets.json_editor import JsonEditor
from umbel_console.widgets.kept_screens import KeptScreen
from umbel_console.widgets.line import Line
from umbel_console.widgets.prompt import Prompt
from umbel_console.widgets.push import Push

if TYPE_CHECKING:
    from umbel_backend.acts.signature import Signature

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
ALL_THE_SAME = "Enter again goes on all the same."
LOW, LOWEST = 26, 20
"""Lines of a window below which the form does without empty ones, and with one line of help."""


class RunForm(ActForm, KeptScreen[Decision | None]):
    """Asks what is to be run; ends with the decision, or None if nothing is.

    Args:
        session: For the colours, the acts, and the names that are known.
    """

    AUTO_FOCUS = "#name"
    DEFAULT_CSS = """
    RunForm > Vertical { width: 94; }
    RunForm .label { width: 12; }
    RunForm JsonEditor { height: 7; }
    RunForm #help { height: auto; margin: 0 0 1 12; }
    RunForm #heading { margin-bottom: 1; }
    RunForm #where, RunForm #pushes { margin-top: 1; }
    RunForm.-low #heading, RunForm.-low #where { margin: 0; }
    RunForm.-low #help { margin: 0 0 0 12; }
    RunForm.-low JsonEditor { height: 4; }
    RunForm.-lowest JsonEditor { height: 3; }
    RunForm.-low #pushes { margin: 0; }
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._first_name = ""
        self._known: set[str] = set()
        self._taken = -1
        self._offers: Sequence[str] = ()
        self._signatures: dict[str, Sequence[Signature]] = {}
        """By name of the tasks that agents were asked about."""
        self._doubted: tuple[str, str] | None = None
        """Name and arguments that are to be run although they do not seem to fit."""

    def about(self, name: str) -> Self:
        """Begin with the task ``name`` when it is shown next; it may be empty."""
        self._first_name = name
        self.renew()
        return self

    def compose(self) -> ComposeResult:
        """Lay out the fields, what is wrong with them, and the two ways out."""
        with Vertical():
            yield Line(id="heading")
            yield from self.field("name", "as its workers register it")
            yield Static(id="help")
            yield JsonEditor(arguments.EMPTY)
            for field, _, hint in ROWS:
                yield from self.field(field, hint)
            yield Line(id="where")
            yield from self.pushes()

    def begin_anew(self) -> None:
        """Begin with nothing typed but the name, and ask which tasks there are."""
        self.workers.cancel_node(self)
        self._known = {each.name for each in self._session.tasks.records() if each.name}
        self._taken, self._offers, self._doubted = -1, (), None
        self._signatures.clear()
        labels = ((field, label) for field, label, _ in ROWS)
        self.name_fields("Run a task", (("name", "Task"), *labels))
        for prompt in self.query(Prompt):
            prompt.put("")
        self.query_one(JsonEditor).text = arguments.EMPTY
        name = self.query_one("#name", Prompt)
        name.put(self._first_name)
        name.focus()
        self._ask()

    def on_resize(self, event: events.Resize) -> None:
        """Do without empty lines in a low window."""
        self.set_class(event.size.height < LOW, "-low")
        self.set_class(event.size.height < LOWEST, "-lowest")
        self.call_after_refresh(self._offer)

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
        if self.is_current:
            self.check()

    @work(group="signatures", exit_on_error=False)
    async def _ask_signatures(self, name: str) -> None:
        acts = self._session.acts
        assert acts is not None, "the key says so without"
        try:
            self._signatures[name] = await acts.signatures(name)
        except UmbelError:
            # It is a help only; without it the form is as it was.
            self._signatures[name] = ()
        if self.is_current:
            self.check()

    # Typing

    def typed(self, field: str | None, value: str) -> None:
        """Begin to complete anew where another name was typed."""
        if field == "name" and value not in self._offers:
            self._taken = -1

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        """Check what was typed."""
        event.stop()
        self.check()

    def complete(self) -> None:
        """Complete the name, asked again with the next one that could be meant; else go on."""
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

    @property
    def _found(self) -> TaskOrder | str:
        draw = self._session.draw()
        typed = {field: self.query_one(f"#{field}", Prompt).value for field in task_order.FIELDS}
        levels = {word: number for number, word in draw.levels.items()}
        return task_order.read(typed, self.query_one(JsonEditor).text, levels, draw.now)

    @property
    def _typed(self) -> tuple[str, str]:
        return self.query_one("#name", Prompt).value.strip(), self.query_one(JsonEditor).text

    def check(self) -> None:
        """Tell what is wrong with what is typed, and what is known of the task."""
        draw, found = self._session.draw(), self._found
        is_ready = not isinstance(found, str)
        doubt = None if isinstance(found, str) else self._doubt(found)
        words, role = str(found), "warn"
        if doubt is not None:
            words = doubt if self._typed != self._doubted else f"{doubt} {ALL_THE_SAME}"
        elif is_ready:
            words, role = "Go on shows where it goes and asks for a reason.", "muted"
        self.query_one("#where", Line).show([Part(draw.cell(words, role))])
        self.query_one("#go", Push).disabled = not is_ready
        self._offer()

    def _doubt(self, order: TaskOrder) -> str | None:
        """Return why the task would probably fail, as far as agents told what it takes."""
        from umbel_backend.acts.signature import mistake_in

        return mistake_in(self._signatures.get(order.name, ()), order.args, order.kwargs)

    def _offer(self) -> None:
        draw, name = self._session.draw(), self.query_one("#name", Prompt).value.strip()
        shown = self.query_one("#help", Static)
        room, most = max(20, shown.size.width), 1 if self.size.height < LOWEST else 4
        if name in self._known:
            if name not in self._signatures:
                self._signatures[name] = ()
                self._ask_signatures(name)
            rows = help_rows(self._signatures[name], self._seen(name), room, most, draw)
        else:
            names = task_order.offered(name, self._known)
            words = f"tab {'  '.join(names)}" if names else "no worker told of it"
            rows = [draw.cell(words, "muted")]
        shown.update(paragraph(rows))

    def _seen(self, name: str) -> str:
        """Return the arguments that a task of this name was seen with last; empty if it was not."""
        found = [each for each in self._session.tasks.records() if each.name == name and each.args]
        if not found:
            return ""
        last = max(found, key=lambda each: each.state_at)
        return f"{last.args} {last.kwargs or '{}'}"

    # Going on

    def choice(self) -> Choice | None:
        """Return the task to be run; arguments that do not seem to fit are meant once they are twice."""
        found = self._found
        if isinstance(found, str):
            return None
        if self._doubt(found) is not None and self._typed != self._doubted:
            self._doubted = self._typed
            self.check()
            return None
        wanted = Wanted(verb="run", ids=[found.name], order=found)
        count = f"{len(found.args)} positional, {len(found.kwargs)} by keyword"
        return Choice(words=f"{found.name}, arguments: {count}", wanted=wanted)

"""The form in which a retry policy is put together or changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from umbel_console.acting import Wanted
from umbel_console.render.acts import environment
from umbel_console.render.line import Part
from umbel_console.render.prose import paragraph, wrapped
from umbel_console.screens.act_dialog import ActDialog, Choice, Decision
from umbel_console.session import Session
from umbel_console.stores import policies as stored
from umbel_console.widgets.line import Line
from umbel_console.widgets.overlay import Overlay
from umbel_console.widgets.prompt import Prompt
from umbel_console.widgets.push import Push

if TYPE_CHECKING:
    from umbel_backend.policies.retry import RetryPolicy

LOW = 24


class PolicyForm(Overlay[Decision | None]):
    """Asks for every field of a policy; ends with the decision to set it, or None.

    Args:
        session: For the colours and the acts.
        policy: What to begin with.
        is_new: There is none of its pattern yet.
    """

    AUTO_FOCUS = "#pattern"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "close", show=False),
        Binding("right,down", "app.focus_next", "next", show=False),
        Binding("left,up", "app.focus_previous", "previous", show=False),
    ]
    DEFAULT_CSS = """
    PolicyForm > Vertical { width: 84; padding: 0 2; }
    PolicyForm Horizontal { height: 1; }
    PolicyForm .label { width: 15; }
    PolicyForm #heading { margin-bottom: 1; }
    PolicyForm Static { height: auto; min-height: 2; margin: 1 0; }
    PolicyForm.-low #heading, PolicyForm.-low Static { margin: 0; }
    """

    def __init__(self, session: Session, policy: RetryPolicy, *, is_new: bool) -> None:
        super().__init__(session)
        self._policy = policy
        self._is_new = is_new

    def compose(self) -> ComposeResult:
        """Lay out the fields, what the policy would do, and the two ways out."""
        draw = self._session.draw
        with Vertical():
            yield Line(id="heading")
            for field, _, hint in stored.FIELDS:
                with Horizontal():
                    yield Line(id=f"label-{field}").add_class("label")
                    yield Prompt(id=field, placeholder=hint)
            yield Static(id="told")
            with Horizontal():
                yield Push(draw, "Back", id="back")
                yield Push(draw, "Go on", role="bad", id="go")

    def on_mount(self) -> None:
        """Name the fields, and put in what the policy says now."""
        draw, given = self._session.draw(), stored.typed(self._policy)
        title = "New retry policy in " if self._is_new else "Change a retry policy in "
        heading = draw.empty().append_text(draw.cell(title, "accent", bold=True))
        heading.append_text(environment(self._session.settings.context, draw))
        esc = Part(draw.cell("esc closes", "muted"), 1, right=True)
        self.query_one("#heading", Line).show([Part(heading), esc])
        for field, label, _ in stored.FIELDS:
            self.query_one(f"#label-{field}", Line).show([Part(draw.cell(label, "muted"))])
            self.query_one(f"#{field}", Prompt).put(given[field])
        self._check()

    def on_resize(self, event: events.Resize) -> None:
        """Do without empty lines in a low window."""
        self.set_class(event.size.height < LOW, "-low")
        self.call_after_refresh(self._check)

    def on_input_changed(self, event: Prompt.Changed) -> None:
        """Check what was typed."""
        event.stop()
        self._check()

    def on_input_submitted(self, event: Prompt.Submitted) -> None:
        """Go on to the next field."""
        event.stop()
        self.focus_next()

    def on_prompt_completion_asked(self, event: Prompt.CompletionAsked) -> None:
        """Go on to the next field."""
        event.stop()
        self.focus_next()

    def on_prompt_left(self, event: Prompt.Left) -> None:
        """Change nothing."""
        event.stop()
        self.dismiss(None)

    def action_leave(self) -> None:
        """Change nothing."""
        self.dismiss(None)

    @property
    def _found(self) -> RetryPolicy | str:
        fields = (field for field, _, _ in stored.FIELDS)
        return stored.read({field: self.query_one(f"#{field}", Prompt).value for field in fields})

    def _check(self) -> None:
        draw, found = self._session.draw(), self._found
        words, role = (found, "warn") if isinstance(found, str) else (self._told(found), "good")
        told = self.query_one("#told", Static)
        room = max(20, told.size.width)
        told.update(paragraph(wrapped(draw.cell(words, role), room, 3, draw)))
        self.query_one("#go", Push).disabled = isinstance(found, str)

    @staticmethod
    def _told(policy: RetryPolicy) -> str:
        from umbel_backend.policies.retry import in_words

        return f"Failed tasks {policy.pattern}: {in_words(policy)}."

    def on_push_pushed(self, event: Push.Pushed) -> None:
        """Leave, or ask whether to set it."""
        event.stop()
        found = self._found
        if event.push.id == "back":
            self.dismiss(None)
        elif not isinstance(found, str):
            wanted = Wanted(verb="policy set", ids=[f"retry {found.pattern}"], policy=found)
            words = f"failed tasks {found.pattern}, on every worker with the agent"
            dialog = ActDialog(self._session, [Choice(words=words, wanted=wanted)], {})
            self.app.push_screen(dialog, self._decided)

    def _decided(self, decision: Decision | None) -> None:
        if decision is not None:
            self.dismiss(decision)

"""The form in which a retry policy is put together or changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Static

from umbel_console.acting import Wanted
from umbel_console.render.prose import paragraph, wrapped
from umbel_console.screens.act_dialog import Choice
from umbel_console.screens.act_form import ActForm
from umbel_console.session import Session
from umbel_console.stores import policies as stored
from umbel_console.widgets.line import Line
from umbel_console.widgets.prompt import Prompt
from umbel_console.widgets.push import Push

if TYPE_CHECKING:
    from umbel_backend.policies.retry import RetryPolicy

LOW = 24


class PolicyForm(ActForm):
    """Asks for every field of a policy; ends with the decision to set it, or None.

    Args:
        session: For the colours and the acts.
        policy: What to begin with.
        is_new: There is none of its pattern yet.
    """

    AUTO_FOCUS = "#pattern"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "app.focus_next", "next", show=False),
        Binding("up", "app.focus_previous", "previous", show=False),
    ]
    DEFAULT_CSS = """
    PolicyForm > Vertical { width: 84; }
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
        with Vertical():
            yield Line(id="heading")
            for field, _, hint in stored.FIELDS:
                yield from self.field(field, hint)
            yield Static(id="told")
            yield from self.pushes()

    def on_mount(self) -> None:
        """Name the fields, and put in what the policy says now."""
        given = stored.typed(self._policy)
        title = "New retry policy" if self._is_new else "Change a retry policy"
        self.name_fields(title, ((field, label) for field, label, _ in stored.FIELDS))
        for field, _, _ in stored.FIELDS:
            self.query_one(f"#{field}", Prompt).put(given[field])
        self.check()

    def on_resize(self, event: events.Resize) -> None:
        """Do without empty lines in a low window."""
        self.set_class(event.size.height < LOW, "-low")
        self.call_after_refresh(self.check)

    @property
    def _found(self) -> RetryPolicy | str:
        fields = (field for field, _, _ in stored.FIELDS)
        return stored.read({field: self.query_one(f"#{field}", Prompt).value for field in fields})

    def check(self) -> None:
        """Tell what the policy would do, or what is wrong with it."""
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

    def choice(self) -> Choice | None:
        """Return the policy to be set."""
        found = self._found
        if isinstance(found, str):
            return None
        wanted = Wanted(verb="policy set", ids=[f"retry {found.pattern}"], policy=found)
        words = f"failed tasks {found.pattern}, on every worker with the agent"
        return Choice(words=words, wanted=wanted)

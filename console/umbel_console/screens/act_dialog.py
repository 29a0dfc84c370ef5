"""The question before every act: what, how many, where, why; nothing is done until it is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

from msgspec import Struct
from rich.text import Text
from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from umbel_backend.errors import UmbelError
from umbel_console.acting import RATES, Outlook, Wanted
from umbel_console.render import acts as cells
from umbel_console.render.line import Part
from umbel_console.render.prose import paragraph, wrapped
from umbel_console.session import Session
from umbel_console.stores.acts import NAMES, what
from umbel_console.widgets.kept_screens import KeptScreen
from umbel_console.widgets.line import Line
from umbel_console.widgets.overlay import Overlay
from umbel_console.widgets.prompt import Prompt
from umbel_console.widgets.push import Push

NAMED = ("queue purge",)
"""Acts before which the name of the target is typed, on every cluster."""
LOOKING = "Looking where they are; workers have 2 s to answer."
LOOKING_BACK = "Looking what is known of their messages."
LOW = 22
"""Lines of a window from which down the dialog does without empty ones."""
BESIDES, BESIDES_LOW = 12, 8
"""Lines of the dialog besides what would come of the act."""


class Choice(Struct, frozen=True, kw_only=True):
    """A set of targets that an act can be about."""

    words: str
    """Names the set: ``37 marked tasks, 12 of them hidden by the filter``."""
    wanted: Wanted


class Decision(Struct, frozen=True, kw_only=True):
    """What the operator decided to do."""

    wanted: Wanted
    ids: Sequence[str]
    names: Mapping[str, str]
    reason: str


class ActDialog(Overlay[Decision | None], KeptScreen[Decision | None]):
    """Asks whether to act; ends with the decision, or None if nothing is to be done.

    Args:
        session: For the colours, the cluster's name and the acts.
    """

    AUTO_FOCUS = "#back"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "close", show=False),
        Binding("y", "decide", "do it", show=False),
        Binding("a", "turn", "other targets", show=False),
        Binding("t", "twice", "include what may run twice", show=False),
        Binding("m", "rate", "rate", show=False),
        Binding("right,down", "app.focus_next", "next", show=False),
        Binding("left,up", "app.focus_previous", "previous", show=False),
    ]
    DEFAULT_CSS = """
    ActDialog > Vertical { width: 84; padding: 0 2; }
    ActDialog Static { height: auto; margin: 1 0; }
    ActDialog Horizontal { height: 1; }
    ActDialog #why { width: 8; }
    ActDialog.-protected #why, ActDialog #type { width: 22; }
    ActDialog #pushes { margin: 1 0; }
    ActDialog #typing { display: none; }
    ActDialog #typing.-on { display: block; }
    ActDialog.-low Static, ActDialog.-low #pushes { margin: 0; }
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._choices: Sequence[Choice] = ()
        self._at = 0
        self._twice = False
        self._rate = RATES[0]
        self._names: Mapping[str, str] = {}
        self._outlook: Outlook | None = None
        self._problem: str | None = None
        self._hinted: tuple[str, str] | None = None

    def about(self, choices: Sequence[Choice], names: Mapping[str, str]) -> Self:
        """Ask about an act when it is shown next.

        Args:
            choices: What the act can be about; the first one is offered, another has to be chosen.
            names: Task names by id, as far as they are known.
        """
        self._choices, self._names = choices, names
        self.renew()
        return self

    def compose(self) -> ComposeResult:
        """Lay out what is asked, the reason, what is to be typed, and the two ways out."""
        draw = self._session.draw
        with Vertical():
            yield Line(id="heading")
            yield Line(id="targets")
            yield Static(id="outlook")
            with Horizontal():
                yield Line(id="why")
                yield Prompt(id="reason", placeholder="for the audit")
            with Horizontal(id="typing"):
                yield Line(id="type")
                yield Prompt(id="typed")
            with Horizontal(id="pushes"):
                yield Push(draw, "Back", id="back")
                yield Push(draw, "", role="bad", id="do")
            yield Line(id="hint")

    def begin_anew(self) -> None:
        """Ask what would come of it, with nothing typed, and the keys on the way back."""
        draw = self._session.draw()
        self._at, self._rate = 0, RATES[0]
        self._twice = self._choices[0].wanted.twice
        for prompt in self.query(Prompt):
            prompt.put("")
        self.query_one("#back", Push).focus()
        self.query_one("#why", Line).show([Part(draw.cell("Reason", "muted"))])
        self._look_again()

    # What it is about

    @property
    def _wanted(self) -> Wanted:
        from msgspec.structs import replace

        return replace(self._choices[self._at].wanted, twice=self._twice, rate=self._rate)

    @property
    def _ids(self) -> Sequence[str] | None:
        """What it is about; None while that is being found out."""
        if self._wanted.chosen is None:
            return self._wanted.ids
        return None if self._outlook is None else self._outlook.ids

    def action_turn(self) -> None:
        """Let it be about the other targets."""
        if len(self._choices) > 1:
            self._at = (self._at + 1) % len(self._choices)
            self._twice = self._choices[self._at].wanted.twice
            self._look_again()

    def action_twice(self) -> None:
        """Include what may do the same for the second time, or leave it out again."""
        if self._wanted.verb == "retry" and (self._twice or (self._outlook or Outlook()).left_out):
            self._twice = not self._twice
            self._look_again()

    def action_rate(self) -> None:
        """Choose another rate."""
        if self._wanted.verb == "retry":
            self._rate = RATES[(RATES.index(self._rate) + 1) % len(RATES)]
            self._look_again()

    def _look_again(self) -> None:
        self._outlook = self._problem = self._hinted = None
        self._draw_all()
        self._look(self._wanted)

    @work(exclusive=True, exit_on_error=False)
    async def _look(self, wanted: Wanted) -> None:
        acts = self._session.acts
        if acts is None:
            self._problem = "This console has no way to act."
        else:
            try:
                self._outlook = await acts.outlook(wanted)
            except UmbelError as error:
                self._problem = str(error)
        if self.is_current:
            self._draw_all()

    # Deciding

    def on_push_pushed(self, event: Push.Pushed) -> None:
        """Go back, or do it."""
        event.stop()
        if event.push.id == "back":
            self.dismiss(None)
        else:
            self.action_decide()

    def action_leave(self) -> None:
        """Do nothing."""
        self.dismiss(None)

    def action_decide(self) -> None:
        """Do it, or say why that cannot be."""
        why, ids = self._why_not(), self._ids
        if why is not None or ids is None:
            self._hinted = (why or "", "warn")
            self._draw_hint()
            return
        names = {**self._names, **(self._outlook or Outlook()).names}
        reason = self.query_one("#reason", Prompt).value.strip()
        self.dismiss(Decision(wanted=self._wanted, ids=ids, names=names, reason=reason))

    def _why_not(self) -> str | None:
        if self._problem is not None:
            return "It cannot be done; esc closes."
        ids, outlook = self._ids, self._outlook
        if ids is None:
            return "What matches is still being counted."
        if outlook is not None and (not ids or outlook.doable == 0):
            return "There is nothing to do; esc closes."
        wanted = self._to_type
        typed = self.query_one("#typed", Prompt)
        if wanted is not None and typed.value.strip() != wanted:
            typed.focus()
            if self._wanted.verb in NAMED:
                return f"Type the name, {wanted}, and press enter."
            return f"This cluster is protected: type {wanted} and press enter."
        return None

    @property
    def _to_type(self) -> str | None:
        """What has to be typed before it is done; None if nothing has to be."""
        if self._wanted.verb in NAMED:
            return self._wanted.ids[0]
        if not self._session.settings.context.protected:
            return None
        return "" if self._ids is None else str(len(self._ids))

    def on_input_submitted(self, event: Prompt.Submitted) -> None:
        """Go on from the reason; what had to be typed decides."""
        event.stop()
        if event.input.id == "typed":
            self.action_decide()
        else:
            self.focus_next()

    def on_prompt_completion_asked(self, event: Prompt.CompletionAsked) -> None:
        """Go on to the next field."""
        event.stop()
        self.focus_next()

    def on_prompt_left(self, event: Prompt.Left) -> None:
        """Do nothing."""
        event.stop()
        self.dismiss(None)

    # Drawing

    @property
    def _is_low(self) -> bool:
        return self.has_class("-low")

    def on_resize(self, event: events.Resize) -> None:
        """Let the sentences flow into the new width."""
        self.set_class(event.size.height < LOW, "-low")
        self.call_after_refresh(self._draw_all)

    def _draw_all(self) -> None:
        if not self._choices:
            return
        draw, ids, wanted = self._session.draw(), self._ids, self._wanted
        count = "all tasks that match" if ids is None else what(wanted.verb, len(ids))
        label = f"{NAMES[wanted.verb]} {count}"
        heading = draw.empty().append_text(draw.cell(f"{label} in ", "accent", bold=True))
        heading.append_text(cells.environment(self._session.settings.context, draw))
        self.query_one("#heading", Line).show([Part(heading)])
        self._draw_targets()
        body = self._body()
        self.query_one("#outlook", Static).update(body)
        push = self.query_one("#do", Push)
        push.say(label)
        to_type = self._to_type
        self.set_class(to_type is not None, "-protected")
        self.query_one("#typing").set_class(to_type is not None, "-on")
        if to_type is not None:
            asked = "its name" if wanted.verb in NAMED else to_type
            words = draw.cell(f"Type {asked} to go on", "warn")
            self.query_one("#type", Line).show([Part(words)])
        self._draw_hint()

    def _draw_targets(self) -> None:
        draw, choice = self._session.draw(), self._choices[self._at]
        parts = [Part(draw.cell(choice.words))]
        if len(self._choices) > 1:
            other = self._choices[(self._at + 1) % len(self._choices)]
            parts.append(Part(draw.cell(f"a takes {other.words}", "muted"), 1, right=True))
        self.query_one("#targets", Line).show(parts)

    def _body(self) -> Text:
        draw, outlook = self._session.draw(), self._outlook
        lines: list[Text] = []
        if self._problem is not None:
            lines.append(draw.cell(self._problem, "bad"))
        elif outlook is None:
            words = LOOKING_BACK if self._wanted.verb == "retry" else LOOKING
            lines.append(draw.cell(words, "muted"))
        else:
            width = max((len(f"{line.count:,}") for line in outlook.lines if line.count), default=1)
            lines += [cells.outlook_line(line, draw, width) for line in outlook.lines]
            if not outlook.ids:
                lines.append(draw.cell("Nothing matches that this could be done to.", "muted"))
        ids, verb = self._ids, self._wanted.verb
        # What is no task is named above already.
        if ids and " " not in verb and verb != "run":
            names = {**self._names, **(outlook or Outlook()).names}
            lines.append(cells.first_named(ids, names, draw))
        room = max(20, self.query_one("#outlook").size.width)
        rows = [row for line in lines for row in wrapped(line, room, 3, draw, hang=2)]
        most = max(2, self.size.height * 94 // 100 - (BESIDES_LOW if self._is_low else BESIDES))
        if len(rows) > most:
            words = f"{draw.glyph('…', '...')} {len(rows) - most + 1} more rows"
            rows = [*rows[: most - 1], draw.cell(words, "muted")]
        return paragraph(rows)

    def _draw_hint(self) -> None:
        draw = self._session.draw()
        if self._hinted is not None:
            self.query_one("#hint", Line).show([Part(draw.cell(*self._hinted))])
            return
        parts = [Part(draw.cell("y does it, tab moves, esc closes", "muted"))]
        outlook = self._outlook or Outlook()
        if self._wanted.verb == "retry":
            if outlook.left_out:
                words = f"t takes {outlook.left_out:,} more that may run twice"
                parts.append(Part(draw.cell(words, "warn"), 1))
            elif self._twice and self._wanted.chosen is not None:
                parts.append(Part(draw.cell("t leaves out what may run twice", "muted"), 1))
            if len(self._ids or ()) > 1:
                rate = f"{self._rate:,} a minute" if self._rate else "no limit"
                parts.append(Part(draw.cell(f"m rate: {rate}", "muted"), 2))
        self.query_one("#hint", Line).show(parts)

"""The editor in which the arguments of a task are changed before it is retried with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import TextArea

from umbel_backend.errors import UmbelError
from umbel_backend.records import TaskRecord
from umbel_console.acting import Known, Wanted
from umbel_console.render.acts import environment, short_id
from umbel_console.render.diff import difference
from umbel_console.render.document import DocLine, block, said
from umbel_console.render.line import Part
from umbel_console.screens.act_dialog import ActDialog, Choice, Decision
from umbel_console.session import Session
from umbel_console.stores import arguments
from umbel_console.stores.arguments import Arguments, Mistake
from umbel_console.widgets.document_view import DocumentView
from umbel_console.widgets.json_editor import JsonEditor
from umbel_console.widgets.kept_screens import kept
from umbel_console.widgets.line import Line
from umbel_console.widgets.overlay import Overlay
from umbel_console.widgets.push import Push

if TYPE_CHECKING:
    from umbel_backend.acts.signature import Signature

LOW = 26
"""Lines of a window from which on it tells what the task takes."""


class EditRetry(Overlay[Decision | None]):
    """Offers the arguments for editing; ends with the decision to retry with them, or None.

    Args:
        session: For the colours and the acts.
        record: The task.
    """

    AUTO_FOCUS = "#back"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "close", show=False),
        Binding("right,down", "app.focus_next", "next", show=False),
        Binding("left,up", "app.focus_previous", "previous", show=False),
    ]
    DEFAULT_CSS = """
    EditRetry > Vertical { width: 104; height: 90%; padding: 0 2; }
    EditRetry #why { margin: 1 0; }
    EditRetry JsonEditor { height: 2fr; }
    EditRetry DocumentView { height: 1fr; padding: 0; }
    EditRetry Horizontal { height: 1; margin-top: 1; }
    """

    def __init__(self, session: Session, record: TaskRecord) -> None:
        super().__init__(session)
        self._record = record
        self._known: Known | None = None
        self._signatures: Sequence[Signature] = ()
        self._before = ""
        self._warned = False

    def compose(self) -> ComposeResult:
        """Lay out what is edited, the editor, what was changed, and the two ways out."""
        draw = self._session.draw
        with Vertical():
            yield Line(id="heading")
            yield Line(id="why")
            yield JsonEditor()
            yield Line(id="where")
            yield DocumentView(draw)
            with Horizontal():
                yield Push(draw, "Back", id="back")
                yield Push(draw, "Go on", role="bad", id="go")
            yield Line(id="hint")

    def on_mount(self) -> None:
        """Ask what is known of the arguments."""
        draw, record = self._session.draw(), self._record
        heading = draw.empty().append_text(
            draw.cell(f"Edit and retry {short_id(record.id)} ", "accent", bold=True)
        )
        heading.append_text(draw.cell(f"{record.name or ''} in "))
        heading.append_text(environment(self._session.settings.context, draw))
        self.query_one("#heading", Line).show([Part(heading)])
        self._line("why", "Reading what is known of its arguments.", "muted")
        self._line("hint", "tab moves between editor and choices, esc closes", "muted")
        self.query_one(JsonEditor).focus()
        self._ask()

    @work(exclusive=True, exit_on_error=False)
    async def _ask(self) -> None:
        acts = self._session.acts
        assert acts is not None, "the key says so without"
        try:
            known = await acts.known(self._record.id)
        except UmbelError as error:
            known = Known(args="", kwargs="", why_not=str(error))
        if self.is_mounted:
            self._offer(known)
        if not self._record.name:
            return
        try:
            self._signatures = await acts.signatures(self._record.name)
        except UmbelError:
            # It is a help only.
            return
        if self.is_mounted and self._signatures:
            self._check()

    def _offer(self, known: Known) -> None:
        text = arguments.EMPTY
        if known.why_not is None:
            try:
                text = arguments.laid_out(
                    known.args, known.kwargs, ascii_only=not self._session.unicode
                )
            except ValueError:
                known = Known(args=known.args, kwargs=known.kwargs, why_not="They are no JSON.")
        if len(text) > arguments.MOST_CHARACTERS:
            words = f"They are too long to be edited here ({len(text):,} characters)."
            known, text = Known(args="", kwargs="", why_not=words), arguments.EMPTY
        self._known, self._before = known, text
        if known.why_not is None:
            self._line("why", "These are the arguments of its exact message.", "good")
        else:
            self._line(
                "why", f"{known.why_not} What you write is sent; nothing is guessed.", "warn"
            )
        self.query_one(JsonEditor).text = text
        self._check()

    # Editing

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        """Check what was typed."""
        event.stop()
        self._warned = False
        if self._known is not None:
            self._check()

    @property
    def _found(self) -> Arguments | Mistake:
        return arguments.read(self.query_one(JsonEditor).text)

    def _check(self) -> None:
        found = self._found
        if isinstance(found, Mistake):
            self._line("where", f"line {found.line}, column {found.column}: {found.words}", "bad")
        else:
            from umbel_backend.acts.signature import in_doubt, mistake_in

            words = f"valid: {len(found.args)} positional, {len(found.kwargs)} by keyword"
            mistake = mistake_in(self._signatures, found.args, found.kwargs)
            if mistake is None:
                self._line("where", words, "good")
            else:
                self._line("where", f"{words}. {in_doubt(mistake)}", "warn")
        self.query_one(DocumentView).show([*self._takes(), *self._told(found)])
        self.query_one("#go", Push).disabled = isinstance(found, Mistake)

    def _takes(self) -> list[DocLine]:
        """Return what the task takes, as far as agents told it and there is room to say it."""
        if self.size.height < LOW:
            return []
        draw = self._session.draw()
        return [said(f"It takes {each.text()}.", draw) for each in self._signatures[:1]]

    def _told(self, found: Arguments | Mistake) -> list[DocLine]:
        """Return what was changed; of arguments that are not known, what was seen of them."""
        draw, known = self._session.draw(), self._known
        if known is not None and known.why_not is not None:
            if not known.args and not known.kwargs:
                return [said("Nothing was seen of its arguments.", draw)]
            return [
                said("Seen of its arguments, as text and maybe cut; it is not sent:", draw),
                *block(f"{known.args or '()'}", draw),
                *block(f"{known.kwargs or '{}'}", draw),
            ]
        if isinstance(found, Mistake):
            return [said("What was changed shows once it is valid.", draw)]
        value = {"args": found.args, "kwargs": found.kwargs}
        after = arguments.shown(value, ascii_only=not self._session.unicode)
        return difference(self._before, after, draw)

    # Going on

    def on_push_pushed(self, event: Push.Pushed) -> None:
        """Leave, or ask whether to retry with what was written."""
        event.stop()
        if event.push.id == "back":
            self.action_leave()
        else:
            self._go_on()

    def action_leave(self) -> None:
        """Leave; what was edited is thrown away only if one says so twice."""
        is_edited = self._known is not None and self.query_one(JsonEditor).text != self._before
        if is_edited and not self._warned:
            self._warned = True
            self._line("hint", "What you wrote is not kept; esc again throws it away.", "warn")
        else:
            self.dismiss(None)

    def _go_on(self) -> None:
        found, known = self._found, self._known
        if isinstance(found, Mistake) or known is None:
            return
        record = self._record
        wanted = Wanted(verb="retry", ids=[record.id], twice=True)
        value = {"args": found.args, "kwargs": found.kwargs}
        words = "one task, by its exact message: nothing was changed"
        is_changed = arguments.shown(value, ascii_only=not self._session.unicode) != self._before
        if known.why_not is not None or is_changed:
            from msgspec.structs import replace

            wanted = replace(wanted, args=found.args, kwargs=found.kwargs)
            words = "one task, with the arguments you wrote"
        names = {record.id: record.name} if record.name else {}
        choice = Choice(words=words, wanted=wanted)
        dialog = kept(self.app, ActDialog, self._session).about([choice], names)
        self.app.push_screen(dialog, self._decided)

    def _decided(self, decision: Decision | None) -> None:
        if decision is not None:
            self.dismiss(decision)

    def _line(self, name: str, words: str, role: str) -> None:
        text = self._session.draw().cell(words, role)
        self.query_one(f"#{name}", Line).show([Part(text)])

"""One entry of the audit in full, and what a look at the whole chain found; each a box over the table."""

from __future__ import annotations

from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from umbel_backend.errors import UmbelError
from umbel_backend.records import AuditRecord
from umbel_console.auditing import AuditTrail, ChainVerdict
from umbel_console.render import audit as cells
from umbel_console.render.document import said
from umbel_console.render.line import Part
from umbel_console.session import Session
from umbel_console.widgets.document_view import DocumentView
from umbel_console.widgets.line import Line
from umbel_console.widgets.overlay import Overlay


class AuditDetail(Overlay[str | None]):
    """Shows one entry; ends with what is to be shown next: ``batch``, ``task``, or None.

    Args:
        session: For the colours.
        record: The entry.
    """

    AUTO_FOCUS = "DocumentView"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "leave", "close", show=False),
        Binding("b", "show('batch')", "its batch", show=False),
        Binding("t", "show('task')", "its task", show=False),
        Binding("y", "copy", "copy", show=False),
    ]
    DEFAULT_CSS = """
    AuditDetail > Vertical { width: 100; height: 80%; padding: 0 2; }
    AuditDetail #heading { margin-bottom: 1; }
    AuditDetail #hint { margin-top: 1; }
    AuditDetail DocumentView { padding: 0; }
    """

    def __init__(self, session: Session, record: AuditRecord) -> None:
        super().__init__(session)
        self._record = record
        self._explained: str | None = None

    def compose(self) -> ComposeResult:
        """Lay out title, entry and what can be done."""
        with Vertical():
            yield Line(id="heading")
            yield DocumentView(self._session.draw)
            yield Line(id="hint")

    def on_mount(self) -> None:
        """Show the entry; of one that was interrupted find out how it stands now."""
        draw, record = self._session.draw(), self._record
        words = f"{record.action} by {record.operator}"
        self.query_one("#heading", Line).show(
            [
                Part(draw.cell(words, "accent", bold=True)),
                Part(draw.cell("esc closes", "muted"), 1, right=True),
            ]
        )
        keys = "b shows its whole batch, y copies it as JSON"
        keys = f"t shows the task, {keys}" if record.target_kind == "task" else keys
        self.query_one("#hint", Line).show([Part(draw.cell(keys, "muted"))])
        self._show()
        if record.outcome == "interrupted":
            self._explain()

    @work(exclusive=True, exit_on_error=False)
    async def _explain(self) -> None:
        session, record, task = self._session, self._record, None
        if session.trail is None:
            return
        try:
            if record.target_kind == "task" and session.history is not None:
                task = await session.history.by_id(record.target)
            self._explained = await session.trail.explain(record, task)
        except UmbelError as error:
            self._explained = str(error)
        if self.is_mounted:
            self._show()

    def _show(self) -> None:
        draw = self._session.draw()
        self.query_one(DocumentView).show(cells.document(self._record, draw, self._explained))

    def action_leave(self) -> None:
        """Close it."""
        self.dismiss(None)

    def action_show(self, what: str) -> None:
        """End with what is to be shown next."""
        if what == "batch" or self._record.target_kind == "task":
            self.dismiss(what)

    def action_copy(self) -> None:
        """Copy the entry as JSON, through the terminal."""
        import json

        from umbel_backend import wire

        self.app.copy_to_clipboard(json.dumps(wire.audit(self._record), indent=2))
        draw = self._session.draw()
        words = draw.cell("Copied it as JSON (if your terminal allows it).", "muted")
        self.query_one("#hint", Line).show([Part(words)])


class AuditVerdict(Overlay[None]):
    """Checks the whole chain, and tells what was found.

    Args:
        session: For the colours.
        trail: Whose chain.
    """

    AUTO_FOCUS = "DocumentView"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "leave", "close", show=False),
        Binding("y", "copy", "copy the hash", show=False),
    ]
    DEFAULT_CSS = """
    AuditVerdict > Vertical { width: 84; height: 16; padding: 0 2; }
    AuditVerdict #heading { margin-bottom: 1; }
    AuditVerdict DocumentView { padding: 0; }
    """

    def __init__(self, session: Session, trail: AuditTrail) -> None:
        super().__init__(session)
        self._trail = trail
        self._found: ChainVerdict | None = None

    def compose(self) -> ComposeResult:
        """Lay out title and verdict."""
        with Vertical():
            yield Line(id="heading")
            yield DocumentView(self._session.draw)
            yield Line(id="hint")

    def on_mount(self) -> None:
        """Begin to check."""
        draw = self._session.draw()
        self.query_one("#heading", Line).show(
            [
                Part(draw.cell("Was anything in the audit changed?", "accent", bold=True)),
                Part(draw.cell("esc closes", "muted"), 1, right=True),
            ]
        )
        self.query_one(DocumentView).show(cells.verdict(None, draw))
        self._check()

    @work(exclusive=True, exit_on_error=False)
    async def _check(self) -> None:
        draw = self._session.draw()
        try:
            self._found = await self._trail.verify()
            lines = cells.verdict(self._found, draw)
        except UmbelError as error:
            lines = [said(str(error), draw, "bad")]
        if self.is_mounted:
            self.query_one(DocumentView).show(lines)
            if self._found is not None and self._found.hash:
                words = draw.cell("y copies the hash", "muted")
                self.query_one("#hint", Line).show([Part(words)])

    def action_leave(self) -> None:
        """Close it; a check that goes on is not waited for."""
        self.dismiss(None)

    def action_copy(self) -> None:
        """Copy the hash, through the terminal."""
        if self._found is not None and self._found.hash:
            self.app.copy_to_clipboard(self._found.hash)
            words = self._session.draw().cell("Copied it (if your terminal allows it).", "muted")
            self.query_one("#hint", Line).show([Part(words)])

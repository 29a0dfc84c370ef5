"""The dialog that writes what a filter of the audit matches to a file."""

from __future__ import annotations

from pathlib import Path

from umbel_console.auditing import AuditTrail
from umbel_console.render.line import Part
from umbel_console.render.words import counted
from umbel_console.screens.export_dialog import ExportDialog
from umbel_console.services import Export
from umbel_console.session import Session
from umbel_console.widgets.line import Line
from umbel_console.widgets.prompt import Prompt


class AuditExportDialog(ExportDialog):
    """Asks for a file, shows how far the export is, and ends with a sentence about it.

    Args:
        session: For colours and the clock.
        what: What is exported, as a phrase.
        trail: Writes it.
        text: The filter.
        folder: Where the file is to be unless another folder is typed.
    """

    DEFAULT_CSS = "AuditExportDialog #logs { display: none; }"

    def __init__(
        self, session: Session, what: str, trail: AuditTrail, text: str, folder: Path
    ) -> None:
        def begin(path: Path, format: str, replace: bool, logs: bool) -> Export:
            return trail.export(text, path, format, replace=replace)

        super().__init__(session, what, begin, folder)

    def on_mount(self) -> None:
        """Offer a name that tells what it is, once the one of an export of tasks stands there."""
        self.call_later(self._rename)

    def _rename(self) -> None:
        prompt = self.query_one(Prompt)
        prompt.put(prompt.value.replace("umbel-", "umbel-audit-", 1))

    def on_prompt_completion_asked(self, event: Prompt.CompletionAsked) -> None:
        """There is nothing to complete, and no log to put in."""
        event.stop()
        event.prevent_default()

    def _look(self) -> None:
        export = self._export
        if export is not None and export.is_over and export.problem is None:
            name = self.query_one(Prompt).value
            noun = "entry" if export.written == 1 else "entries"
            self.dismiss(f"{export.written:,} {noun} of the audit written to {name}.")
        else:
            super()._look()

    def _draw_progress(self, export: Export) -> None:
        total = "" if export.total is None else f" of {export.total:,}"
        words = self._session.draw().cell(f"{counted(export.written, 'row')}{total}", "muted")
        self.query_one("#progress", Line).show([Part(words)])

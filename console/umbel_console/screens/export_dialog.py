"""Export: writes what a filter matches to a file, with progress, and can be stopped."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from umbel_backend.errors import UmbelError
from umbel_backend.records import Progress
from umbel_console.render.choice import check_box
from umbel_console.render.line import Part
from umbel_console.render.progress import progress_cell
from umbel_console.services import Export
from umbel_console.session import Session
from umbel_console.widgets.line import Line
from umbel_console.widgets.overlay import Overlay
from umbel_console.widgets.prompt import Prompt

FORMATS = {".csv": "csv", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl"}
LOOK_EVERY_S = 0.2

Begin = Callable[[Path, str, bool, bool], Export]
"""Begins an export, given the file, its format, whether it may replace a file, and whether logs go in."""


class ExportDialog(Overlay[str | None]):
    """Asks for a file, shows how far the export is, and ends with a sentence about it, or None.

    Args:
        session: For colours and the clock.
        what: What is exported, as a phrase: "12 tasks that match state:FAILURE".
        begin: Begins it.
        folder: Where the file is to be unless another folder is typed.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "stop", show=False),
    ]
    DEFAULT_CSS = """
    ExportDialog > Vertical { width: 84; padding: 0 2; }
    ExportDialog #what, ExportDialog #file, ExportDialog #logs { margin-bottom: 1; }
    """

    def __init__(self, session: Session, what: str, begin: Begin, folder: Path) -> None:
        super().__init__(session)
        self._what = what
        self._begin = begin
        self._folder = folder
        self._export: Export | None = None
        self._started_at = 0.0
        self._replaces: Path | None = None
        self._logs = False

    def compose(self) -> ComposeResult:
        """Lay out what is exported, the file's name, and how it goes."""
        with Vertical():
            yield Line(id="what")
            yield Line(id="folder")
            yield Prompt(id="file")
            yield Line(id="logs")
            yield Line(id="progress")
            yield Line(id="hint")

    def on_mount(self) -> None:
        """Offer a name that tells cluster and time."""
        draw = self._session.draw()
        self.query_one("#what", Line).show(
            [
                Part(draw.cell(f"Export {self._what}", "accent", bold=True)),
                Part(draw.cell("esc closes", "muted"), 1, right=True),
            ]
        )
        self._tell("folder", f"to a file in {self._folder}", "muted")
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(draw.now))
        prompt = self.query_one(Prompt)
        prompt.put(f"umbel-{self._session.settings.context.name}-{stamp}.jsonl")
        prompt.focus()
        self._draw_logs()
        self._hint("enter writes it; the end of the name says how: .jsonl .json .csv")

    def on_input_changed(self, event: Prompt.Changed) -> None:
        """Forget the leave to replace a file of another name."""
        event.stop()
        self._replaces = None

    def on_input_submitted(self, event: Prompt.Submitted) -> None:
        """Begin, or say why not."""
        event.stop()
        if self._export is not None:
            return
        path = self._folder / Path(event.value.strip()).expanduser()
        format = FORMATS.get(path.suffix.lower())
        if format is None:
            self._hint("The name must end in .jsonl, .json or .csv.", "bad")
            return
        if path.exists() and self._replaces != path:
            self._replaces = path
            self._hint("There is such a file; enter again replaces it.", "warn")
            return
        try:
            self._export = self._begin(path, format, self._replaces == path, self._logs)
        except UmbelError as error:
            self._hint(str(error), "bad")
            return
        self._started_at = time.monotonic()
        self._hint("esc stops it; nothing is left behind then")
        self.set_interval(LOOK_EVERY_S, self._look)

    def on_prompt_completion_asked(self, event: Prompt.CompletionAsked) -> None:
        """Put the logs of the tasks into the file, or leave them out."""
        event.stop()
        if self._export is None:
            self._logs = not self._logs
            self._draw_logs()

    def on_prompt_left(self, event: Prompt.Left) -> None:
        """Leave, or stop what runs."""
        event.stop()
        self.action_leave()

    def action_leave(self) -> None:
        """Leave, or stop what runs."""
        if self._export is None:
            self.dismiss(None)
            return
        self._export.cancel()
        self.dismiss("The export was stopped; no file was written.")

    def _look(self) -> None:
        export = self._export
        if export is None:
            return
        if export.problem is not None:
            self._export = None
            self._hint(export.problem, "bad")
            self.query_one("#progress", Line).show([])
        elif export.is_over:
            noun = "task" if export.written == 1 else "tasks"
            self.dismiss(f"{export.written:,} {noun} written to {self.query_one(Prompt).value}.")
        else:
            self._draw_progress(export)

    def _draw_progress(self, export: Export) -> None:
        draw, parts = self._session.draw(), []
        if export.total:
            progress = Progress(export.written, export.total)
            took_s = time.monotonic() - self._started_at
            parts.append(Part(progress_cell(progress, took_s, draw, 24)))
        total = "" if export.total is None else f" of {export.total:,}"
        words = f"{export.written:,}{total} tasks" if export.total is not None else "looking"
        parts.append(Part(draw.cell(words, "muted")))
        self.query_one("#progress", Line).show(parts)

    def _draw_logs(self) -> None:
        draw = self._session.draw()
        box = check_box("included" if self._logs else None, draw)
        words = "with the log of each task; tab changes it"
        box.append_text(draw.cell(words, "foreground" if self._logs else "muted"))
        self.query_one("#logs", Line).show([Part(box)])

    def _hint(self, sentence: str, role: str = "muted") -> None:
        self._tell("hint", sentence, role)

    def _tell(self, line: str, sentence: str, role: str) -> None:
        draw = self._session.draw()
        self.query_one(f"#{line}", Line).show([Part(draw.cell(sentence, role))])

"""Two tasks side by side, over everything else; esc closes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from umbel_backend.errors import UmbelError
from umbel_backend.records import TaskRecord
from umbel_console.render.compare import NARROW, compared
from umbel_console.render.document import said
from umbel_console.render.line import Part
from umbel_console.render.state import state_cell
from umbel_console.render.task import name_cell
from umbel_console.session import Session
from umbel_console.widgets.document_view import DocumentView
from umbel_console.widgets.line import Line

LOOK_EVERY_S = 1.0


def to_compare(marked: Sequence[str], cursor: str | None) -> tuple[str, str] | str:
    """Return the ids of the two tasks to compare, or a sentence why there are not two."""
    if len(marked) == 2:
        return marked[0], marked[1]
    if len(marked) > 2:
        return f"Compare takes two tasks, and {len(marked):,} are marked; u unmarks all."
    if not marked:
        return "Mark a task with space, go to another one, then press = to compare them."
    if cursor is None or cursor == marked[0]:
        return "One task is marked: go to another one, or mark it too, then press =."
    return marked[0], cursor


class CompareScreen(ModalScreen[None]):
    """Compares two tasks; both stay up to date while they run.

    Args:
        session: The live state and the history.
        left: Id of the task marked first.
        right: Id of the other one.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,equals_sign", "dismiss", "close", id="compare.close"),
        Binding("d", "toggle_different", "only differences", id="compare.different"),
    ]
    DEFAULT_CSS = """
    CompareScreen { layout: vertical; background: $background; }
    CompareScreen Line { background: $surface; }
    """

    def __init__(self, session: Session, left: str, right: str) -> None:
        super().__init__()
        self._session = session
        self._ids = (left, right)
        self._stored: dict[str, TaskRecord] = {}
        self._problem: str | None = None
        self._is_read = False
        self._only_different = False

    def compose(self) -> ComposeResult:
        """Lay out a line for each task, the comparison, and the keys."""
        yield Line(id="left")
        yield Line(id="right")
        yield DocumentView(self._session.draw)
        yield Line(id="keys")

    def on_mount(self) -> None:
        """Show what is known at once, then what the database adds."""
        self.query_one(DocumentView).focus()
        self._look()
        self.set_interval(LOOK_EVERY_S, self._look)
        self._read()

    def on_resize(self, event: events.Resize) -> None:
        """Lay out for the new width."""
        self.call_after_refresh(self._look)

    def action_toggle_different(self) -> None:
        """Show only what differs, or everything."""
        self._only_different = not self._only_different
        self.query_one(DocumentView).home()
        self._look()

    @work(exclusive=True, exit_on_error=False)
    async def _read(self) -> None:
        """Read both from the database: events alone tell less of what is long over."""
        history = self._session.history
        try:
            for task_id in self._ids:
                stored = None if history is None else await history.by_id(task_id)
                if stored is not None:
                    self._stored[task_id] = stored
        except UmbelError as error:
            self._problem = str(error)
        self._is_read = True
        self._look()

    def _record(self, task_id: str) -> TaskRecord | None:
        from umbel_console.stores.merge import merged

        live, stored = self._session.tasks.get(task_id), self._stored.get(task_id)
        if live is None or stored is None:
            return live or stored
        return merged(live, stored)

    def _look(self) -> None:
        draw = self._session.draw()
        view = self.query_one(DocumentView)
        records = [self._record(task_id) for task_id in self._ids]
        for mark, selector, task_id, record in zip(
            "AB", ("#left", "#right"), self._ids, records, strict=True
        ):
            parts = [Part(draw.cell(f" {mark}", "accent", bold=True))]
            if record is not None:
                parts += [Part(name_cell(record, draw)), Part(state_cell(record.state, draw))]
            parts.append(Part(draw.cell(task_id, "muted"), 1))
            self.query_one(selector, Line).show(parts)
        shown = "all fields" if self._only_different else "only differences"
        keys = (("esc", "close"), ("d", shown), (draw.glyph("j k ↑ ↓", "j k"), "scroll"))
        self.query_one("#keys", Line).show(
            [
                Part(
                    draw.empty()
                    .append_text(draw.cell(f" {key} ", "accent", bold=True))
                    .append_text(draw.cell(does, "muted"))
                )
                for key, does in keys
            ]
        )
        left, right = records
        if left is None or right is None:
            view.show([said(self._why_missing(), draw)])
            return
        width = view.scrollable_content_region.width or NARROW
        view.show(compared(left, right, draw, width, only_different=self._only_different))

    def _why_missing(self) -> str:
        if self._problem is not None:
            return self._problem
        return "One of them is not known any more." if self._is_read else "reading"

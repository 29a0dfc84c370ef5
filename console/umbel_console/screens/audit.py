"""Audit: who did what and what was seen to come of it, by every console and command, live."""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType

from umbel_backend.errors import UmbelError
from umbel_backend.records import AuditRecord
from umbel_console import actions
from umbel_console.actions import Situation
from umbel_console.render import audit as cells
from umbel_console.render.line import Part
from umbel_console.render.words import counted, idle_since
from umbel_console.screens.tab import TabScreen
from umbel_console.services import Total
from umbel_console.session import Session
from umbel_console.stores import audit as stored
from umbel_console.stores.audit import AuditStore
from umbel_console.stores.outage import Outage
from umbel_console.widgets.columns import Column, plain
from umbel_console.widgets.filter_bar import FilterBar
from umbel_console.widgets.record_table import RecordTable

PAGE = 200
"""Entries read at once."""
READ_AGAIN_S = 5.0
"""How often the newest are read though nothing came: an act that was cut off tells nobody."""
TYPING_S = 0.15

COLUMNS: tuple[Column[AuditRecord], ...] = (
    Column(key="when", label="WHEN", render=plain(cells.when_cell), width=8, align="right"),
    Column(
        key="operator",
        label="OPERATOR",
        render=lambda row, draw, width: draw.cell(row.operator),
        width=8,
        flex=1,
        most=16,
    ),
    Column(
        key="action", label="ACTION", render=plain(cells.action_cell), width=11, flex=1, most=18
    ),
    Column(
        key="target", label="TARGET", render=cells.target_cell, width=8, flex=2, most=36, rank=1
    ),
    Column(key="outcome", label="OUTCOME", render=plain(cells.result_cell), width=13),
    Column(
        key="detail",
        label="DETAIL",
        render=lambda row, draw, width: draw.cell(row.detail),
        width=14,
        flex=5,
        rank=3,
    ),
    Column(
        key="reason",
        label="REASON",
        render=lambda row, draw, width: draw.cell(row.reason, "muted"),
        width=12,
        flex=2,
        most=40,
        rank=4,
    ),
    Column(
        key="origin",
        label="FROM",
        render=lambda row, draw, width: draw.cell(row.origin, "muted"),
        width=10,
        flex=1,
        most=34,
        rank=5,
    ),
)


class AuditScreen(TabScreen):
    """The entries that a filter matches, the latest first; what comes shows by itself.

    Args:
        session: The live state and the audit.
    """

    MODE = "audit"
    SCOPES = ("app", "screen", "audit", "table")
    SORTS = False
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("audit")]

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._store = AuditStore()
        self._text = ""
        self._total: Total | None = None
        self._outage = Outage()
        self._is_read = False
        self._is_reading = False
        self._seen_entry: int | None = None
        self._due_at = 0.0

    # The frame

    def compose_body(self) -> ComposeResult:
        """Lay out filter bar and table."""
        yield FilterBar(
            self.session.draw,
            read=stored.read,
            suggest=lambda text, cursor: stored.suggest(text, cursor, self._store),
        )
        yield RecordTable(
            COLUMNS,
            key=lambda row: str(row.id),
            draw=self.session.draw,
            moment=lambda row, now: (
                int(now - row.at) if now - row.at < 60 else int(now - row.at) // 60
            ),
            empty=self._why_empty,
        )

    def on_screen_resume(self) -> None:
        """Follow closely while one looks."""
        self.session.audit_seen.is_watched = True

    def on_screen_suspend(self) -> None:
        """Follow less closely."""
        self.session.audit_seen.is_watched = False

    def situation(self) -> Situation:
        """Return what decides which actions can be done."""
        return Situation(
            has_record=self.table.record is not None,
            has_filter=True,
            has_history=self.session.trail is not None,
        )

    # Reading

    def refresh_body(self) -> None:
        """Let the ages go on, and read what came."""
        self.table.tick()
        if self._is_reading or self.session.trail is None or self.table.is_frozen:
            return
        is_new = self.session.audit_seen.entry != self._seen_entry
        if is_new or time.monotonic() >= self._due_at:
            self._read_newest()

    def on_filter_bar_chosen(self, event: FilterBar.Chosen) -> None:
        """Look for what the filter matches."""
        self._text = "" if event.chosen is None else event.chosen.text
        self._total = None
        self._is_read = False
        self.table.choose_anew()
        self._read_newest()

    @work(exclusive=True, group="audit", exit_on_error=False)
    async def _read_newest(self) -> None:
        trail, text = self.session.trail, self._text
        if trail is None:
            return
        self._is_reading = True
        self._seen_entry = self.session.audit_seen.entry
        self._due_at = time.monotonic() + READ_AGAIN_S
        try:
            found = await trail.rows(text, None, PAGE)
            if not self._is_read:
                self._store.begin(found.rows, found.more)
            else:
                self._store.renew(found.rows, found.more)
            self._total = await trail.total(text)
            self._is_read = True
            self._outage.note(None, self.session.clock())
        except UmbelError as error:
            self._outage.note(str(error), self.session.clock())
        finally:
            self._is_reading = False
        self._show()

    @work(exclusive=True, group="audit", exit_on_error=False)
    async def _read_older(self) -> None:
        trail, oldest = self.session.trail, self._store.oldest
        if trail is None or oldest is None:
            return
        self._is_reading = True
        try:
            found = await trail.rows(self._text, oldest, PAGE)
            self._store.add_older(found.rows, found.more)
        except UmbelError as error:
            self._outage.note(str(error), self.session.clock())
        finally:
            self._is_reading = False
        self._show()

    def _show(self) -> None:
        if self.is_mounted:
            self.table.show(self._store.rows)
            self.table.tick()
            self.draw_status()

    def on_record_table_past_end(self, event: RecordTable.PastEnd) -> None:
        """Read further back."""
        if event.direction > 0 and self._store.more and not self._is_reading:
            self._read_older()

    def turns_page(self, by: int) -> bool:
        """Return whether moving past the edge shows more."""
        return by > 0 and self._store.more

    def do_refresh(self) -> None:
        """Read the newest again."""
        self._read_newest()
        super().do_refresh()

    # Looking closer

    def do_open(self) -> None:
        """Show the entry under the cursor in full."""
        self.table.action_open()

    def on_record_table_opened(self, event: RecordTable.Opened) -> None:
        """Show one entry in full."""
        from umbel_console.screens.audit_detail import AuditDetail

        event.stop()
        record = self.table.record
        if record is not None:
            self.app.push_screen(
                AuditDetail(self.session, record), lambda what: self._show_next(record, what)
            )

    def _show_next(self, record: AuditRecord, what: str | None) -> None:
        if what == "batch":
            self.query_one(FilterBar).put(f"batch:{record.batch}")
        elif what == "task":
            self.post_message(self.Commanded("history", f"id:{record.target}"))

    def do_verify(self) -> None:
        """Check that nothing in the audit was changed."""
        from umbel_console.screens.audit_detail import AuditVerdict

        if self.session.trail is not None:
            self.app.push_screen(AuditVerdict(self.session, self.session.trail))

    def do_export(self) -> None:
        """Ask for a file and write to it what the filter matches."""
        from umbel_console.screens.audit_export import AuditExportDialog

        trail = self.session.trail
        if trail is not None:
            what = self._told() + (f" that match {self._text}" if self._text else "")
            dialog = AuditExportDialog(self.session, what, trail, self._text, Path.cwd())
            self.app.push_screen(dialog, self._exported)

    def _exported(self, sentence: str | None) -> None:
        if sentence is not None:
            self.say(sentence)

    # What is told

    def _told(self) -> str:
        total = self._total
        if total is None:
            return "acts"
        return counted(total.count, "act") if total.is_exact else f"more than {total.count:,} acts"

    def _why_empty(self) -> str:
        session = self.session
        if self._outage.since is not None:
            return idle_since(self._outage, session.clock(), session.zone)
        if session.trail is None:
            return "Opening the audit."
        if not self._is_read:
            return "Reading."
        if self._text:
            return f"The whole audit was searched: nothing matches {self._text}"
        return "Nothing was done yet. C cancels, R retries; every act leaves an entry here."

    def status_parts(self) -> list[Part]:
        """Tell how many there are, and whether more can be read."""
        draw, table = self.session.draw(), self.table
        if not self._is_read:
            words = " reading" if self._outage.since is None else ""
            return [Part(draw.cell(words, "muted"))]
        parts = [Part(draw.cell(f" {self._told()}", "foreground"))]
        if self._store.more:
            words = f"the newest {len(self._store):,} are shown, moving on reads more"
            parts.append(Part(draw.cell(words, "muted"), 3))
        if len(table.marks):
            parts.append(Part(draw.cell(f"{len(table.marks):,} marked", "accent"), 1))
        if table.is_frozen:
            parts.append(Part(draw.cell("frozen, . goes on", "warn", bold=True)))
        new = table.new_count()
        if new:
            parts.append(Part(draw.cell(f"{new:,} new", "accent"), 2))
        return parts

    def own_problem(self) -> str | None:
        """Return why the audit could not be read."""
        return self._outage.problem

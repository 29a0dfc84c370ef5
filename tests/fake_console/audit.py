"""An audit that is a list, and finds with plain words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fake_console.history import FakeExport
from fake_console.tasks import NOW
from umbel_backend.errors import DatabaseUnavailable
from umbel_backend.records import AuditRecord, TaskRecord
from umbel_console.acting import Standing
from umbel_console.auditing import AuditNews, AuditRows, ChainVerdict
from umbel_console.services import Total


def entry(number: int, **fields: Any) -> AuditRecord:
    """Build an entry as the database tells it."""
    values: dict[str, Any] = {
        "id": number,
        "at": NOW - 1_000 + number,
        "operator": "alice",
        "origin": "ops-2",
        "action": "cancel",
        "target_kind": "task",
        "target": f"{number:08x}-4f1c-4b7e-9b1d-{number:012x}",
        "reason": "",
        "parameters": {"grace_s": 30.0},
        "outcome": "done",
        "outcome_at": NOW - 999 + number,
        "detail": "Removed from queue default.",
        "batch": f"b{number}",
        "hash": f"{number:064x}",
    }
    return AuditRecord(**{**values, **fields})


class FakeTrail:
    """Tells the entries a test put here."""

    def __init__(self) -> None:
        self.entries: list[AuditRecord] = []
        self.role: str | None = None
        """Of who sits in front of it; None tells nobody, and the header has no name then."""
        self.problem: str | None = None
        self.verdict = ChainVerdict(4, "ab" * 32, None)
        self.exported: FakeExport | None = None
        self.news_rows: list[AuditRecord] = []
        self.last = 0

    def add(self, *rows: AuditRecord) -> None:
        """Let acts happen; an entry that is there already is closed by one of its id."""
        ids = {row.id for row in rows}
        self.entries = [row for row in self.entries if row.id not in ids] + list(rows)
        self.news_rows += rows
        self.last += len(rows)

    def _matching(self, text: str) -> list[AuditRecord]:
        if self.problem is not None:
            raise DatabaseUnavailable(self.problem)
        words = [word.partition(":") for word in text.split() if not word.startswith("since:")]
        return sorted(
            (
                row
                for row in self.entries
                if all(str(getattr(row, field, "")) == value for field, _, value in words)
            ),
            key=lambda row: -row.id,
        )

    async def rows(self, text: str, before: int | None, limit: int) -> AuditRows:
        found = [row for row in self._matching(text) if before is None or row.id < before]
        return AuditRows(found[:limit], len(found) > limit)

    async def total(self, text: str) -> Total:
        return Total(len(self._matching(text)), True)

    async def news(self, entry: int | None) -> AuditNews:
        if self.problem is not None:
            raise DatabaseUnavailable(self.problem)
        rows: Sequence[AuditRecord] = [] if entry is None else self.news_rows
        self.news_rows = []
        standing = None if self.role is None else Standing("alice", self.role)
        return AuditNews(self.last, rows, standing)

    async def verify(self) -> ChainVerdict:
        return self.verdict

    async def explain(self, record: AuditRecord, task: TaskRecord | None) -> str:
        return "Its message is still in queue default: cancel it again."

    def export(self, text: str, path: Path, format: str, *, replace: bool) -> FakeExport:
        self.exported = FakeExport(path, format, replace, len(self._matching(text)))
        return self.exported

    def close(self) -> None:
        pass

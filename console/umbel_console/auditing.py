"""What the console reads of the audit, as its screens need it; how it is read is in `auditing_live`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from umbel_backend.records import AuditRecord, TaskRecord
from umbel_console.acting import Standing
from umbel_console.services import Export, Total

if TYPE_CHECKING:
    from pathlib import Path


class AuditRows(Struct, frozen=True):
    """Some entries of the audit, the latest first."""

    rows: Sequence[AuditRecord]
    more: bool
    """There are older ones."""


class AuditNews(Struct, frozen=True):
    """What happened in the audit since somebody asked last."""

    entry: int
    """The last entry of the chain; to be given with the next question."""
    rows: Sequence[AuditRecord] = ()
    """Acts that were begun, or whose outcome became known, the earliest first."""
    standing: Standing | None = None
    """Who acts here; None if nobody asked for it."""


class ChainVerdict(Struct, frozen=True):
    """What a look at the whole chain found."""

    entries: int
    """How many fit, from the first."""
    hash: str
    """Of the last one that fits."""
    fault: str | None
    """What does not fit, one sentence; None if the chain is whole."""


class AuditTrail(Protocol):
    """The audit of this cluster's database. Every question raises `DatabaseUnavailable`."""

    async def rows(self, text: str, before: int | None, limit: int) -> AuditRows:
        """Return entries that match a filter, older than the row ``before``."""

    async def total(self, text: str) -> Total:
        """Count what matches, up to an honest bound."""

    async def news(self, entry: int | None) -> AuditNews:
        """Return what came after ``entry``; None only asks for the last one."""

    async def verify(self) -> ChainVerdict:
        """Check the whole chain; takes seconds where it is long."""

    async def explain(self, record: AuditRecord, task: TaskRecord | None) -> str:
        """Say what is known of an act that was interrupted, and how to finish it."""

    def export(self, text: str, path: Path, format: str, *, replace: bool) -> Export:
        """Begin to write every entry that matches to ``path``."""

    def close(self) -> None:
        """Let the connections go."""

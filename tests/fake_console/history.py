"""A database that is a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fake_console.logs import KeptLogs
from fake_console.tasks import NOW
from umbel_backend.db.statements.histogram import Histogram, width_for
from umbel_backend.db.statements.trends import WorkerSlice
from umbel_backend.errors import DatabaseUnavailable
from umbel_backend.filters import Filter, compile_predicate
from umbel_backend.records import Gap, QueuePause, TaskRecord, WorkerRecord
from umbel_console.services import Order, Page, Total
from umbel_console.stores.agents import UsePoint
from umbel_console.stores.facets import Facets, Span, count_facets
from umbel_console.stores.overview import Range, Reading


@dataclass
class FakeExport:
    """An export that goes on when the test says so."""

    path: Path
    format: str
    replace: bool
    total: int | None
    written: int = 0
    is_over: bool = False
    problem: str | None = None
    was_cancelled: bool = False
    logs: bool = False

    def cancel(self) -> None:
        self.was_cancelled = self.is_over = True


class ListHistory(KeptLogs):
    """A history that is a list; pages as the database does."""

    def __init__(self, records: Sequence[TaskRecord], gaps: Sequence[Gap] = ()) -> None:
        super().__init__()
        self.records = sorted(records, key=lambda record: -record.state_at)
        self.known_gaps = list(gaps)
        self.problem: str | None = None
        self.exported: FakeExport | None = None
        self.use: dict[str, list[UsePoint]] = {}
        self.pauses: dict[str, QueuePause] = {}
        self.readings: dict[str, Reading] = {}
        """What Overview reads, by the text of the range; nothing recorded where there is none."""

    def _matching(self, chosen: Filter | None, now: float) -> list[TaskRecord]:
        if self.problem:
            raise DatabaseUnavailable(self.problem)
        if chosen is None:
            return self.records
        matches = compile_predicate(chosen)
        return [record for record in self.records if matches(record, now)]

    async def page(
        self, chosen: Filter | None, at: Any, limit: int, now: float, order: Order | None = None
    ) -> Page:
        found = self._matching(chosen, now)
        if order is not None:
            key = order.key
            known = [record for record in found if getattr(record, key) is not None]
            rest = [record for record in found if getattr(record, key) is None]
            known.sort(key=lambda record: (getattr(record, key), record.state_at))
            found = (known[::-1] if order.descending else known) + rest
        start = at or 0
        shown = found[start : start + limit]
        more = start + limit < len(found)
        return Page(
            records=shown,
            newer=max(0, start - limit) if start else None,
            older=start + limit if more else None,
            start=shown[-1].state_at if more else 0.0,
            end=found[start - 1].state_at if start else 1e11,
            among=10_000 if order is not None and (chosen or order.key == "args") else None,
        )

    async def total(self, chosen: Filter | None, now: float) -> Total:
        return Total(len(self._matching(chosen, now)), True)

    async def histogram(
        self, chosen: Filter | None, most_slices: int, now: float
    ) -> Histogram | None:
        found = self._matching(chosen, now)
        if not found:
            return None
        instants = [record.state_at for record in found]
        width_s = width_for(max(instants) - min(instants), most_slices)
        begin, end = int(min(instants) // width_s), int(max(instants) // width_s)
        slices: list[dict[str, int]] = [{} for _ in range(end - begin + 1)]
        for record in found:
            by_state = slices[int(record.state_at // width_s) - begin]
            by_state[record.state] = by_state.get(record.state, 0) + 1
        return Histogram(begin * width_s, width_s, slices, len(found), False)

    def export(
        self,
        chosen: Filter | None,
        path: Path,
        format: str,
        *,
        replace: bool,
        now: float,
        logs: bool = False,
    ) -> FakeExport:
        total = len(self._matching(chosen, now))
        self.exported = FakeExport(path, format, replace, total, logs=logs)
        return self.exported

    async def by_id(self, task_id: str) -> TaskRecord | None:
        return next((record for record in self.records if record.id == task_id), None)

    async def facets(
        self, chosen: Filter | None, fields: Sequence[str], spans: Sequence[Span], now: float
    ) -> Facets:
        self._matching(None, now)
        return count_facets(self.records, chosen, fields, spans=spans, now=now)

    async def known(self, field: str, begun: str, cap: int) -> list[tuple[str, int]]:
        counted = count_facets(self.records, None, [field], now=NOW).by_field[field]
        lower = begun.lower()
        return [(value, n) for value, n in counted if value and value.lower().startswith(lower)]

    async def family(self, record: TaskRecord) -> list[TaskRecord]:
        root = record.root_id or record.id
        return [each for each in self.records if root in (each.id, each.root_id)]

    async def gaps(self, start: float, end: float) -> list[Gap]:
        return [gap for gap in self.known_gaps if start <= gap.started_at < end]

    async def overview(self, chosen: Range, now: float) -> Reading:
        if self.problem:
            raise DatabaseUnavailable(self.problem)
        return self.readings.get(chosen.text) or Reading(
            at=now, start=now - chosen.span_s, kept_until=now, recorder="ops-2"
        )

    async def seed(self, limit: int, since: float | None = None) -> list[TaskRecord]:
        found = self._matching(None, NOW)[:limit]
        return [record for record in found if since is None or record.state_at >= since]

    def prepare(self) -> None:
        pass

    async def workers(self, since: float) -> list[WorkerRecord]:
        return []

    async def runtimes(self) -> dict[str, list[float]]:
        return {}

    async def worker_trend(
        self, hostname: str, start: float, end: float, slice_s: float
    ) -> list[WorkerSlice]:
        return []

    async def worker_use(
        self, start: float, end: float, slice_s: float
    ) -> dict[str, list[UsePoint]]:
        return self.use

    async def queue_trends(
        self, start: float, end: float, slice_s: float
    ) -> dict[str, list[tuple[float, int]]]:
        return {}

    async def queue_pauses(self) -> dict[str, QueuePause]:
        return self.pauses

    async def close(self) -> None:
        pass

"""A recorder's site whose database is read with Umbel's own statements."""

from __future__ import annotations

from typing import Any

from harness.recorder import Site
from harness.waiting import wait_until
from umbel_backend.db.engine import database_url, open_engine
from umbel_backend.db.query import run
from umbel_backend.db.statements import gaps, logs, messages, tasks
from umbel_backend.db.statements import workers as worker_reads
from umbel_backend.records import Gap, KeptMessage, TaskRecord, WorkerRecord

WAIT_S = 60.0


class Recorded(Site):
    """Recorder processes over one broker, and what they stored."""

    def read(self, query: Any) -> Any:
        """Run a statement on the database."""
        engine = open_engine(database_url(str(self.file), self.broker_url), read_only=True)
        try:
            return run(engine, query)
        finally:
            engine.dispose()

    def all(self, ids: list[str]) -> dict[str, TaskRecord]:
        """Return the records of ``ids`` that there are."""
        found: dict[str, TaskRecord] = self.read(tasks.by_ids(ids)) if self.file.exists() else {}
        return found

    def task(self, task_id: str) -> TaskRecord | None:
        """Return one record."""
        return self.all([task_id]).get(task_id)

    def state_of(self, task_id: str) -> str | None:
        """Return the state of one record; None if there is none."""
        found = self.task(task_id)
        return None if found is None else found.state

    def lines(self, task_id: str) -> list[str]:
        """Return the texts of a task's lines, in order."""
        return [line.text for line in self.read(logs.last(task_id, 100_000))]

    def message(self, task_id: str) -> KeptMessage | None:
        """Return a task's exact message, if it was kept."""
        found: KeptMessage | None = self.read(messages.of_task(task_id))
        return found

    def noted(self) -> list[Gap]:
        """Return the gaps, newest first."""
        found: list[Gap] = self.read(gaps.newest())
        return found

    def workers(self) -> dict[str, WorkerRecord]:
        """Return the workers by node name."""
        return {each.hostname: each for each in self.read(worker_reads.every())}

    def wait_for(self, state: str, ids: list[str], timeout_s: float = WAIT_S) -> None:
        """Wait until all of ``ids`` are in ``state``."""

        def told() -> list[str | None]:
            found = self.all(ids)
            return [found[one].state if one in found else None for one in ids]

        wait_until(
            lambda: all(each == state for each in told()),
            timeout_s,
            lambda: f"{len(ids)} to be {state}; they are {told()[:20]}\n{self.log()}",
            every_s=0.1,
        )

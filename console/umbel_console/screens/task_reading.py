"""What is known of the task that is looked at: what came live, completed by what the database tells."""

from __future__ import annotations

import time
from collections.abc import Mapping

from umbel_backend.errors import UmbelError
from umbel_backend.records import KeptMessage, TaskRecord
from umbel_console.session import Session

MOST_MEMBERS = 500
"""Members of a workflow that are read."""
MOST_REPEATS = 10
"""Tasks of the retry lineage that are looked up."""
READ_AGAIN_S = 2.0
"""How long after a change of state the database is read again: what came with it is stored then."""


class TaskReading:
    """One task, and how its beginning, its family and its retries are read.

    Args:
        session: The live state and the history.
        task_id: Whose.
        given: The task as whoever opened it knows it.
    """

    def __init__(self, session: Session, task_id: str, given: TaskRecord | None) -> None:
        self._session = session
        self.task_id = task_id
        self.members: list[TaskRecord] | None = None
        """Of its workflow as they were read; None until then."""
        self.is_whole = True
        """False if the workflow may have more members."""
        self.repeats: Mapping[str, TaskRecord] = {}
        """Tasks of the retry lineage that are known, by id."""
        self.kept: KeptMessage | None = None
        self.trouble: str | None = None
        """Why the database could not be read."""
        self._given = given
        self._stored: TaskRecord | None = None
        self._merged: tuple[TaskRecord, TaskRecord, TaskRecord] | None = None
        self._state: tuple[str, int] | None = None
        self._again_at: float | None = None
        self._is_begun = False
        self._is_going_on = False

    @property
    def record(self) -> TaskRecord | None:
        """The task as far as it is known: what events told, completed by the database."""
        live = self._session.tasks.get(self.task_id)
        stored = self._stored
        if live is None or stored is None:
            return live or stored or self._given
        if self._merged is None or self._merged[0] is not live or self._merged[1] is not stored:
            from umbel_console.stores.merge import merged

            self._merged = live, stored, merged(live, stored)
        return self._merged[2]

    def is_due(self) -> bool:
        """Whether it is time to read: at first, and some time after the task changed its state."""
        if self._session.history is None:
            return False
        if not self._is_begun:
            return True
        record = self.record
        state = None if record is None else (record.state, len(record.attempts))
        if state != self._state:
            is_first = self._state is None
            self._state = state
            self._again_at = None if is_first else time.monotonic() + READ_AGAIN_S
        return self._again_at is not None and time.monotonic() >= self._again_at

    def begin(self) -> None:
        """Note that it is being read from now on."""
        self._is_begun = self._is_going_on = True
        self._again_at = None

    async def read(self) -> None:
        """Read what live events do not tell; what goes wrong is told as a sentence."""
        history = self._session.history
        if history is None:
            return
        try:
            self._stored = await history.by_id(self.task_id)
            self.kept = await history.kept_message(self.task_id)
            record = self.record
            if record is not None:
                self.members = await history.family(record)
                self.is_whole = len(self.members) < MOST_MEMBERS
                self.repeats = await self._repeats_of(record)
        except UmbelError as error:
            self.trouble = str(error)
        self._is_going_on = False

    async def _repeats_of(self, record: TaskRecord) -> dict[str, TaskRecord]:
        history = self._session.history
        wanted = [*((record.retry_of,) if record.retry_of else ()), *record.retried_as]
        found = {}
        for each in wanted[-MOST_REPEATS:]:
            known = self._session.tasks.get(each)
            if known is None and history is not None:
                known = await history.by_id(each)
            if known is not None:
                found[each] = known
        return found

    def repeats_now(self) -> dict[str, TaskRecord]:
        """Return the tasks of the retry lineage as they stand now."""
        tasks = self._session.tasks
        return {task_id: tasks.get(task_id) or each for task_id, each in self.repeats.items()}

    def members_now(self) -> list[TaskRecord] | None:
        """Return the members of the workflow as they stand now; None until they were read."""
        record = self.record
        if record is None or (
            self.members is None and self.trouble is None and self._session.history is not None
        ):
            return None
        tasks = self._session.tasks
        found = {member.id: tasks.get(member.id) or member for member in self.members or ()}
        related = [record, *found.values()]
        roots = {each.root_id or each.id for each in related}
        groups = {each.group_id for each in related if each.group_id is not None}
        for live in tasks.records():
            if live.root_id in roots or live.id in roots or live.group_id in groups:
                found[live.id] = live
        return list(found.values())

    def relative(self, task_id: str) -> TaskRecord | None:
        """Return another task of its family or its retries, as it was read."""
        members = self.members or ()
        found = next((member for member in members if member.id == task_id), None)
        return found or self.repeats.get(task_id)

    def why_unknown(self) -> str:
        """Say why nothing is known of the task, as far as that is known."""
        session = self._session
        if self.trouble or session.history_problem:
            return self.trouble or session.history_problem or ""
        if session.history is None or not self._is_begun or self._is_going_on:
            return "reading"
        return "Neither this console nor the database knows this task."

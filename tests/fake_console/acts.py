"""Acts that do nothing but tell what a test lets them tell."""

from __future__ import annotations

from collections.abc import Sequence

from umbel_backend.acts.outcome import Outcome
from umbel_backend.acts.signature import Signature
from umbel_backend.errors import UmbelError
from umbel_backend.policies.retry import RetryPolicy
from umbel_console.acting import Known, Line, Outlook, Verb, Wanted


class FakeJob:
    """An act that goes on when the test says so."""

    def __init__(self, wanted: Wanted, ids: Sequence[str], reason: str) -> None:
        self.wanted = wanted
        self.ids = list(ids)
        self.reason = reason
        self.batch: str | None = "b1"
        self.problem: str | None = None
        self.is_over = False
        self.was_stopped = False
        self._new: list[tuple[str, Outcome]] = []

    def tell(self, target: str, outcome: Outcome) -> None:
        """Let an outcome become known."""
        self._new.append((target, outcome))

    def take(self) -> Sequence[tuple[str, Outcome]]:
        taken, self._new = self._new, []
        return taken

    def stop(self) -> None:
        self.was_stopped = True


class FakeActs:
    """Finds what it is told, and begins jobs that the test carries out."""

    def __init__(self) -> None:
        self.refused: list[tuple[str, list[str], str]] = []
        self.why_refused: str | None = None
        self.matching: list[str] = []
        """What a filter matches."""
        self.lines = [Line("waiting: removed from default", 1)]
        self.left_out = 0
        self.doable: int | None = None
        self.problem: UmbelError | None = None
        self.asked: list[Wanted] = []
        self.jobs: list[FakeJob] = []
        self.was_closed = False
        self.names = ["shop.mail.send", "shop.mail.remind", "shop.reports.sales"]
        """Of the tasks that workers know."""
        self.signatures_by_name: dict[str, list[Signature]] = {}
        """What agents tell of tasks."""
        self.why_no_signatures: UmbelError | None = None
        self.known_policies: list[RetryPolicy] = []
        self.policies_problem: UmbelError | None = None
        self.known_arguments = Known(args="[]", kwargs="{}")

    async def refusal(self, verb: Verb, targets: Sequence[str], kind: str) -> str | None:
        self.refused.append((verb, list(targets), kind))
        return self.why_refused

    async def outlook(self, wanted: Wanted) -> Outlook:
        self.asked.append(wanted)
        if self.problem is not None:
            raise self.problem
        ids = list(wanted.ids) if wanted.chosen is None else self.matching
        return Outlook(
            ids=ids,
            lines=self.lines,
            left_out=0 if wanted.twice else self.left_out,
            doable=len(ids) if self.doable is None else self.doable,
        )

    async def known(self, task_id: str) -> Known:
        return self.known_arguments

    async def registered(self) -> Sequence[str]:
        return self.names

    async def signatures(self, name: str) -> Sequence[Signature]:
        if self.why_no_signatures is not None:
            raise self.why_no_signatures
        return self.signatures_by_name.get(name, [])

    async def policies(self) -> Sequence[RetryPolicy]:
        if self.policies_problem is not None:
            raise self.policies_problem
        return self.known_policies

    def begin(self, wanted: Wanted, ids: Sequence[str], reason: str) -> FakeJob:
        job = FakeJob(wanted, ids, reason)
        self.jobs.append(job)
        return job

    def close(self) -> None:
        self.was_closed = True

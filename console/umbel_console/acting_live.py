"""Acts as they are done for real: by the backend's door, in threads with connections of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from umbel_backend.settings import Settings
from umbel_console.acting import Known, Outlook, Verb, Wanted
from umbel_console.acting_job import Outcomes, ThreadJob

if TYPE_CHECKING:
    from umbel_backend.acts.signature import Signature
    from umbel_backend.policies.retry import RetryPolicy

GOODBYE_S = 2.0
"""How long a console that ends waits for an act to write down how far it came."""


class _Noun(Protocol):
    """A module that does the acts on one kind of thing."""

    def outlook(self, settings: Settings, wanted: Wanted) -> Outlook: ...

    def work(
        self,
        settings: Settings,
        job: ThreadJob,
        wanted: Wanted,
        ids: Sequence[str],
        reason: str,
    ) -> Outcomes: ...


def _noun(verb: Verb) -> _Noun:
    """Import what does ``verb``, in the thread that needs it."""
    first = verb.partition(" ")[0]
    nouns = {"retry": "retry", "run": "run", "policy": "policies", "queue": "queues"}
    module: _Noun = import_module(f"umbel_console.acting_{nouns.get(first, 'places')}")
    return module


class LiveActs:
    """Acts on one cluster.

    Args:
        settings: Name cluster and database.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._jobs: list[ThreadJob] = []

    async def refusal(self, verb: Verb, targets: Sequence[str], kind: str) -> str | None:
        """Return why this may not be done, which is in the audit then; None if it may."""

        def ask() -> str | None:
            from umbel_backend.acts.opening import open_door
            from umbel_console.acting_rules import refusal

            with open_door(self._settings) as door:
                return refusal(door, verb, targets, kind)

        return await asyncio.to_thread(ask)

    async def outlook(self, wanted: Wanted) -> Outlook:
        """Find out what would come of an act."""
        return await asyncio.to_thread(lambda: _noun(wanted.verb).outlook(self._settings, wanted))

    async def known(self, task_id: str) -> Known:
        """Return what is known of a task's arguments."""

        def ask() -> Known:
            from umbel_console.acting_retry import known

            return known(self._settings, task_id)

        return await asyncio.to_thread(ask)

    async def registered(self) -> Sequence[str]:
        """Return the names of all tasks that workers know."""

        def ask() -> Sequence[str]:
            from umbel_console.acting_run import registered

            return registered(self._settings)

        return await asyncio.to_thread(ask)

    async def signatures(self, name: str) -> Sequence[Signature]:
        """Return what the task ``name`` takes, as agents tell it."""

        def ask() -> Sequence[Signature]:
            from umbel_console.acting_run import signatures

            return signatures(self._settings, name)

        return await asyncio.to_thread(ask)

    async def policies(self) -> Sequence[RetryPolicy]:
        """Return the retry policies in the order in which workers ask them."""

        def ask() -> Sequence[RetryPolicy]:
            from umbel_console.acting_policies import listed

            return listed(self._settings)

        return await asyncio.to_thread(ask)

    def begin(self, wanted: Wanted, ids: Sequence[str], reason: str) -> ThreadJob:
        """Begin to do it to ``ids``, in a thread of its own."""

        def work(own: ThreadJob) -> Outcomes:
            yield from _noun(wanted.verb).work(self._settings, own, wanted, ids, reason)

        self._jobs = [job for job in self._jobs if not job.is_over]
        job = ThreadJob(work)
        self._jobs.append(job)
        job.start()
        return job

    def close(self) -> None:
        """Stop what runs, and wait a moment for it; what is cut off then reads as interrupted."""
        for job in self._jobs:
            job.stop()
        for job in self._jobs:
            job.join(GOODBYE_S)

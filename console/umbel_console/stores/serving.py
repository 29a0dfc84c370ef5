"""Which workers serve a queue: said once, for the advice and for the problems."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from umbel_backend.records import WorkerRecord

WORKING = frozenset({"online", "late"})
"""Status of workers whose slots count; one that drains takes nothing new."""
_SILENT = "not answering"


@dataclass(frozen=True, slots=True)
class Serving:
    """The workers that consume from some queues."""

    working: Sequence[WorkerRecord]
    silent: Sequence[WorkerRecord]
    """Those that are connected and do not answer: at work without a pause, or stopped."""


def who_serves(queues: Iterable[str], workers: Iterable[WorkerRecord]) -> Serving:
    """Return the workers of ``workers`` that consume from any of ``queues``."""
    names = set(queues)
    consuming = [each for each in workers if names.intersection(each.queues or ())]
    return Serving(
        [each for each in consuming if each.status in WORKING],
        [each for each in consuming if each.status == _SILENT],
    )


def messages_wait(count: int) -> str:
    """Say how many messages wait, with the verb."""
    return "1 message waits" if count == 1 else f"{count:,} messages wait"

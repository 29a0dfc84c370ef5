"""What workers say of themselves, and switching their task events on; nothing else is changed here."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from umbel_backend.broker.answers import WorkerAnswer, read_answer
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.mailbox import Command, Mailbox
from umbel_backend.events.text import clean

METHODS = ("stats", "active", "reserved", "scheduled", "active_queues", "conf", "registered")

EventsSwitch = Literal["enabled", "already", "refused", "no answer"]

_ARGUMENTS: dict[str, dict[str, Any]] = {
    # With the decoded arguments a worker whose tasks take pickle cannot encode its answer at all.
    "active": {"safe": True},
}


@dataclass(frozen=True, slots=True)
class Ping:
    """Who answered a ping and who of those asked did not."""

    answered: tuple[str, ...]
    silent: tuple[str, ...]
    reached: int | None = None
    """How many workers hold a connection to the broker (`mailbox.Heard.reached`)."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """The answers of all workers asked."""

    workers: dict[str, WorkerAnswer]
    """By node name; only those that answered at least one question."""
    silent: tuple[str, ...]
    """Asked by name, and not one answer came: busy (solo), stopped, or gone."""
    asked_at: float
    """When the questions were sent: what a worker did later it did not tell."""
    complete: bool = field(default=False)
    """Every worker asked by name answered everything."""
    reached: int | None = None
    """How many workers hold a connection to the broker (`mailbox.Heard.reached`)."""

    @property
    def consumers(self) -> dict[str, int] | None:
        """How many workers consume from each queue; None when not all of them told.

        Absent from a mapping that is not None means that nobody does.
        """
        if self.silent or not self.workers:
            return None
        counts: dict[str, int] = {}
        for answer in self.workers.values():
            if answer.queue_names is None:
                return None
            for name in set(answer.queue_names):
                counts[name] = counts.get(name, 0) + 1
        return counts


class Control:
    """Asks the workers of one cluster. Every call is bounded by its timeout; safe between threads,
    which then wait for each other.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._mailbox = Mailbox(cluster)

    def ping(self, known: Collection[str] = (), timeout_s: float = 1.0) -> Ping:
        """Ask every worker whether it is there.

        Args:
            known: Workers that should answer: with all of them heard, the wait ends, and workers
                not among them are heard only if they were about as quick. Empty waits for as many
                as the broker reached, where it tells, and else the whole time.
            timeout_s: Longest wait.
        """
        heard = self._mailbox.ask(
            [Command("ping", {})], to=None, expected=known, timeout_s=timeout_s
        )
        answered = {clean(name, 255) for name in heard.replies["ping"]}
        silent = tuple(sorted(set(known) - answered))
        return Ping(tuple(sorted(answered)), silent, heard.reached)

    def inspect(
        self,
        names: Collection[str] | None = None,
        methods: Sequence[str] = METHODS,
        timeout_s: float = 3.0,
    ) -> Inspection:
        """Ask ``names`` all ``methods`` at once; None pings first, within a third of the time.

        Partial answers are kept: whoever did not answer is in ``silent``, and what a worker left
        unanswered is in its ``missing``.
        """
        if names is None:
            names = self.ping(timeout_s=timeout_s / 3).answered
        asked_at = time.time()
        if not names:
            return Inspection({}, (), asked_at, complete=False)
        heard = self._mailbox.ask(
            [Command(method, _ARGUMENTS.get(method, {})) for method in methods],
            to=names,
            expected=names,
            timeout_s=timeout_s,
        )
        answers = {}
        for name in sorted(names):
            own = {method: said[name] for method, said in heard.replies.items() if name in said}
            if own:
                hostname = clean(name, 255)
                answers[hostname] = read_answer(hostname, own, methods)
        silent = tuple(sorted(set(names) - answers.keys()))
        complete = not silent and not any(answer.missing for answer in answers.values())
        return Inspection(answers, silent, asked_at, complete, heard.reached)

    def enable_events(
        self, names: Collection[str], timeout_s: float = 2.0
    ) -> dict[str, EventsSwitch]:
        """Switch task events on in ``names``; tell of each what became of it.

        Raises:
            BrokerUnavailable: The broker is gone; nothing is known of the workers.
        """
        if not names:
            return {}
        replies = self._mailbox.ask(
            [Command("enable_events", {})], to=names, expected=names, timeout_s=timeout_s
        ).replies["enable_events"]
        return {name: _switched(replies.get(name)) for name in names}

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        self._mailbox.close()


def _switched(reply: Any) -> EventsSwitch:
    if reply is None:
        return "no answer"
    said = reply.get("ok") if isinstance(reply, dict) else None
    if not isinstance(said, str):
        return "refused"
    return "already" if "already" in said else "enabled"

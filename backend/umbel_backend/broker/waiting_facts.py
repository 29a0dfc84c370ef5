"""Finds out about one waiting task: from its queue, from what is unacknowledged, from the workers.

Read only, bounded, blocking: for a thread of its own. What was found goes to `why_waiting`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from umbel_backend.broker.answers import HeldTask, WorkerAnswer, read_answer
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.mailbox import Command, Mailbox, Replies
from umbel_backend.broker.queues import Queues, open_queues
from umbel_backend.broker.redis_position import place_of
from umbel_backend.broker.why_waiting import Facts, Running, WorkerFacts
from umbel_backend.errors import BrokerUnavailable, ControlTimeout, Refused
from umbel_backend.events.text import clean
from umbel_backend.records import TaskRecord, WorkerRecord
from umbel_backend.settings import Settings

_MOST_WORKERS = 30
"""Workers asked about one task; those that may have it come first."""
_MOST_QUEUES = 50
"""Queues searched for a task of which none is known."""
_ANSWER_S = 1.5
_READ = ("stats", "active", "reserved", "scheduled", "active_queues")
_COMMANDS = (
    Command("stats", {}),
    Command("active", {"safe": True}),
    Command("reserved", {}),
    Command("scheduled", {}),
    Command("active_queues", {}),
    Command("registered", {"taskinfoitems": ["rate_limit"]}),
    Command("revoked", {}),
)


class WaitingFacts:
    """Asks one cluster about waiting tasks, on connections that are opened at the first question.

    Args:
        settings: Names the cluster.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cluster = Cluster(settings.context)
        self._mailbox = Mailbox(self._cluster)
        self._queues: Queues | None = None

    def gather(
        self, record: TaskRecord, workers: Sequence[WorkerRecord], *, now: float, paused: bool
    ) -> Facts:
        """Return what broker and workers say of ``record``; what cannot be told is in the facts.

        Args:
            record: A task that waits.
            workers: All workers known, with the queues they told last.
            now: Unix seconds, by this machine's clock.
            paused: Its queue is known to be paused.
        """
        facts = Facts(
            now=now,
            name=record.name,
            state=record.state,
            sent_at=record.sent_at,
            worker=record.worker,
            eta=record.eta,
            expires=record.expires,
            queue=record.queue,
            queue_paused=paused,
        )
        try:
            facts = self._with_workers(facts, record, workers)
            return facts if facts.holder is not None else self._with_place(facts, record.id)
        except BrokerUnavailable as error:
            return replace(facts, broker_problem=str(error))

    def close(self) -> None:
        """Close what is open; the next question opens it again."""
        self._mailbox.close()
        if self._queues is not None:
            self._queues.close()
        self._cluster.close()

    # Workers

    def _with_workers(
        self, facts: Facts, record: TaskRecord, workers: Sequence[WorkerRecord]
    ) -> Facts:
        asked = _who_may_know(record, workers)
        unasked = sum(each.status != "offline" for each in workers) - len(asked)
        names = {worker.hostname for worker in asked}
        try:
            if not workers:
                names = self._ping()
            replies: Replies = {}
            if names:
                replies = self._mailbox.ask(
                    _COMMANDS, to=names, expected=names, timeout_s=_ANSWER_S
                ).replies
        except ControlTimeout as error:
            return replace(facts, workers_problem=str(error))
        told = {worker.hostname: worker.queues for worker in workers}
        found = [
            _worker_facts(name, replies, record, told.get(clean(name, 255)))
            for name in sorted(names)
        ]
        found += [
            WorkerFacts(hostname=worker.hostname, answered=False, gone=True, queues=())
            for worker in workers
            if worker.status == "offline" and worker.hostname == record.worker
        ]
        return replace(facts, workers=found, unasked=max(0, unasked))

    def _ping(self) -> set[str]:
        """Return the workers there are, when no event told of any."""
        heard = self._mailbox.ask([Command("ping", {})], to=None, expected=(), timeout_s=1.0)
        return set(list(heard.replies["ping"])[:_MOST_WORKERS])

    # Queues

    def _with_place(self, facts: Facts, task_id: str) -> Facts:
        if self._queues is None:
            self._queues = open_queues(self._cluster, self._settings)
        queues = self._queues
        names = [facts.queue] if facts.queue else queues.discover()[:_MOST_QUEUES]
        if not queues.abilities.waiting:
            ready = None
            if facts.queue and queues.abilities.depth:
                ready = sum(record.ready for record in queues.measure(names)) or None
            return replace(facts, cannot_read=queues.abilities.why_not, ready=ready)
        facts = self._searched(facts, task_id, names)
        if facts.found:
            return facts
        try:
            page = queues.unacked(None, 0, 2_000)
        except Refused:
            return facts
        taken = next((message for message in page.messages if message.id == task_id), None)
        if taken is None:
            return replace(facts, unacked=False if page.complete else None)
        return replace(
            facts,
            unacked=True,
            redelivered_at=taken.redelivered_at,
            queue=facts.queue or taken.queue,
        )

    def _searched(self, facts: Facts, task_id: str, names: Collection[str]) -> Facts:
        """Look for the task in the queues ``names``, from their heads."""
        assert self._queues is not None
        searched, complete = 0, True
        for name in names:
            place = place_of(self._cluster, name, task_id)
            searched += place.searched
            complete = complete and place.complete
            if place.before is not None:
                return replace(
                    facts,
                    queue=name,
                    found=True,
                    before=place.before,
                    searched=searched,
                    ready=place.ready,
                )
        # From the tail now: so nothing escapes that moved up while its page was read.
        again = self._queues.find([task_id], names, 1.0)
        if task_id in again.queues:
            return replace(facts, queue=again.queues[task_id], found=True, searched=searched)
        sure = complete or again.complete
        looked_at = max(searched, again.scanned)
        return replace(facts, found=False if sure else None, searched=looked_at)


def _who_may_know(record: TaskRecord, workers: Sequence[WorkerRecord]) -> list[WorkerRecord]:
    """Return the workers to be asked: its own, then those that consume its queue, then others."""

    def rank(worker: WorkerRecord) -> int:
        if worker.hostname == record.worker:
            return 0
        if worker.queues is None:
            return 2
        return 1 if record.queue is None or record.queue in worker.queues else 3

    present = [worker for worker in workers if worker.status != "offline"]
    return sorted(present, key=rank)[:_MOST_WORKERS]


def _worker_facts(
    name: str,
    replies: Mapping[str, Mapping[str, Any]],
    record: TaskRecord,
    queues: tuple[str, ...] | None,
) -> WorkerFacts:
    own = {method: said[name] for method, said in replies.items() if name in said}
    hostname = clean(name, 255)
    if not own:
        return WorkerFacts(hostname=hostname, answered=False, queues=queues)
    answer = read_answer(hostname, own, _READ)
    mine = next((task for task in answer.held if task.id == record.id), None)
    return WorkerFacts(
        hostname=hostname,
        queues=answer.queue_names if answer.queue_names is not None else queues,
        slots=answer.concurrency,
        running=_running(answer),
        others_fetched=_others(answer, record.id),
        holds=None if mine is None else mine.held,
        revoked=_is_listed(own.get("revoked"), record.id),
        rate_limit=_rate_limit(own.get("registered"), record.name),
    )


def _running(answer: WorkerAnswer) -> tuple[Running, ...] | None:
    if answer.active is None:
        return None

    def begun(task: HeldTask) -> float:
        return task.started_at or 0.0

    return tuple(Running(task.id, task.name) for task in sorted(answer.active, key=begun))


def _others(answer: WorkerAnswer, task_id: str) -> int | None:
    if answer.reserved is None:
        return None
    return sum(task.id != task_id for task in answer.reserved)


def _is_listed(reply: Any, task_id: str) -> bool | None:
    return task_id in reply if isinstance(reply, list) else None


def _rate_limit(reply: Any, name: str) -> str | None:
    """Return the limit out of ``NAME [rate_limit=20/s]``; None if there is none or it is not told."""
    if not isinstance(reply, list) or not name:
        return None
    start = f"{name} [rate_limit="
    for entry in reply:
        if isinstance(entry, str) and entry.startswith(start):
            limit = clean(entry[len(start) :].removesuffix("]"), 40)
            return None if limit in ("None", "0", "") else limit
    return None

"""Why a task does not run: what was found out about it, made into one sentence for each cause.

Pure: facts in, sentences out. Nothing is concluded from silence, and what is only probable says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from umbel_backend import states

Certainty = Literal["known", "likely", "unknown"]
Held = Literal["active", "reserved", "scheduled"]

_NAMED = 2
"""Running tasks named in a sentence; of the others only the number is told."""
_ON_ITS_WAY_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One reason, as a sentence."""

    kind: str
    """Short name of the reason, ``eta``; stable, for tests and for choosing among several."""
    sentence: str
    certainty: Certainty = "known"
    until: float | None = None
    """The instant the sentence speaks of, Unix seconds."""


@dataclass(frozen=True, slots=True)
class Running:
    """A task that occupies a slot."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerFacts:
    """What one worker answered; a field is None where it did not tell."""

    hostname: str
    answered: bool = True
    gone: bool = False
    """It is known to be offline."""
    queues: tuple[str, ...] | None = None
    """Queues it consumes from; of one that is silent, what it said last."""
    slots: int | None = None
    running: tuple[Running, ...] | None = None
    others_fetched: int | None = None
    """Tasks it holds ready besides this one."""
    holds: Held | None = None
    """How it has the task, if it lists it."""
    revoked: bool | None = None
    """The task is in its list of revoked ones."""
    rate_limit: str | None = None
    """Of this task's type in this worker, as Celery spells it (``20/s``)."""

    @property
    def free(self) -> int | None:
        """Slots without a task; None if that was not told."""
        if self.slots is None or self.running is None:
            return None
        return max(0, self.slots - len(self.running))


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything found out about one waiting task at one moment."""

    now: float
    name: str = ""
    state: str = states.PENDING
    sent_at: float | None = None
    worker: str | None = None
    """Node name of the worker that received it, by events."""
    eta: float | None = None
    expires: float | None = None
    workers: Sequence[WorkerFacts] = ()
    unasked: int = 0
    """Workers that were not asked because there are too many."""
    queue: str | None = None
    """Where it was found, else where it was sent."""
    queue_paused: bool = False
    found: bool | None = None
    """It waits in ``queue``; False after all was searched, None if that cannot be told."""
    before: int | None = None
    """Messages that are served before it."""
    searched: int = 0
    """Messages looked at."""
    ready: int | None = None
    """Messages waiting in ``queue``."""
    unacked: bool | None = None
    """Delivered and not acknowledged, by the broker's own list."""
    redelivered_at: float | None = None
    broker_problem: str | None = None
    workers_problem: str | None = None
    cannot_read: str | None = None
    """Why the messages of this broker cannot be looked at."""

    @property
    def holder(self) -> WorkerFacts | None:
        """The worker that lists the task."""
        return next((worker for worker in self.workers if worker.holds), None)

    @property
    def silent(self) -> list[WorkerFacts]:
        """Workers that were asked and did not answer."""
        return [worker for worker in self.workers if not worker.answered and not worker.gone]


def why_waiting(facts: Facts) -> list[Cause]:
    """Return at least one cause, the one that decides most comes first."""
    causes = [*_by_its_own_times(facts), *_revoked(facts)]
    holder = facts.holder
    if holder is not None:
        causes += _held(facts, holder)
    elif facts.broker_problem is not None:
        causes.append(
            Cause(
                kind="broker",
                certainty="unknown",
                sentence=f"More cannot be told: {_lower(facts.broker_problem)}",
            )
        )
    elif facts.found or (facts.found is None and facts.cannot_read and facts.worker is None):
        causes += _in_queue(facts)
    else:
        causes += _taken(facts) or _not_found(facts)
    if facts.workers_problem is not None and holder is None and facts.broker_problem is None:
        causes.append(
            Cause(
                kind="workers",
                certainty="unknown",
                sentence=f"Workers could not be asked: {_lower(facts.workers_problem)}",
            )
        )
    return causes


def _by_its_own_times(facts: Facts) -> list[Cause]:
    causes = []
    if facts.expires is not None and facts.expires <= facts.now:
        sentence = "It has expired: the worker that takes it drops it."
        causes.append(Cause(kind="expired", sentence=sentence, until=facts.expires))
    if facts.eta is not None and facts.eta > facts.now:
        holder = facts.holder
        if holder is not None and holder.holds == "scheduled":
            who = f"worker {holder.hostname} holds it until then."
        elif facts.found:
            who = "the worker that takes it holds it until then."
        else:
            who = "it is held until then."
        what = "its next try" if facts.state == states.RETRY else "its ETA"
        sentence = f"The time of {what} has not come; {who}"
        causes.append(Cause(kind="eta", sentence=sentence, until=facts.eta))
    return causes


def _revoked(facts: Facts) -> list[Cause]:
    by = [worker.hostname for worker in facts.workers if worker.revoked]
    if not by:
        return []
    noun = f"Worker {by[0]} has" if len(by) == 1 else f"{len(by)} workers have"
    drops = "drops it when its turn comes" if len(by) == 1 else "drop it when its turn comes"
    return [Cause(kind="revoked", sentence=f"{noun} it in the list of revoked tasks and {drops}.")]


def _held(facts: Facts, worker: WorkerFacts) -> list[Cause]:
    name = worker.hostname
    if worker.holds == "active":
        sentence = f"Worker {name} says that it runs it now; the event of its start was not seen."
        return [Cause(kind="running", sentence=sentence)]
    if worker.holds == "scheduled":
        if facts.eta is not None and facts.eta > facts.now:
            return []
        sentence = f"Worker {name} holds it on its clock and should let it start at any moment."
        return [Cause(kind="due", sentence=sentence, certainty="likely")]
    fetched = f"Worker {name} has fetched it ahead"
    if worker.free == 0 and worker.running is not None:
        others = worker.others_fetched or 0
        besides = f", with {_count(others, 'other')} fetched as well" if others else ""
        sentence = f"{fetched}{besides}, and {_busy(worker.running)}."
        return [Cause(kind="prefetched", sentence=sentence)]
    if worker.free:
        sentence = (
            f"{fetched} and has a free slot: it should start at any moment, unless a process of its"
            " pool hangs."
        )
        return [Cause(kind="prefetched", sentence=sentence, certainty="likely")]
    return [Cause(kind="prefetched", sentence=f"{fetched} and has not begun it.")]


def _busy(running: Sequence[Running]) -> str:
    names = ", ".join(f"{each.name} {each.id[:8]}" for each in running[:_NAMED])
    more = len(running) - _NAMED
    names += f" and {more:,} more" if more > 0 else ""
    if len(running) == 1:
        return f"its one slot is busy with {names}"
    return f"its {len(running):,} slots are busy with {names}"


def _in_queue(facts: Facts) -> list[Cause]:
    if facts.queue is None:
        return [_unknown_queue(facts)]
    causes = []
    if facts.queue_paused:
        causes.append(Cause(kind="paused", sentence=f"Queue {facts.queue} is paused."))
    if facts.workers_problem is None:
        causes += _consumers(facts, facts.queue)
    return [*causes, _position(facts, facts.queue)]


def _consumers(facts: Facts, queue: str) -> list[Cause]:
    unsure = [worker for worker in facts.silent if worker.queues is None or queue in worker.queues]
    consumers = [w for w in facts.workers if w.answered and w.queues and queue in w.queues]
    if not consumers:
        return _without_consumer(facts, queue, unsure)
    certainty: Certainty = "likely" if unsure or facts.unasked else "known"
    causes = []
    free = [worker.free for worker in consumers]
    if all(each == 0 for each in free):
        slots = sum(worker.slots or 0 for worker in consumers)
        sentence = f"{_all_slots(consumers, slots)} on queue {queue} {_are(slots)} busy."
        causes.append(Cause(kind="full", sentence=sentence, certainty=certainty))
    elif any(each for each in free) and not facts.queue_paused:
        roomy = next(worker for worker in consumers if worker.free)
        sentence = f"Worker {roomy.hostname} consumes from queue {queue} and has a free slot"
        sentence += ": it should be taken soon." if not facts.before else "."
        causes.append(Cause(kind="free slot", sentence=sentence, certainty="likely"))
    if unsure:
        causes.append(_silent(unsure))
    return causes


def _without_consumer(facts: Facts, queue: str, unsure: Sequence[WorkerFacts]) -> list[Cause]:
    if not unsure and not facts.unasked:
        here = "" if any(not worker.gone for worker in facts.workers) else " No worker was found."
        sentence = f"No worker consumes from queue {queue}.{here}"
        # What a silent worker consumed when it last answered may have changed.
        certainty: Certainty = "likely" if facts.silent else "known"
        return [Cause(kind="no consumer", sentence=sentence, certainty=certainty)]
    if unsure and all(worker.queues is not None for worker in unsure):
        return [_silent(unsure)]
    left_out = facts.unasked + len(unsure)
    sentence = (
        f"No worker that answered consumes from queue {queue}; {left_out:,} did not answer or were"
        " not asked."
    )
    return [Cause(kind="no consumer", sentence=sentence, certainty="likely")]


def _position(facts: Facts, queue: str) -> Cause:
    if facts.before is not None:
        if facts.before == 0:
            return Cause(kind="position", sentence=f"It is the next message of queue {queue}.")
        verb = "is" if facts.before == 1 else "are"
        sentence = f"{_count(facts.before, 'message')} {verb} before it in queue {queue}."
        return Cause(kind="position", sentence=sentence)
    if facts.cannot_read is not None:
        held = "" if facts.ready is None else f", which holds {_count(facts.ready, 'message')}"
        sentence = f"Its place in queue {queue}{held}, cannot be told: {_lower(facts.cannot_read)}"
        return Cause(kind="position", sentence=sentence, certainty="unknown")
    of = "" if facts.ready is None else f" of {facts.ready:,}"
    sentence = f"It is in queue {queue}, behind the first {facts.searched:,}{of} messages."
    return Cause(kind="position", sentence=sentence)


def _taken(facts: Facts) -> list[Cause]:
    """Explain a task that a worker received and that no worker lists."""
    if facts.worker is None and not facts.unacked:
        return []
    worker = next((each for each in facts.workers if each.hostname == facts.worker), None)
    name = "A worker" if facts.worker is None else f"Worker {facts.worker}"
    if worker is not None and worker.gone:
        back = "; the broker hands it out again" if facts.redelivered_at is not None else ""
        sentence = f"{name} took it and is gone{back}."
        return [Cause(kind="worker gone", sentence=sentence, until=facts.redelivered_at)]
    if worker is not None and not worker.answered:
        sentence = (
            f"{name} took it and does not answer: what it does with it cannot be told. A worker of"
            " the solo pool is silent while it runs a task."
        )
        return [Cause(kind="silent", sentence=sentence, certainty="unknown")]
    if worker is not None and worker.rate_limit and facts.unacked is not False:
        sentence = (
            f"{name} runs at most {worker.rate_limit} of {facts.name or 'its type'} and lets it"
            " wait for its turn."
        )
        return [Cause(kind="rate limit", sentence=sentence, certainty="likely")]
    if facts.unacked:
        sentence = f"{name} took it, has not acknowledged it and does not list it"
        sentence += ": the broker hands it out again." if facts.redelivered_at else "."
        until = facts.redelivered_at
        return [Cause(kind="taken", sentence=sentence, certainty="likely", until=until)]
    return []


def _not_found(facts: Facts) -> list[Cause]:
    if facts.queue is None and not facts.searched:
        return [_unknown_queue(facts)]
    if facts.found is None:
        why = facts.cannot_read or f"only the first {facts.searched:,} messages were looked at."
        sentence = f"Where it waits cannot be told: {_lower(why)}"
        return [Cause(kind="not found", sentence=sentence, certainty="unknown")]
    if facts.sent_at is not None and facts.now - facts.sent_at < _ON_ITS_WAY_S:
        sentence = "It was sent a moment ago and is on its way."
        return [Cause(kind="on its way", sentence=sentence, certainty="likely")]
    if any(cause for cause in _by_its_own_times(facts) if cause.kind == "eta"):
        return [_silent(facts.silent)] if facts.silent else []
    where = "any queue that is known" if facts.queue is None else f"queue {facts.queue}"
    who = "no worker has it" if not facts.silent else "no worker that answered has it"
    sentence = (
        f"It is not in {where} ({_count(facts.searched, 'message')} looked at) and {who}: its"
        " message was removed or lost, or its end was not seen."
    )
    causes = [Cause(kind="not found", sentence=sentence, certainty="likely")]
    if facts.silent:
        causes.append(_silent(facts.silent))
    return causes


def _unknown_queue(facts: Facts) -> Cause:
    sentence = "Which queue it was sent to is not known, and no worker that answered has it."
    return Cause(kind="not found", sentence=sentence, certainty="unknown")


def _silent(workers: Sequence[WorkerFacts]) -> Cause:
    if len(workers) == 1:
        sentence = f"Worker {workers[0].hostname} does not answer."
    else:
        sentence = f"{len(workers):,} workers do not answer, {workers[0].hostname} among them."
    return Cause(kind="silent", sentence=sentence)


def _all_slots(consumers: Sequence[WorkerFacts], slots: int) -> str:
    whose = (
        f"worker {consumers[0].hostname}"
        if len(consumers) == 1
        else f"the {len(consumers):,} workers"
    )
    return f"The one slot of {whose}" if slots == 1 else f"All {slots:,} slots of {whose}"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _lower(sentence: str) -> str:
    """Return a sentence as the second half of another one."""
    word = sentence.partition(" ")[0]
    is_name = word[:1].isupper() and word[1:] != word[1:].lower()
    text = sentence if is_name or word == "I" else sentence[:1].lower() + sentence[1:]
    return text if text.endswith(".") else f"{text}."

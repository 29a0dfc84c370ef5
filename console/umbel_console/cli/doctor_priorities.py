"""The doctor's rules about priorities that do not do what they seem to."""

from __future__ import annotations

from collections.abc import Iterable

from umbel_backend.broker.answers import WorkerAnswer
from umbel_console.cli.doctor_words import named
from umbel_console.cli.evidence import Evidence
from umbel_console.cli.findings import Finding


def priorities(evidence: Evidence) -> Iterable[Finding]:
    """Look for what undoes priorities, where messages have different ones."""
    if not evidence.is_redis or not _uses_priorities(evidence):
        return
    hoarding = {
        answer.hostname: answer.prefetch_count
        for answer in evidence.answers.values()
        if answer.prefetch_count
        and answer.concurrency
        # One in hand per process is the least a worker can take.
        and answer.prefetch_count > answer.concurrency
    }
    if hoarding:
        yield Finding(
            "prefetch",
            "advice",
            "Messages have different priorities, but "
            + ", ".join(f"{name} takes {n} at a time" for name, n in hoarding.items())
            + ": what a worker has taken is not overtaken any more.",
            "Set worker_prefetch_multiplier = 1.",
        )
    mixed = [
        answer.hostname
        for answer in evidence.answers.values()
        if len(answer.queue_names or ()) > 1 and _order_strategy(answer) == "round_robin"
    ]
    if mixed:
        yield Finding(
            "queue order",
            "warning",
            f"{named(mixed)} takes from several queues in turn (queue_order_strategy round_robin),"
            " so that a low priority in one queue runs before a high one in another.",
            "Use one queue with priorities, or set broker_transport_options queue_order_strategy ="
            ' "priority" and name the queues most urgent first with -Q.',
        )
    yield from _without_priority(evidence)


def _order_strategy(answer: WorkerAnswer) -> str:
    options = (answer.conf or {}).get("broker_transport_options") or {}
    told = options.get("queue_order_strategy") if isinstance(options, dict) else None
    return str(told or "round_robin")


def _without_priority(evidence: Evidence) -> Iterable[Finding]:
    found = {
        name: sum(1 for message in messages if message.priority is None)
        for name, messages in evidence.messages.items()
    }
    listed = ", ".join(f"{count} in {name}" for name, count in found.items() if count)
    if listed:
        yield Finding(
            "no priority",
            "warning",
            "Messages without a priority are served as step 0, before all that have a lower one;"
            f" among the first waiting are {listed}.",
            "Set task_default_priority to your normal level, for example 3.",
        )


def _uses_priorities(evidence: Evidence) -> bool:
    steps = {step for queue in evidence.queues or () for step, n in queue.by_priority.items() if n}
    told = {m.priority for messages in evidence.messages.values() for m in messages}
    return bool(steps - {"0"}) or bool(told - {None, 0})

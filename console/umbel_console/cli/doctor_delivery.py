"""The doctor's rules about messages that run twice or are lost: redelivery and acknowledgement."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from umbel_backend.broker.answers import WorkerAnswer
from umbel_console.cli.doctor_words import named, workers_where
from umbel_console.cli.evidence import Evidence
from umbel_console.cli.findings import Finding
from umbel_console.render.time import duration


def visibility_timeout(evidence: Evidence) -> Iterable[Finding]:
    """Look for tasks whose ETA is further away than Redis waits for an acknowledgement."""
    if not evidence.is_redis:
        return
    late = []
    for answer in evidence.answers.values():
        timeout_s = _visibility_timeout_of(answer, evidence)
        for task in answer.scheduled or ():
            due_at = _instant(task.eta)
            if due_at is not None and due_at - evidence.now > timeout_s:
                late.append(f"{task.id} (due in {duration(due_at - evidence.now)})")
    if late:
        shortest = min(_visibility_timeout_of(a, evidence) for a in evidence.answers.values())
        yield Finding(
            "visibility timeout",
            "warning",
            f"{len(late)} tasks wait in workers for an ETA further away than the visibility timeout"
            f" of {duration(shortest)}: Redis delivers them again and they run more than once. The"
            f" first: {', '.join(late[:3])}.",
            "Raise broker_transport_options visibility_timeout above the longest countdown, in"
            " producers and workers alike, or schedule such tasks from a database.",
        )
    elif evidence.answers:
        yield Finding("visibility timeout", "ok", "No task waits for an ETA beyond it.")


def _visibility_timeout_of(answer: WorkerAnswer, evidence: Evidence) -> float:
    options = (answer.conf or {}).get("broker_transport_options") or {}
    told = options.get("visibility_timeout") if isinstance(options, dict) else None
    return float(told) if isinstance(told, int | float) else evidence.visibility_timeout_s


def run_times(evidence: Evidence) -> Iterable[Finding]:
    """Look for tasks that have run, unacknowledged, for longer than Redis waits."""
    if not evidence.is_redis:
        return
    for answer in evidence.answers.values():
        timeout_s = _visibility_timeout_of(answer, evidence)
        over = [
            task
            for task in answer.active or ()
            if task.started_at is not None
            and evidence.now - task.started_at > timeout_s
            and task.acknowledged is False
        ]
        if over:
            yield Finding(
                "run time",
                "warning",
                f"{over[0].name} ({over[0].id}) in {answer.hostname} has run for longer than the"
                f" visibility timeout of {duration(timeout_s)} without being acknowledged: Redis"
                " has delivered it again.",
                "Raise visibility_timeout above the longest run time of tasks that acknowledge"
                " late.",
            )


def acknowledgement(evidence: Evidence) -> Iterable[Finding]:
    """Say what a dying worker takes with it."""
    early = workers_where(evidence, lambda conf: not conf.get("task_acks_late"))
    if early:
        yield Finding(
            "acknowledgement",
            "advice",
            f"Tasks are acknowledged before they run in {named(early)}: a worker that dies takes"
            " the tasks it runs with it.",
            "For tasks that may run twice, set task_acks_late = True and"
            " task_reject_on_worker_lost = True.",
        )
    half = workers_where(
        evidence,
        lambda conf: (
            bool(conf.get("task_acks_late")) and not conf.get("task_reject_on_worker_lost")
        ),
    )
    if half:
        yield Finding(
            "acknowledgement",
            "advice",
            f"Tasks are acknowledged late in {named(half)}, but those of a killed pool process"
            " are still given up.",
            "Set task_reject_on_worker_lost = True for tasks that may run twice.",
        )


def _instant(text: str | None) -> float | None:
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return None if moment is None or moment.tzinfo is None else moment.timestamp()

"""The doctor's rules about broker and workers, and the list of all rules on `Evidence`.

A rule looks and changes nothing; what does not apply is not mentioned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from umbel_console.cli.doctor_agents import agents, leases, memory, stream
from umbel_console.cli.doctor_delivery import acknowledgement, run_times, visibility_timeout
from umbel_console.cli.doctor_priorities import priorities
from umbel_console.cli.doctor_words import named, workers_where
from umbel_console.cli.evidence import Evidence
from umbel_console.cli.findings import Finding
from umbel_console.render.time import duration

SKEW_LIMIT_S = 2.0
"""Above it, durations and the order of events across hosts become visibly wrong."""


def examine(evidence: Evidence) -> list[Finding]:
    """Return the findings of every rule that can be applied."""
    if evidence.broker_problem is not None:
        return [
            Finding(
                "broker",
                "critical",
                evidence.broker_problem,
                "Check the URL given with -b, UMBEL_BROKER or config.toml, and that it can be"
                " reached from this machine.",
            )
        ]
    findings = [Finding("broker", "ok", f"{evidence.broker} answers."), _workers(evidence)]
    for rule in _RULES:
        findings.extend(rule(evidence))
    return findings


def _workers(evidence: Evidence) -> Finding:
    if evidence.answers:
        return Finding("workers", "ok", f"{len(evidence.answers)} answered.")
    reason = evidence.problems.get("workers", "No worker answered.")
    return Finding(
        "workers",
        "warning",
        reason,
        "Start a worker, or check that it uses this broker and this control exchange.",
    )


def _events(evidence: Evidence) -> Iterable[Finding]:
    told = [w for w in evidence.workers if w.hostname in evidence.answers]
    silent = [w.hostname for w in told if w.task_events is False]
    unknown = [w.hostname for w in told if w.task_events is None]
    if silent:
        yield Finding(
            "events",
            "warning",
            f"Task events are off in {named(silent)}: what these workers do is not seen.",
            "Start them with -E, or set worker_send_task_events = True; Umbel switches events on"
            " by itself unless --read-only or --no-enable-events forbids it.",
        )
    elif unknown:
        yield Finding(
            "events",
            "unknown",
            f"Whether task events are on in {named(unknown)} is known once a recorder or a"
            " console has watched them.",
        )
    elif told:
        yield Finding("events", "ok", "Task events are on in every worker that answered.")


def _names(evidence: Evidence) -> Iterable[Finding]:
    doubled = [w.hostname for w in evidence.workers if w.is_doubled(evidence.now)]
    for name in doubled:
        yield Finding(
            "names",
            "warning",
            f"Two workers call themselves {name}: commands reach both, their figures are mixed up, and"
            " what became of a task when one of them dies cannot be told.",
            "Start each worker with a name of its own: celery worker -n NAME@%h.",
        )


def _sent_events(evidence: Evidence) -> Iterable[Finding]:
    without = workers_where(evidence, lambda conf: not conf.get("task_send_sent_event"))
    if without:
        yield Finding(
            "sent events",
            "advice",
            f"task_send_sent_event is off in {named(without)}: a task is seen only once a worker"
            " has received it, and its queue may stay unknown.",
            "Set task_send_sent_event = True in the app's configuration, where tasks are sent.",
        )


def _clock_skew(evidence: Evidence) -> Iterable[Finding]:
    off = [
        worker
        for worker in evidence.workers
        if worker.clock_skew_s is not None and abs(worker.clock_skew_s) > SKEW_LIMIT_S
    ]
    for worker in off:
        assert worker.clock_skew_s is not None
        ahead = "ahead of" if worker.clock_skew_s > 0 else "behind"
        yield Finding(
            "clock",
            "warning",
            f"The clock of {worker.hostname} is {duration(abs(worker.clock_skew_s))} {ahead} this"
            " machine's: ETAs, expiry and durations are off by as much.",
            "Run a time service (chrony, systemd-timesyncd) on every host.",
        )
    if not off and any(worker.clock_skew_s is not None for worker in evidence.workers):
        yield Finding("clock", "ok", "The clocks of the workers agree with this machine's.")


def _memory_policy(evidence: Evidence) -> Iterable[Finding]:
    if not evidence.is_redis:
        return
    if evidence.memory is None:
        yield Finding("memory policy", "unknown", evidence.problems.get("memory", "Not told."))
        return
    policy = str(evidence.memory.get("maxmemory_policy", "noeviction"))
    if policy == "noeviction":
        yield Finding("memory policy", "ok", "Redis never evicts keys (noeviction).")
        return
    limited = bool(evidence.memory.get("maxmemory"))
    yield Finding(
        "memory policy",
        "warning" if limited else "advice",
        f"Redis may evict keys when memory is short (maxmemory-policy {policy}): queues and results"
        " can vanish without a trace.",
        "CONFIG SET maxmemory-policy noeviction, and in the server's configuration file.",
    )


_RULES: tuple[Callable[[Evidence], Iterable[Finding]], ...] = (
    _names,
    _events,
    _sent_events,
    visibility_timeout,
    run_times,
    acknowledgement,
    priorities,
    _clock_skew,
    _memory_policy,
    memory,
    agents,
    leases,
    stream,
)

"""The rules behind ``umbel health``."""

from __future__ import annotations

from dataclasses import dataclass

from umbel_backend import states
from umbel_backend.errors import UmbelError
from umbel_console.cli.evidence import Evidence
from umbel_console.cli.findings import Finding, Level
from umbel_console.cli.history import History
from umbel_console.render.time import duration

WINDOW_S = 15 * 60.0
"""How far back failures are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Above which values `health` complains."""

    failures_warn: float = 10.0
    """Per cent of the tasks that ended in the last `WINDOW_S`."""
    failures_critical: float = 20.0
    running_limit_s: float = 480.0
    backlog: int = 1000
    """Messages waiting in one queue."""
    memory_percent: float = 80.0


def check_health(evidence: Evidence, history: History, limits: Thresholds) -> list[Finding]:
    """Return one finding per rule, in a fixed order."""
    if evidence.broker_problem is not None:
        broker = [Finding("broker", "critical", evidence.broker_problem)]
    else:
        broker = [
            Finding("broker", "ok", f"{evidence.broker} answers."),
            _workers(evidence),
            _backlog(evidence, limits),
            _memory(evidence, limits),
        ]
    return [*broker, *_recorded(evidence, history, limits)]


def _workers(evidence: Evidence) -> Finding:
    online = [w for w in evidence.workers if w.hostname in evidence.answers]
    silent = [w.hostname for w in evidence.workers if w.status == "not answering"]
    if online and not silent:
        return Finding("workers", "ok", f"{len(online)} answered.")
    if online:
        return Finding("workers", "warning", f"Not answering: {', '.join(silent)}.")
    if "workers" in evidence.problems:
        return Finding("workers", "unknown", evidence.problems["workers"])
    waiting = evidence.ready or 0
    if waiting:
        return Finding("workers", "critical", f"No worker answered, and {waiting:,} tasks wait.")
    return Finding("workers", "warning", "No worker answered.")


def _backlog(evidence: Evidence, limits: Thresholds) -> Finding:
    if evidence.queues is None:
        return Finding("backlog", "unknown", evidence.problems.get("queues", "Not measured."))
    over = [queue for queue in evidence.queues if queue.ready > limits.backlog]
    if over:
        named = ", ".join(f"{queue.name} {queue.ready:,}" for queue in over)
        return Finding("backlog", "warning", f"More than {limits.backlog:,} waiting: {named}.")
    return Finding("backlog", "ok", f"{evidence.ready or 0:,} waiting in all queues.")


def _memory(evidence: Evidence, limits: Thresholds) -> Finding:
    if evidence.memory is None:
        reason = evidence.problems.get("memory", "This broker does not tell its memory here.")
        return Finding("memory", "unknown", reason)
    used = float(evidence.memory.get("used_memory", 0))
    most = float(evidence.memory.get("maxmemory") or 0)
    limit = "maxmemory" if most else "the machine's memory"
    most = most or float(evidence.memory.get("total_system_memory") or 0)
    if not most:
        return Finding("memory", "unknown", "The broker tells no limit of its memory.")
    percent = 100 * used / most
    level: Level = "warning" if percent > limits.memory_percent else "ok"
    return Finding("memory", level, f"The broker uses {percent:.0f} % of {limit}.")


def _recorded(evidence: Evidence, history: History, limits: Thresholds) -> list[Finding]:
    try:
        if not history.exists():
            why = "There is no history yet; umbel recorder writes it."
            return [Finding("failures", "unknown", why), _running(evidence, None, limits)]
        counts = history.count_by("state", since=evidence.now - WINDOW_S)
        return [_failures(counts, limits), _running(evidence, history, limits)]
    except UmbelError as error:
        return [Finding("database", "critical", str(error)), _running(evidence, None, limits)]


def _failures(counts: dict[str, int], limits: Thresholds) -> Finding:
    failed = counts.get(states.FAILURE, 0) + counts.get(states.LOST, 0)
    ended = failed + counts.get(states.SUCCESS, 0)
    if not ended:
        return Finding("failures", "ok", "No task was seen to end in the last 15 minutes.")
    percent = 100 * failed / ended
    level: Level = "ok"
    if percent > limits.failures_critical:
        level = "critical"
    elif percent > limits.failures_warn:
        level = "warning"
    sentence = f"{failed:,} of {ended:,} tasks failed in the last 15 minutes ({percent:.1f} %)."
    return Finding("failures", level, sentence)


def _running(evidence: Evidence, history: History | None, limits: Thresholds) -> Finding:
    """Judge by the workers that answered, and by history for those that did not."""
    ages = {
        task.id: evidence.now - task.started_at
        for answer in evidence.answers.values()
        for task in answer.active or ()
        if task.started_at is not None
    }
    if history is not None:
        for record in history.running(longer_than_s=limits.running_limit_s):
            if record.worker not in evidence.answers and record.started_at is not None:
                ages.setdefault(record.id, evidence.now - record.started_at)
    over = {task_id: age for task_id, age in ages.items() if age > limits.running_limit_s}
    if not over:
        return Finding(
            "running", "ok", f"None runs longer than {duration(limits.running_limit_s)}."
        )
    task_id, age = max(over.items(), key=lambda pair: pair[1])
    return Finding(
        "running",
        "warning",
        f"{len(over):,} run longer than {duration(limits.running_limit_s)}; the longest,"
        f" {task_id}, for {duration(age)}.",
    )

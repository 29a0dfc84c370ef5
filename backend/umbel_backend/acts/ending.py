"""Ends runs: by the worker's agent, which kills the whole process tree, else by Celery's own terminate.

What is told is what was seen: by the agent, that every process is gone; without it, that the pool has
another process in its place.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from umbel_agent.protocol import KILL, KILLED
from umbel_backend.acts.agents import NEEDS_AGENT, Agents, asked
from umbel_backend.acts.outcome import Outcome, done, partly, refused, unknown
from umbel_backend.acts.workforce import Foreman, Holding, Workforce

_KILLED_S = 3.0
"""How long to look whether what was sent SIGKILL is gone."""
_LATE_S = 5.0
"""How much longer than the grace an agent is asked."""
_PAUSE_S = 0.1

EndedMeanwhile = Callable[[str], Outcome]
"""Tells of a task that ran a moment ago, and does not any more."""


@dataclass(frozen=True, slots=True)
class _Run:
    """A run that was told to end."""

    task: str
    worker: str
    pid: int | None
    signal: str


class RunEnder:
    """Ends the runs of tasks. Blocking; every method raises BrokerUnavailable.

    Args:
        foreman: The way to the workers.
        agents: What their agents can do.
        grace_s: Between SIGTERM and SIGKILL; 0 sends SIGKILL at once.
        ended_meanwhile: Asked about what is not found running any more.
    """

    def __init__(
        self, foreman: Foreman, agents: Agents, grace_s: float, ended_meanwhile: EndedMeanwhile
    ) -> None:
        self._foreman = foreman
        self._agents = agents
        self._grace_s = grace_s
        self._ended_meanwhile = ended_meanwhile

    def end(
        self, holdings: Mapping[str, Holding], workforce: Workforce
    ) -> Iterator[tuple[str, Outcome]]:
        """End the runs of ``holdings``, by task id; yield what was seen of each."""
        by_worker: dict[str, list[_Run]] = defaultdict(list)
        signal = "SIGTERM" if self._grace_s > 0 else "SIGKILL"
        for task_id, holding in holdings.items():
            by_worker[holding.worker].append(_Run(task_id, holding.worker, holding.pid, signal))
        able = self._agents.able(list(by_worker), "kill")
        by_agent: dict[str, _Run] = {}
        told: dict[str, _Run] = {}
        for worker, runs in by_worker.items():
            pool = workforce.pool(worker)
            if pool not in ("prefork", "gevent", "eventlet"):
                for run in runs:
                    yield run.task, _cannot_stop(worker, pool)
                continue
            if worker in able:
                begun = self._kill(worker, [run.task for run in runs])
                if begun is not None:
                    for run in runs:
                        if "error" in begun.get(run.task, {"error": ""}):
                            yield run.task, self._ended_meanwhile(run.task)
                        else:
                            by_agent[run.task] = run
                    continue
            yield from self._terminate(worker, runs, told)
        yield from self._until_killed(by_agent)
        yield from self._wait_for_ends(told, workforce)

    def _kill(self, worker: str, ids: list[str]) -> dict[str, dict[str, Any]] | None:
        """Have the agent end ``ids``; None if it did not answer, or cannot."""
        reply = self._foreman.order(worker, KILL, {"task_ids": ids, "grace_s": self._grace_s})
        return asked(reply, ids) if isinstance(reply, dict) and "ok" in reply else None

    def _until_killed(self, waiting: dict[str, _Run]) -> Iterator[tuple[str, Outcome]]:
        """Ask the agents until all they were told to end is gone."""
        deadline, pause_s = time.monotonic() + self._grace_s + _LATE_S, _PAUSE_S
        last: dict[str, dict[str, Any]] = {}
        while waiting:
            by_worker: dict[str, list[str]] = defaultdict(list)
            for run in waiting.values():
                by_worker[run.worker].append(run.task)
            for worker, ids in by_worker.items():
                reply = self._foreman.order(worker, KILLED, {"task_ids": ids}, 1.0)
                for task_id, told in asked(reply, ids).items():
                    last[task_id] = told
                    if told.get("survived") is True:
                        del waiting[task_id]
                        yield task_id, self._ended_meanwhile(task_id)
                    elif isinstance(told.get("took_s"), int | float):
                        yield task_id, _killed(waiting.pop(task_id), told)
            if time.monotonic() > deadline:
                break
            time.sleep(min(pause_s, max(0.0, deadline - time.monotonic())) if waiting else 0.0)
            pause_s = min(1.0, pause_s * 1.3)
        for task_id, run in waiting.items():
            yield task_id, _not_killed(run, last.get(task_id))

    def _terminate(
        self, worker: str, runs: list[_Run], told: dict[str, _Run]
    ) -> Iterator[tuple[str, Outcome]]:
        """Tell a worker by Celery's own means to end ``runs``; put what it ends into ``told``."""
        signal = runs[0].signal
        said = self._foreman.terminate(worker, [run.task for run in runs], signal)
        for run in runs:
            if said is None:
                words = f"It runs on {worker}, which was told to stop it and did not answer."
                yield run.task, unknown(words)
            elif run.task in said:
                told[run.task] = run
            else:
                yield run.task, self._ended_meanwhile(run.task)

    def _wait_for_ends(
        self, waiting: dict[str, _Run], after: Workforce
    ) -> Iterator[tuple[str, Outcome]]:
        grace_s = self._grace_s if self._grace_s > 0 else _KILLED_S
        yield from self._until_gone(waiting, after, grace_s, "SIGTERM")
        if not waiting:
            return
        if self._grace_s > 0:
            for run in waiting.values():
                # Celery forgets a run it has terminated once, so that this mostly finds nothing.
                self._foreman.terminate(run.worker, [run.task], "SIGKILL")
            yield from self._until_gone(waiting, after, _KILLED_S, "SIGKILL")
        for run in waiting.values():
            yield run.task, _still_runs(run, after.pool(run.worker))

    def _until_gone(
        self, waiting: dict[str, _Run], after: Workforce, limit_s: float, signal: str
    ) -> Iterator[tuple[str, Outcome]]:
        """Yield those of ``waiting`` that are seen to be gone, and take them out of it."""
        deadline, pause_s = time.monotonic() + limit_s, _PAUSE_S
        while waiting:
            workers = sorted({run.worker for run in waiting.values()})
            now = self._foreman.survey(list(waiting), to=workers, timeout_s=1.0)
            for run in list(waiting.values()):
                if _is_gone(run, now, after.pool(run.worker)):
                    del waiting[run.task]
                    ended = f"process {run.pid}" if run.pid else "it"
                    by = run.signal if run.signal == "SIGKILL" else signal
                    yield run.task, done(f"Stopped: {ended} of {run.worker} ended after {by}.")
            if time.monotonic() > deadline:
                return
            time.sleep(min(pause_s, max(0.0, deadline - time.monotonic())))
            pause_s = min(1.0, pause_s * 1.5)


def _killed(run: _Run, told: Mapping[str, Any]) -> Outcome:
    below = int(told.get("processes") or 1) - 1
    also = "" if below < 1 else " and 1 below it" if below == 1 else f" and {below} below it"
    signal = "SIGKILL" if told.get("signal") == "SIGKILL" else "SIGTERM"
    took_s = float(told["took_s"])
    return done(
        f"Stopped: process {told.get('pid')} of {run.worker}{also} ended after {signal}"
        f" ({took_s:.1f} s)."
    )


def _not_killed(run: _Run, told: Mapping[str, Any] | None) -> Outcome:
    if told is None:
        return unknown(f"The agent of {run.worker} was told to end it, and did not say what came.")
    left = ", ".join(str(pid) for pid in list(told.get("left") or ())[:10])
    return partly(
        f"The agent of {run.worker} sent {told.get('signal')}, and these processes are still there:"
        f" {left}."
    )


def _is_gone(run: _Run, now: Workforce, pool: str) -> bool:
    answer = now.answers.get(run.worker)
    if answer is None or (answer.missing and "stats" in answer.missing):
        return False
    if pool == "prefork" and run.pid is not None:
        return run.pid not in answer.pool_pids
    return run.task not in now.holdings


def _cannot_stop(worker: str, pool: str) -> Outcome:
    kind = {"threads": "in a thread", "solo": "in its main process"}.get(pool, "in its pool")
    return refused(
        f"It runs on {worker} {kind}, where nothing can stop it but its own end. It is written down:"
        " it is not started again."
    )


def _still_runs(run: _Run, pool: str) -> Outcome:
    if pool == "prefork" and run.pid is not None:
        agent = NEEDS_AGENT.format(worker=run.worker)
        return partly(
            f"{run.worker} was told to stop it, and its process {run.pid} ignores {run.signal}:"
            f" Celery knows of no task in it any more and cannot kill it ({agent}); kill -9"
            f" {run.pid} on its host ends it."
        )
    return partly(f"{run.worker} was told to stop it ({run.signal}); that it ended was not seen.")

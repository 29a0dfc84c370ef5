"""The doctor's rules about the agent: where it is missing, leases, its stream, and the room Redis has."""

from __future__ import annotations

from collections.abc import Iterable

from umbel_agent.protocol import STREAM_MAXLEN
from umbel_backend.events.agent_stream_reader import GROUP
from umbel_console.agent_words import HOW_TO_INSTALL, needs_agent
from umbel_console.cli.doctor_words import named, workers_where
from umbel_console.cli.evidence import Evidence
from umbel_console.cli.findings import Finding
from umbel_console.render.time import duration

_FULL = 0.8
"""Share of the stream's cap, or of Redis' memory, from which on it is said."""
_BEHIND = 10_000
_SHORT_S = 600.0
"""A visibility timeout below this is too short for most clusters without leases."""
_LONG_S = 1_800.0
"""From here on a dead worker's tasks come back so late that leases are worth it."""


def agents(evidence: Evidence) -> Iterable[Finding]:
    """Look for workers without the agent, and for agents that lost something."""
    without = [name for name in evidence.answers if not _has_agent(name, evidence)]
    if without:
        yield Finding(
            "agent",
            "advice",
            f"A complete history with exact messages, progress and logs {needs_agent(*without)}; without"
            " it, what happens while nobody listens is lost.",
            f"{HOW_TO_INSTALL} Or keep umbel recorder running as a service, so that somebody always"
            " listens.",
        )
    elif evidence.answers:
        told = sorted({w.agent for w in evidence.workers if w.agent})
        yield Finding("agent", "ok", f"Every worker that answered runs umbel_agent {named(told)}.")
    lost = [(w.hostname, w.agent_dropped) for w in evidence.workers if w.agent and w.agent_dropped]
    if lost:
        words = ", ".join(f"{name} {count:,}" for name, count in lost[:5])
        yield Finding(
            "agent",
            "warning",
            f"Agents lost records because their Redis was away or full for too long: {words}.",
            "Look at the memory and the log of that Redis; the stretches are listed by umbel gaps.",
        )


def _has_agent(name: str, evidence: Evidence) -> bool:
    return any(w.hostname == name and w.agent for w in evidence.workers)


def leases(evidence: Evidence) -> Iterable[Finding]:
    """Look at the visibility timeout together with who renews its hold on messages."""
    if not evidence.is_redis or not evidence.answers:
        return
    workers = [w for w in evidence.workers if w.hostname in evidence.answers]
    renewing = [w.hostname for w in workers if w.agent and w.leases]
    others = [w.hostname for w in workers if not (w.agent and w.leases)]
    told = [w.visibility_timeout_s for w in workers if w.visibility_timeout_s]
    shortest_s = min([evidence.visibility_timeout_s, *told])
    if shortest_s < _SHORT_S and others:
        yield Finding(
            "leases",
            "warning",
            f"The visibility timeout is {duration(shortest_s)}, but nobody renews the hold on messages"
            f" in {named(others)}: what runs or waits there for longer is delivered again and runs twice.",
            "Switch leases on in every worker, umbel_agent.install(app, leases=True), or raise"
            " visibility_timeout above the longest run and countdown.",
        )
    elif renewing and others:
        yield Finding(
            "leases",
            "advice",
            f"Leases are on in {named(renewing)}, but not in {named(others)}: the visibility timeout of"
            f" {duration(shortest_s)} may be shortened only once every worker has them.",
            "Switch leases on in every worker: umbel_agent.install(app, leases=True).",
        )
    elif renewing:
        yield Finding("leases", "ok", f"On in every worker; {duration(shortest_s)} is safe.")
    elif shortest_s >= _LONG_S and _acks_late(evidence) and len(others) == len(workers):
        yield Finding(
            "leases",
            "advice",
            "Tasks are acknowledged late, and those of a worker that dies come back only after the"
            f" visibility timeout of {duration(shortest_s)}.",
            "Switch leases on in every worker, umbel_agent.install(app, leases=True), restart all of"
            " them, and then set visibility_timeout to a minute or two.",
        )


def _acks_late(evidence: Evidence) -> bool:
    return bool(workers_where(evidence, lambda conf: bool(conf.get("task_acks_late"))))


def stream(evidence: Evidence) -> Iterable[Finding]:
    """Look at the length of the agents' stream and at how far its readers are."""
    if not any(w.agent for w in evidence.workers):
        return
    if evidence.agents.problem is not None:
        yield Finding("stream", "unknown", evidence.agents.problem)
        return
    standing = evidence.agents.standing
    if standing is None:
        yield Finding(
            "stream",
            "warning",
            "Workers run the agent, but there is no stream of theirs in this Redis.",
            "Give them and this context the same Redis: redis= or UMBEL_REDIS for the agents, stream"
            " in the context.",
        )
        return
    group = next((g for g in standing.groups if g.name == f"{GROUP}{evidence.installation}"), None)
    behind = None if group is None else group.behind
    if behind is not None and behind > _BEHIND:
        yield Finding(
            "stream",
            "warning",
            f"The recorder is {behind:,} records behind the agents; the stream holds about"
            f" {STREAM_MAXLEN:,} before the oldest are dropped.",
            "Look whether the recorder runs and its database keeps up: umbel doctor, its log.",
        )
    elif standing.length > _FULL * STREAM_MAXLEN:
        slow = [g.name for g in standing.groups if (g.behind or 0) > _BEHIND or g.idle_s is None]
        yield Finding(
            "stream",
            "warning",
            f"The agents' stream holds {standing.length:,} records of about {STREAM_MAXLEN:,}: soon the"
            " oldest are dropped, read or not.",
            f"Start the recorder, or remove readers that are gone ({named(slow)})."
            if slow
            else "Start the recorder, or look why it does not trim the stream.",
        )
    elif group is None and evidence.installation is not None:
        yield Finding(
            "stream",
            "advice",
            "No recorder of this database has read the agents' stream yet.",
            "Start umbel recorder, or keep a console open.",
        )
    else:
        words = "" if behind is None else f"; the recorder is {behind:,} behind"
        yield Finding("stream", "ok", f"It holds {standing.length:,} records{words}.")


def memory(evidence: Evidence) -> Iterable[Finding]:
    """Look whether Redis is about to refuse what is written to it."""
    told = evidence.memory
    if not evidence.is_redis or told is None:
        return
    most, used = told.get("maxmemory"), told.get("used_memory")
    if not isinstance(most, int) or not isinstance(used, int) or most <= 0:
        return
    share = used / most
    if share >= _FULL:
        yield Finding(
            "memory",
            "warning",
            f"Redis uses {share:.0%} of its maxmemory: when it is full, tasks can be neither sent nor"
            " acknowledged, and agents lose what they cannot deliver.",
            "Raise maxmemory, or look for queues that only grow.",
        )

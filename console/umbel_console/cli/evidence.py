"""What `health` and `doctor` look at: gathered once, each part as far as it can be had."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from umbel_backend.broker.answers import WorkerAnswer
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.queues import open_queues
from umbel_backend.errors import InvalidValue, UmbelError
from umbel_backend.records import MessageRecord, QueueRecord, WorkerRecord
from umbel_backend.settings import Settings
from umbel_console.cli.agent_facts import AgentFacts, read_agents
from umbel_console.cli.session import Session
from umbel_console.cli.workers import Asked, ask_workers

_SAMPLE = 50
"""Messages looked at per queue."""


@dataclass
class Evidence:
    """Facts of one moment. A part that could not be had is None, with the reason in ``problems``."""

    now: float
    broker: str
    """Fit to be shown."""
    is_redis: bool = False
    broker_problem: str | None = None
    asked: Asked = field(default_factory=lambda: Asked(()))
    queues: Sequence[QueueRecord] | None = None
    messages: Mapping[str, Sequence[MessageRecord]] = field(default_factory=dict)
    """The first messages that wait, by queue."""
    memory: Mapping[str, Any] | None = None
    """Redis' ``INFO memory``."""
    agents: AgentFacts = field(default_factory=AgentFacts)
    """Who announces an agent, and how their stream stands."""
    installation: str | None = None
    """Identity of the history database, by which its recorder reads the stream; None without one."""
    visibility_timeout_s: float = 3600.0
    """As this context's options say; a worker's own setting comes with its answer."""
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def workers(self) -> Sequence[WorkerRecord]:
        """All workers known."""
        return self.asked.records

    @property
    def answers(self) -> Mapping[str, WorkerAnswer]:
        """What the workers that answered said."""
        return self.asked.answers

    @property
    def ready(self) -> int | None:
        """Messages waiting in all queues."""
        return None if self.queues is None else sum(queue.ready for queue in self.queues)


def gather(session: Session, *, with_messages: bool = False) -> Evidence:
    """Look at broker, workers and queues; nothing that fails ends it.

    Raises:
        InvalidValue: The broker's URL is none.
    """
    cluster = Cluster(session.context)
    evidence = Evidence(now=time.time(), broker=cluster.url)
    try:
        try:
            cluster.check()
        except InvalidValue:
            raise
        except UmbelError as error:
            evidence.broker_problem = str(error)
            return evidence
        evidence.is_redis = cluster.is_redis
        if cluster.is_redis:
            evidence.visibility_timeout_s = cluster.visibility_timeout_s
            evidence.memory = _memory(cluster, evidence)
        try:
            evidence.asked = ask_workers(session)
        except UmbelError as error:
            evidence.problems["workers"] = str(error)
        _read_queues(cluster, evidence, session.settings, with_messages)
        if with_messages:
            _read_agents(session, evidence)
    finally:
        cluster.close()
    return evidence


def _read_agents(session: Session, evidence: Evidence) -> None:
    names = [worker.hostname for worker in evidence.workers]
    evidence.agents = read_agents(session.context, names, with_stream=True)
    try:
        evidence.installation = session.history.installation()
    except UmbelError as error:
        evidence.problems["installation"] = str(error)


def _read_queues(
    cluster: Cluster, evidence: Evidence, settings: Settings, with_messages: bool
) -> None:
    queues = open_queues(cluster, settings)
    try:
        evidence.queues = queues.measure(
            queues.discover(evidence.asked.bindings), consumers=evidence.asked.consumers
        )
        if with_messages and queues.abilities.waiting:
            evidence.messages = {
                queue.name: queues.waiting(queue.name, limit=_SAMPLE).messages
                for queue in evidence.queues
                if queue.ready
            }
        if queues.abilities.why_not:
            evidence.problems["queues"] = queues.abilities.why_not
    except UmbelError as error:
        evidence.problems["queues"] = str(error)
    finally:
        queues.close()


def _memory(cluster: Cluster, evidence: Evidence) -> Mapping[str, Any] | None:
    import redis

    try:
        memory: Mapping[str, Any] = cluster.redis().info("memory")
    except (redis.RedisError, OSError) as error:
        # A user of the broker may be kept from INFO.
        evidence.problems["memory"] = str(cluster.unavailable(error))
        return None
    return memory

"""Asks the agents of workers what a task takes."""

from __future__ import annotations

from collections.abc import Collection

from umbel_agent.protocol import SIGNATURES
from umbel_backend.acts.agents import Agents
from umbel_backend.acts.signature import Signature, read_signatures
from umbel_backend.acts.workforce import Foreman
from umbel_backend.broker.cluster import Cluster

_ASKED = 20
"""Most workers that are asked: with more of them, the answers are the same in all likelihood."""
_ANSWER_S = 1.0


def ask_signatures(
    cluster: Cluster, foreman: Foreman, workers: Collection[str], name: str
) -> list[Signature]:
    """Return what the task ``name`` takes, what most agents told first; empty where none tells it.

    Args:
        cluster: Whose agents.
        foreman: Puts the question.
        workers: Who is there. Only those whose agents announce that they can tell are asked.
        name: Of the task.

    Raises:
        BrokerUnavailable: The broker is gone.
    """
    agents = Agents(cluster)
    try:
        able = sorted(agents.able(workers, "signatures"))[:_ASKED]
    finally:
        agents.close()
    if not able:
        return []
    return read_signatures(foreman.inquire(SIGNATURES, {"names": [name]}, able, _ANSWER_S), name)


def signatures_told(cluster: Cluster, name: str) -> list[Signature]:
    """Return what the task ``name`` takes, as `ask_signatures` does, of all workers that answer.

    Raises:
        BrokerUnavailable: The broker is gone.
    """
    foreman = Foreman(cluster)
    try:
        return ask_signatures(cluster, foreman, foreman.registered()[0], name)
    finally:
        foreman.close()

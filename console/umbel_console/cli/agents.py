"""What the commands say where something needs the agent and is not there."""

from __future__ import annotations

from umbel_backend.records import TaskRecord
from umbel_console.agent_words import HOW_TO_INSTALL, needs_agent
from umbel_console.cli.agent_facts import read_agents
from umbel_console.cli.session import Session


def missing_agent(session: Session, record: TaskRecord) -> str | None:
    """Return two sentences if the worker of ``record`` is known to run without the agent, else None.

    A worker that nobody heard of, or a task that none has received, says nothing.
    """
    name = record.worker
    if name is None:
        return None
    recorded = {worker.hostname: worker for worker in session.history.workers_if_any()}
    if name in recorded and recorded[name].agent:
        return None
    told = read_agents(session.context, [name]).announced
    if told.get(name) is not None or (name not in told and name not in recorded):
        return None
    return f"This {needs_agent(name)}. {HOW_TO_INSTALL}"

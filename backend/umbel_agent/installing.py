"""Connects the agent with a Celery app: dispatcher, signals, consumer step. Nothing is read or started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celery import signals
from celery._state import get_current_app
from celery.states import SUCCESS
from celery.utils.imports import symbol_by_name

from umbel_agent.agent import Agent
from umbel_agent.main_process import MainProcess, consumer_step
from umbel_agent.safety import guarded
from umbel_agent.telling import telling

_ATTRIBUTE = "umbel_agent"


def install(app: Any, given: Mapping[str, Any], version: str) -> None:
    """Connect the agent with ``app``; once connected, only take the arguments that are given now."""
    agent = getattr(app, _ATTRIBUTE, None)
    if isinstance(agent, Agent):
        agent.configure(given)
        return
    agent = Agent(app, given)
    setattr(app, _ATTRIBUTE, agent)
    _tell_events(app, agent)
    main = MainProcess(agent, version)
    app.steps["consumer"].add(consumer_step(main))
    _connect(agent, main)


def _tell_events(app: Any, agent: Agent) -> None:
    """Let every dispatcher that ``app`` makes from now on tell the agent."""
    base = symbol_by_name(app.events.dispatcher_cls)
    app.events.dispatcher_cls = telling(base, agent.tell, agent.hide, lambda: agent.is_on)
    app.events.__dict__.pop("Dispatcher", None)
    # An app that has sent a task before keeps the dispatcher it did that with.
    amqp = app.__dict__.get("amqp")
    for name in ("_event_dispatcher", "send_task_message"):
        if amqp is not None:
            amqp.__dict__.pop(name, None)


def _connect(agent: Agent, main: MainProcess) -> None:
    """Connect the signals; several apps in one process each have an agent, and one is the worker's."""

    @guarded
    def main_begins(sender: Any = None, instance: Any = None, **_: Any) -> None:
        if instance is not None and instance.app is agent.app:
            agent.begin_main(sender)

    @guarded
    def child_begins(sender: Any = None, **_: Any) -> None:
        if agent.role is not None or get_current_app() is agent.app:
            agent.begin_child(str(sender))

    def received(sender: Any = None, request: Any = None, **_: Any) -> None:
        if request.app is agent.app:
            agent.received(request)

    def revoked(sender: Any = None, request: Any = None, **_: Any) -> None:
        if sender is not None and sender.app is agent.app:
            agent.revoked(sender, str(request.id))

    def task_ended(task: Any = None, state: Any = None, **_: Any) -> None:
        if state == SUCCESS and task.app is agent.app:
            agent.succeeded(task)
        agent.task_ended()

    def child_ends(**_: Any) -> None:
        if agent.role == "child":
            agent.end()

    def main_ready(sender: Any = None, **_: Any) -> None:
        if getattr(sender, "app", None) is agent.app:
            main.ready()

    def main_is_told_to_end(**_: Any) -> None:
        main.shutting_down()

    def main_ends(**_: Any) -> None:
        main.end()

    for signal, receiver in (
        (signals.celeryd_after_setup, main_begins),
        (signals.worker_ready, main_ready),
        (signals.worker_process_init, child_begins),
        (signals.after_setup_logger, agent.attach_handler),
        (signals.after_setup_task_logger, agent.attach_handler),
        (signals.task_received, received),
        (signals.task_revoked, revoked),
        (signals.task_postrun, task_ended),
        (signals.worker_process_shutdown, child_ends),
        (signals.worker_shutting_down, main_is_told_to_end),
        (signals.worker_shutdown, main_ends),
    ):
        signal.connect(receiver, weak=False)

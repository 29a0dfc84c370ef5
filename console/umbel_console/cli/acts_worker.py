"""``umbel worker pause`` and ``resume``: acts on a whole worker."""

from __future__ import annotations

from typing import Any

import click

from umbel_backend.acts.worker_pauses import WorkerActs
from umbel_console.cli.acts import ActOptions, at_work
from umbel_console.cli.acts_named import act_on, named_options
from umbel_console.cli.session import Session


@click.command()
@named_options
@click.pass_obj
def pause(session: Session, /, name: str, **given: Any) -> int:
    """Have the worker NAME stop consuming all of its queues, until it is resumed.

    Its next run consumes nothing either: umbel_agent looks before it takes a message, and where there is
    none the recorder tells it. What it has taken already goes on.
    """
    return _act(session, "pause", name, **given)


@click.command()
@named_options
@click.pass_obj
def resume(session: Session, /, name: str, **given: Any) -> int:
    """Have the worker NAME consume its queues again, but for those that are paused."""
    return _act(session, "resume", name, **given)


def _act(session: Session, verb: str, name: str, **given: Any) -> int:
    with at_work(session) as (door, cluster):
        acts = WorkerActs(door, cluster)
        try:
            return act_on(
                session,
                door,
                f"worker {verb}",
                name,
                ActOptions(**given),
                kind="worker",
                look=acts.look,
                act={"pause": acts.pause, "resume": acts.resume}[verb],
            )
        finally:
            acts.close()

"""``umbel queue pause``, ``resume`` and ``purge``: acts on a whole queue."""

from __future__ import annotations

from typing import Any

import click

from umbel_backend.acts.queue_acts import QueueActs
from umbel_console.cli.acts import ActOptions, at_work
from umbel_console.cli.acts_named import act_on, named_options
from umbel_console.cli.session import Session


@click.command()
@named_options
@click.pass_obj
def pause(session: Session, /, name: str, **given: Any) -> int:
    """Have all workers stop consuming the queue NAME, until it is resumed.

    Workers that come online later are told too, by the recorder, and those with umbel_agent before they
    take a message. What workers have taken already goes on.
    """
    return _act(session, "pause", name, **given)


@click.command()
@named_options
@click.pass_obj
def resume(session: Session, /, name: str, **given: Any) -> int:
    """Have workers consume the queue NAME again."""
    return _act(session, "resume", name, **given)


@click.command()
@named_options
@click.pass_obj
def purge(session: Session, /, name: str, **given: Any) -> int:
    """Delete all messages that wait in the queue NAME; this cannot be undone.

    Asks for the name of the queue, or needs --yes.
    """
    return _act(session, "purge", name, **given)


def _act(session: Session, verb: str, name: str, **given: Any) -> int:
    with at_work(session) as (door, cluster):
        acts = QueueActs(door, cluster)
        try:
            return act_on(
                session,
                door,
                f"queue {verb}",
                name,
                ActOptions(**given),
                kind="queue",
                look=acts.look,
                act={"pause": acts.pause, "resume": acts.resume, "purge": acts.purge}[verb],
                is_final=verb == "purge",
            )
        finally:
            acts.close()

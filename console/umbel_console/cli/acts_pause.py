"""``umbel pause`` and ``umbel resume``: tasks wait or stand still until they are to go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from umbel_backend.acts.operator import Door
from umbel_backend.acts.pace import Pace
from umbel_backend.acts.pause import Pauser
from umbel_backend.acts.resume import Resumer
from umbel_backend.acts.workflow import of_workflows
from umbel_backend.filters.tree import Filter
from umbel_console.cli.acts import (
    ActOptions,
    act_options,
    at_work,
    carried_out,
    confirmed,
    filter_option,
    named_once,
    show,
)
from umbel_console.cli.filter_words import read_filter
from umbel_console.cli.output import print_note
from umbel_console.cli.session import Session
from umbel_console.cli.workflow import workflow_option


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@filter_option
@workflow_option
@act_options
@click.pass_obj
def pause(
    session: Session,
    /,
    ids: tuple[str, ...],
    filter_text: str | None,
    workflow: bool,
    **given: Any,
) -> int:
    """Pause tasks that wait or run, by ID or by --filter, until `umbel resume`.

    What waits is put aside exactly as it is; nothing runs it, whatever is restarted. What runs pauses at
    its next checkpoint, or is frozen; that and what a worker has taken and not begun need umbel_agent in
    it. Exit code 1 tells that some task was not paused.
    """
    options = ActOptions(**given)
    targets = named_once(ids, filter_text)
    chosen = None if filter_text is None else read_filter([filter_text], session.context)
    with at_work(session) as (door, cluster):
        if workflow and chosen is None:
            chosen = of_workflows(door.engine, targets)
        pauser = Pauser(door, cluster)
        try:
            verbs = ("pause", "Pausing")
            return _act(session, door, pauser, pauser.pause, verbs, targets, chosen, options)
        finally:
            pauser.close()


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@filter_option
@workflow_option
@act_options
@click.pass_obj
def resume(
    session: Session,
    /,
    ids: tuple[str, ...],
    filter_text: str | None,
    workflow: bool,
    **given: Any,
) -> int:
    """Resume paused tasks, by ID or by --filter.

    What was put aside goes back to the head of its queue, in the order it had; what is frozen goes on.
    """
    options = ActOptions(**given)
    targets = named_once(ids, filter_text)
    chosen = None if filter_text is None else read_filter([filter_text], session.context)
    with at_work(session) as (door, cluster):
        if workflow and chosen is None:
            chosen = of_workflows(door.engine, targets)
        resumer = Resumer(door, cluster)
        try:
            verbs = ("resume", "Resuming")
            return _act(session, door, resumer, resumer.resume, verbs, targets, chosen, options)
        finally:
            resumer.close()


def _act(
    session: Session,
    door: Door,
    actor: Pauser | Resumer,
    act: Callable[..., Any],
    verbs: tuple[str, str],
    targets: list[str],
    chosen: Filter | None,
    options: ActOptions,
) -> int:
    if chosen is not None:
        selection = actor.matching(chosen)
        targets = selection.ids
        for note in selection.notes:
            print_note(note)
    if not targets:
        show([], options)
        print_note(f"No task to {verbs[0]} matches.")
        return 0
    if options.dry_run:
        places = actor.locate(targets)
        show(
            [
                {"target": target, "outcome": "dry run", "detail": place.words}
                for target, place in places.items()
            ],
            options,
        )
        return 0
    # Whoever may not is told before they are asked.
    door.job(verbs[0], targets, reason=options.reason)
    if not confirmed(session.context, verbs[0].capitalize(), targets, options, chosen is not None):
        print_note("Nothing was done.")
        return 1
    outcomes = act(targets, options.reason, Pace(options.rate or 0))
    rows, code = carried_out(outcomes, targets, lambda: actor.job, verbs[1])
    show(rows, options)
    return code

"""``umbel pause`` and ``umbel resume``: tasks wait or stand still until they are to go on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from umbel_backend import states
from umbel_backend.acts.operator import Door
from umbel_backend.acts.pace import DEFAULT_RATE, Pace, creating_pace
from umbel_backend.acts.pause import Pauser
from umbel_backend.acts.resume import Resumer
from umbel_backend.acts.roles import Role
from umbel_backend.acts.workflow import of_workflows
from umbel_backend.db.query import run
from umbel_backend.db.statements import tasks
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
from umbel_console.cli.acts_type import (
    act_on_type,
    refuse_beside_others,
    show_paused,
    type_option,
)
from umbel_console.cli.filter_words import read_filter
from umbel_console.cli.output import print_note
from umbel_console.cli.session import Session
from umbel_console.cli.workflow import workflow_option


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@filter_option
@type_option
@workflow_option
@act_options
@click.pass_obj
def pause(
    session: Session,
    /,
    ids: tuple[str, ...],
    filter_text: str | None,
    task_type: str | None,
    workflow: bool,
    **given: Any,
) -> int:
    """Pause tasks that wait or run, by ID or by --filter, until `umbel resume`.

    What waits is put aside exactly as it is; nothing runs it, whatever is restarted. What runs pauses at
    its next checkpoint, or is frozen; that and what a worker has taken and not begun need umbel_agent in
    it. Exit code 1 tells that some task was not paused.

    With --type no task of that name begins, wherever it waits and whenever it is sent; what runs goes on.
    That needs umbel_agent in all workers. Without any of these it lists the types, queues and
    workers that are paused.
    """
    options = ActOptions(**given)
    if task_type is not None:
        refuse_beside_others(ids, filter_text is not None, workflow)
        return act_on_type(session, "pause", task_type, options)
    if not ids and filter_text is None:
        return show_paused(session, options)
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
@type_option
@workflow_option
@act_options
@click.pass_obj
def resume(
    session: Session,
    /,
    ids: tuple[str, ...],
    filter_text: str | None,
    task_type: str | None,
    workflow: bool,
    **given: Any,
) -> int:
    """Resume paused tasks, by ID or by --filter, or all of a --type.

    What was put aside goes back to the head of its queue, in the order it had; what is frozen goes on.

    A task that ended as FAILURE, LOST, REVOKED or REJECTED and saved a state (umbel_agent.checkpoint) is
    sent again and goes on from there. One that is LOST may run twice and needs --yes; a --filter takes
    such tasks only if it names them by state:.
    """
    options = ActOptions(**given)
    if task_type is not None:
        refuse_beside_others(ids, filter_text is not None, workflow)
        return act_on_type(session, "resume", task_type, options)
    targets = named_once(ids, filter_text)
    chosen = None if filter_text is None else read_filter([filter_text], session.context)
    with at_work(session) as (door, cluster):
        if workflow and chosen is None:
            chosen = of_workflows(door.engine, targets)
        twice = options.yes or (sys.stdin.isatty() and sys.stderr.isatty())
        resumer = Resumer(door, cluster, twice=twice, creating=_creating(door, options))
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
    if verbs[0] == "resume":
        _warn_of_lost(door, targets)
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


def _creating(door: Door, options: ActOptions) -> Pace:
    """Return how fast tasks that ended may be sent again: as retries are, unlimited for admins only."""
    rate = DEFAULT_RATE if options.rate is None else options.rate
    if rate == 0 and not door.role.reaches(Role.ADMIN):
        rate = DEFAULT_RATE
    return creating_pace(door.engine, door.identity.name, rate)


def _warn_of_lost(door: Door, ids: list[str]) -> None:
    lost = sum(r.state == states.LOST for r in run(door.engine, tasks.by_ids(ids)).values())
    if lost:
        noun = "task" if lost == 1 else "tasks"
        print_note(f"{lost:,} {noun} ended as LOST: if a process still runs it, it runs twice.")

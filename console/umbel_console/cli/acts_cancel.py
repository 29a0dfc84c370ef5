"""``umbel cancel``: tasks stop waiting or running, wherever they are."""

from __future__ import annotations

from typing import Any

import click

from umbel_backend.acts.cancel import DEFAULT_GRACE_S, Canceller
from umbel_backend.acts.pace import Pace
from umbel_backend.acts.workflow import of_workflows
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
from umbel_console.cli.words import duration_option
from umbel_console.cli.workflow import workflow_option


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@filter_option
@click.option(
    "--grace",
    "grace_s",
    callback=duration_option,
    metavar="S",
    help="How long a running task has to end before it is killed; 30s by default, 0 kills at once.",
)
@workflow_option
@act_options
@click.pass_obj
def cancel(
    session: Session,
    /,
    ids: tuple[str, ...],
    filter_text: str | None,
    grace_s: float | None,
    workflow: bool,
    **given: Any,
) -> int:
    """Cancel tasks that wait or run, by ID or by --filter.

    What waits in a queue is taken out, what a worker holds is discarded, what runs is stopped. It is
    written down first, and told to workers that come online later. Exit code 1 tells that of some
    task the end was not seen.
    """
    options = ActOptions(**given)
    targets = named_once(ids, filter_text)
    chosen = None if filter_text is None else read_filter([filter_text], session.context)
    with at_work(session) as (door, cluster):
        if workflow and chosen is None:
            chosen = of_workflows(door.engine, targets)
        canceller = Canceller(door, cluster, DEFAULT_GRACE_S if grace_s is None else grace_s)
        try:
            if chosen is not None:
                selection = canceller.matching(chosen)
                targets = selection.ids
                for note in selection.notes:
                    print_note(note)
            if not targets:
                show([], options)
                print_note("No unfinished task matches.")
                return 0
            if options.dry_run:
                places = canceller.locate(targets)
                show(
                    [
                        {"target": target, "outcome": "dry run", "detail": place.words}
                        for target, place in places.items()
                    ],
                    options,
                )
                return 0
            # Whoever may not is told before they are asked.
            door.job("cancel", targets, reason=options.reason)
            if not confirmed(session.context, "Cancel", targets, options, chosen is not None):
                print_note("Nothing was done.")
                return 1
            outcomes = canceller.cancel(targets, options.reason, Pace(options.rate or 0))
            rows, code = carried_out(outcomes, targets, lambda: canceller.job, "Cancelling")
            show(rows, options)
            return code
        finally:
            canceller.close()

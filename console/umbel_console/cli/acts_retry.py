"""``umbel retry``: tasks that ended run again, by their exact message or with new arguments."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any

import click

from umbel_backend import states
from umbel_backend.acts.ended import ended_matching
from umbel_backend.acts.operator import Door
from umbel_backend.acts.outcome import Outcome
from umbel_backend.acts.pace import DEFAULT_RATE, Pace, creating_pace
from umbel_backend.acts.resend import Edited
from umbel_backend.acts.retry import MAY_RUN_TWICE, Plan, Retrier
from umbel_backend.acts.roles import Role
from umbel_backend.acts.signature import doubt_about
from umbel_backend.acts.signatures import signatures_told
from umbel_backend.broker.cluster import Cluster
from umbel_backend.db.query import run
from umbel_backend.db.statements import tasks
from umbel_backend.errors import InvalidValue, NotPermitted
from umbel_backend.filters.tree import Filter
from umbel_backend.records import TaskRecord
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
from umbel_console.cli.output import plain, print_note
from umbel_console.cli.session import Session


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@filter_option
@click.option(
    "--args", "args_text", metavar="JSON", help="Other positional arguments, as an array."
)
@click.option("--kwargs", "kwargs_text", metavar="JSON", help="Other keyword arguments, an object.")
@act_options
@click.pass_obj
def retry(
    session: Session,
    /,
    ids: tuple[str, ...],
    filter_text: str | None,
    args_text: str | None,
    kwargs_text: str | None,
    **given: Any,
) -> int:
    """Retry tasks that ended, by ID or by --filter.

    The exact message is sent again, to the same queue with the same priority. Where it was not kept,
    nothing is guessed: --args and --kwargs send a new one. A task that ended as SUCCESS, REVOKED or
    LOST may do the same for the second time and needs --yes; of those a --filter takes only what it
    names by state:. Given arguments that do not fit need it too, where umbel_agent tells what fits.
    """
    options = ActOptions(**given)
    targets = named_once(ids, filter_text)
    edit = Edited(json_array("--args", args_text), json_object("--kwargs", kwargs_text))
    if not edit.is_empty and len(targets) != 1:
        raise click.UsageError("--args and --kwargs are for one task, named by its id.")
    chosen = None if filter_text is None else read_filter([filter_text], session.context)
    with at_work(session) as (door, cluster):
        records = _records(door, targets, chosen)
        if chosen is not None:
            targets = list(records)
        if not targets:
            show([], options)
            print_note("No task that has ended matches.")
            return 0
        # Whoever may not is told before they are asked.
        if not options.dry_run:
            door.job("retry", targets, reason=options.reason)
        _warn(records, edit)
        twice = options.yes or (sys.stdin.isatty() and sys.stderr.isatty())
        retrier = Retrier(door, cluster, edit=edit, twice=twice)
        try:
            plans = retrier.plan(targets) if options.dry_run or not edit.is_empty else {}
            doubt = None if edit.is_empty else _doubt(cluster, plans[targets[0]])
            if options.dry_run:
                show([_planned(target, plan) for target, plan in plans.items()], options)
                if doubt is not None:
                    print_note(plain(doubt))
                return 0
            by_filter = chosen is not None
            if not confirmed(session.context, "Retry", targets, options, by_filter, doubt):
                print_note("Nothing was done.")
                return 1
            pace = pace_for(door, options)
            outcomes = retrier.retry(targets, options.reason, pace)
            rows, code = carried_out(outcomes, targets, lambda: retrier.job, "Retrying")
            show(rows, options)
            return code
        finally:
            retrier.close()


def pace_for(door: Door, options: ActOptions) -> Pace:
    """Return how fast acts may create work.

    Raises:
        NotPermitted: Unlimited is for admins.
    """
    rate = DEFAULT_RATE if options.rate is None else options.rate
    if rate == 0 and not door.role.reaches(Role.ADMIN):
        raise NotPermitted(f"--rate 0 needs an admin, and {door.identity.name} is none.")
    return creating_pace(door.engine, door.identity.name, rate)


def json_array(option: str, text: str | None) -> list[Any] | None:
    """Return the array that an option's JSON holds.

    Raises:
        InvalidValue: It is none.
    """
    value = _json(option, text)
    if value is None or isinstance(value, list):
        return value
    raise InvalidValue(f"{option} has to be a JSON array, like '[1, \"two\"]'.")


def json_object(option: str, text: str | None) -> dict[str, Any] | None:
    """Return the object that an option's JSON holds.

    Raises:
        InvalidValue: It is none.
    """
    value = _json(option, text)
    if value is None or isinstance(value, dict):
        return value
    raise InvalidValue(f"{option} has to be a JSON object, like '{{\"row\": 7}}'.")


def _json(option: str, text: str | None) -> Any:
    if text is None:
        return None
    try:
        value = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise InvalidValue(f"{option} is not JSON: {error}.") from None
    return [] if value is None and option == "--args" else {} if value is None else value


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number that JSON has")


def _records(door: Door, ids: list[str], chosen: Filter | None) -> dict[str, TaskRecord]:
    if chosen is None:
        return run(door.engine, tasks.by_ids(ids))
    ended = ended_matching(door.engine, chosen)
    if ended.left_out:
        print_note(
            f"{ended.left_out:,} that ended as SUCCESS, REVOKED or LOST are left out; name them by"
            " state:."
        )
    if ended.repeated:
        print_note(
            f"{ended.repeated:,} that were retried already are left out; name them by their ids."
        )
    return {record.id: record for record in ended.records}


def _warn(records: dict[str, TaskRecord], edit: Edited) -> None:
    counts = Counter(r.state for r in records.values() if r.state in MAY_RUN_TWICE)
    for state, count in counts.items():
        what = "ran to its end" if state == states.SUCCESS else "may have run in part"
        noun = "task" if count == 1 else "tasks"
        print_note(f"{count:,} {noun} ended as {state}: what {what} may be done twice.")
    if edit.is_empty:
        return
    for record in records.values():
        whole = "" if record.args_complete else " (cut)"
        print_note(plain(f"The arguments were{whole}: {record.args or '–'} {record.kwargs or ''}"))


def _doubt(cluster: Cluster, plan: Plan | Outcome) -> str | None:
    """Return why a task would probably fail with the arguments of its plan; None if nothing says so."""
    if isinstance(plan, Outcome) or plan.record.name is None:
        return None
    args, kwargs = json.loads(plan.message.body)[:2]
    return doubt_about(signatures_told(cluster, plan.record.name), args, kwargs)


def _planned(target: str, plan: Plan | Outcome) -> dict[str, Any]:
    if isinstance(plan, Outcome):
        return {
            "target": target,
            "outcome": "dry run",
            "detail": f"would be refused: {plan.detail}",
        }
    detail = f"would be sent: {plan.words}. {plan.warning}".strip()
    return {"target": target, "outcome": "dry run", "detail": detail}

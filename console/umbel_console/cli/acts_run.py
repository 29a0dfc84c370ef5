"""``umbel run``: a registered task is started."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import click

from umbel_backend.acts.ordering import read_priority, read_tags, read_time_ahead
from umbel_backend.acts.run import Order, Runner
from umbel_backend.acts.signature import Signature, doubt_about
from umbel_backend.broker.urls import AMQP_TRANSPORTS, transport_of
from umbel_backend.filters.fields import REDIS_LEVELS
from umbel_console.cli.acts import (
    ActOptions,
    act_options,
    at_work,
    confirmed,
    exit_code,
    row,
    show,
)
from umbel_console.cli.acts_retry import json_array, json_object, pace_for
from umbel_console.cli.filter_words import AMQP_LEVELS
from umbel_console.cli.output import plain, print_line, print_note
from umbel_console.cli.session import Session
from umbel_console.cli.words import duration_option


@click.command()
@click.argument("name")
@click.option("--args", "args_text", metavar="JSON", help="Positional arguments, as an array.")
@click.option("--kwargs", "kwargs_text", metavar="JSON", help="Keyword arguments, as an object.")
@click.option(
    "--queue",
    metavar="QUEUE",
    help="By default the one that history last saw the task in, else the workers' default.",
)
@click.option("--priority", metavar="P", help="A number, or high, normal or low.")
@click.option("--countdown", callback=duration_option, metavar="S", help="Wait so long: 90s, 5m.")
@click.option("--eta", metavar="T", help="Not before this time: 2026-11-01T12:30, UTC.")
@click.option("--expires", metavar="T", help="Not after this time, or so much later: 5m.")
@click.option("--tag", "tags", multiple=True, metavar="K=V", help="Sent as a header; repeatable.")
@act_options
@click.pass_obj
def run(
    session: Session,
    /,
    name: str,
    args_text: str | None,
    kwargs_text: str | None,
    queue: str | None,
    priority: str | None,
    countdown: float | None,
    eta: str | None,
    expires: str | None,
    tags: tuple[str, ...],
    **given: Any,
) -> int:
    """Run the task NAME once; its id is printed as soon as it is in its queue.

    A name that no worker knows is refused, unless no worker answers. With umbel_agent in the workers,
    --dry-run shows what the task takes, and arguments that do not fit need --yes.
    """
    options = ActOptions(**given)
    now = time.time()
    if countdown is not None and eta is not None:
        raise click.UsageError("Give --countdown or --eta, not both.")
    order = Order(
        name=name,
        args=json_array("--args", args_text) or [],
        kwargs=json_object("--kwargs", kwargs_text) or {},
        queue=queue,
        priority=None
        if priority is None
        else read_priority("--priority", priority, _levels(session)),
        eta=now + countdown if countdown is not None else _ahead("--eta", eta, now),
        expires=_ahead("--expires", expires, now),
        tags=read_tags("--tag", tags),
    )
    with at_work(session) as (door, cluster):
        # Whoever may not is told before anything else.
        if not options.dry_run:
            door.job("run", [name], target_kind="task name", reason=options.reason)
        runner = Runner(door, cluster)
        try:
            note = runner.check(name)
            if note is not None:
                print_note(note)
            chosen, known = runner.queue_for(order), runner.signatures(name)
            doubt = doubt_about(known, order.args, order.kwargs)
            if options.dry_run:
                _show_dry(order, chosen, known, doubt, options)
                return 0
            if not confirmed(session.context, "Run", [name], options, False, doubt):
                print_note("Nothing was done.")
                return 1
            outcome = runner.run(order, chosen, options.reason, pace_for(door, options))
        finally:
            runner.close()
    id_ = outcome.new_id or ""
    if options.as_json:
        show([row(id_, outcome)], options)
    else:
        print_line(plain(id_))
        print_note(outcome.detail)
    return exit_code([row(id_, outcome)])


def _show_dry(
    order: Order, queue: str, known: Sequence[Signature], doubt: str | None, options: ActOptions
) -> None:
    detail = f"would be sent to queue {queue}"
    takes = {"signature": f"{order.name}{known[0].text()}"} if known else {}
    show([{"target": order.name, "outcome": "dry run", "detail": detail, **takes}], options)
    if known and not options.as_json:
        print_note(plain(" ".join([*takes.values(), known[0].words]).rstrip()))
    if doubt is not None:
        print_note(plain(doubt))


def _levels(session: Session) -> Mapping[str, int]:
    is_amqp = transport_of(session.context.broker) in AMQP_TRANSPORTS
    return AMQP_LEVELS if is_amqp else REDIS_LEVELS


def _ahead(option: str, text: str | None, now: float) -> float | None:
    return None if text is None else read_time_ahead(option, text, now)

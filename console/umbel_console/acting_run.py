"""Run: a registered task is started with arguments that were typed."""

from __future__ import annotations

from collections.abc import Sequence

from umbel_backend.acts.opening import at_work
from umbel_backend.acts.outcome import refused
from umbel_backend.acts.run import Order, Runner
from umbel_backend.acts.signature import Signature, in_doubt, mistake_in
from umbel_backend.acts.signatures import ask_signatures
from umbel_backend.acts.workforce import Foreman
from umbel_backend.broker.cluster import Cluster
from umbel_backend.errors import Refused
from umbel_backend.settings import Settings
from umbel_console.acting import Line, Outlook, TaskOrder, Wanted
from umbel_console.acting_job import Outcomes, ThreadJob
from umbel_console.acting_rules import pace as pace_of
from umbel_console.acting_rules import told


def registered(settings: Settings) -> Sequence[str]:
    """Return the names of all tasks that workers know."""
    cluster = Cluster(settings.context)
    foreman = Foreman(cluster)
    try:
        return sorted(foreman.registered()[1])
    finally:
        foreman.close()
        cluster.close()


def signatures(settings: Settings, name: str) -> Sequence[Signature]:
    """Return what the task ``name`` takes, as agents tell it."""
    cluster = Cluster(settings.context)
    foreman = Foreman(cluster)
    try:
        return ask_signatures(cluster, foreman, foreman.registered()[0], name)
    finally:
        foreman.close()
        cluster.close()


def outlook(settings: Settings, wanted: Wanted) -> Outlook:
    """Find out whether workers know the task, and where it would go."""
    assert wanted.order is not None
    with at_work(settings) as (door, cluster):
        door.job("run", [wanted.order.name], target_kind="task name")
        runner = Runner(door, cluster)
        try:
            note = runner.check(wanted.order.name)
            queue = runner.queue_for(_order(wanted.order))
            known = runner.signatures(wanted.order.name)
        finally:
            runner.close()
    mistake = mistake_in(known, wanted.order.args, wanted.order.kwargs)
    doubts = [note, None if mistake is None else in_doubt(mistake)]
    lines = [Line(f"to queue {queue}", 1), *told([doubt for doubt in doubts if doubt is not None])]
    return Outlook(ids=[wanted.order.name], lines=lines, doable=1)


def work(
    settings: Settings, job: ThreadJob, wanted: Wanted, ids: Sequence[str], reason: str
) -> Outcomes:
    """Do it, in the thread of ``job``."""
    assert wanted.order is not None
    with at_work(settings) as (door, cluster):
        runner, order = Runner(door, cluster), _order(wanted.order)
        try:
            pace = pace_of(door, wanted, job.sleep)
            yield order.name, runner.run(order, runner.queue_for(order), reason, pace)
        except Refused as why:
            yield order.name, refused(str(why))
        finally:
            runner.close()


def _order(order: TaskOrder) -> Order:
    return Order(
        name=order.name,
        args=order.args,
        kwargs=order.kwargs,
        queue=order.queue,
        priority=order.priority,
        eta=order.eta,
        expires=order.expires,
        tags=order.tags,
    )

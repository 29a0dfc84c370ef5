"""Cancel, kill, pause and resume: acts on tasks wherever they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from umbel_backend.acts.cancel import DEFAULT_GRACE_S, Canceller
from umbel_backend.acts.opening import at_work
from umbel_backend.acts.pace import Pace
from umbel_backend.acts.pause import Pauser
from umbel_backend.acts.resume import Resumer
from umbel_backend.settings import Settings
from umbel_console.acting import AT_ONCE, Outlook, Verb, Wanted
from umbel_console.acting_job import Outcomes, ThreadJob
from umbel_console.acting_rules import action, allow, doable, names, pace, told
from umbel_console.acting_words import looked_at, of_places, would_act

if TYPE_CHECKING:
    from umbel_backend.acts.operator import Door, Job
    from umbel_backend.acts.selection import Selection
    from umbel_backend.acts.whereabouts import Place
    from umbel_backend.broker.cluster import Cluster
    from umbel_backend.filters import Filter


def outlook(settings: Settings, wanted: Wanted) -> Outlook:
    """Find out where the tasks are, and so what would be done to them."""
    with at_work(settings) as (door, cluster):
        allow(door, wanted)
        actor = _actor(door, cluster, wanted, None)
        try:
            ids, notes = list(wanted.ids), list[str]()
            if wanted.chosen is not None:
                selection = actor.matching(wanted.chosen)
                ids, notes = selection.ids, selection.notes
            places = actor.locate(ids[:AT_ONCE])
        finally:
            actor.close()
        grace_s = _grace_s(wanted.verb)
        return Outlook(
            ids=ids,
            lines=[
                *of_places(places, wanted.verb, grace_s),
                *looked_at(len(ids)),
                *told(notes),
            ],
            names=names(door, ids[:AT_ONCE]),
            doable=doable(ids, would_act(places, wanted.verb)),
        )


def work(
    settings: Settings, job: ThreadJob, wanted: Wanted, ids: Sequence[str], reason: str
) -> Outcomes:
    """Do it, in the thread of ``job``."""
    with at_work(settings) as (door, cluster):
        actor = _actor(door, cluster, wanted, job.sleep)
        act = getattr(actor, action(wanted.verb))
        try:
            yield from job.carried_out(act(list(ids), reason, Pace(0)), lambda: actor.job)
        finally:
            actor.close()


class _Actor(Protocol):
    """What the acts on tasks wherever they are have in common."""

    job: Job | None

    def matching(self, chosen: Filter) -> Selection: ...

    def locate(self, ids: Sequence[str]) -> dict[str, Place]: ...

    def close(self) -> None: ...


def _actor(
    door: Door, cluster: Cluster, wanted: Wanted, sleep: Callable[[float], None] | None
) -> _Actor:
    if wanted.verb == "pause":
        return Pauser(door, cluster)
    if wanted.verb == "resume":
        creating = pace(door, wanted, sleep)
        return Resumer(door, cluster, twice=wanted.twice, creating=creating)
    return Canceller(door, cluster, _grace_s(wanted.verb))


def _grace_s(verb: Verb) -> float:
    return 0.0 if verb == "kill" else DEFAULT_GRACE_S

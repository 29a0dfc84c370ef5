"""Pause, resume and purge: acts on whole queues."""

from __future__ import annotations

import time
from collections.abc import Sequence

from umbel_backend.acts.opening import at_work, open_door
from umbel_backend.acts.outcome import refused
from umbel_backend.acts.queue_acts import QueueActs
from umbel_backend.db.query import run
from umbel_backend.db.statements import holds
from umbel_backend.errors import NotFound, Refused
from umbel_backend.settings import Settings
from umbel_console.acting import Outlook, Wanted
from umbel_console.acting_job import Outcomes, ThreadJob
from umbel_console.acting_words import of_queue


def outlook(settings: Settings, wanted: Wanted) -> Outlook:
    """Find out whether the queue is paused."""
    [queue] = wanted.ids
    with open_door(settings) as door:
        door.job(wanted.verb, [queue], target_kind="queue")
        paused = run(door.engine, holds.paused()).get(queue)
    return Outlook(ids=[queue], lines=of_queue(wanted.verb, paused, time.time()), doable=1)


def work(
    settings: Settings, job: ThreadJob, wanted: Wanted, ids: Sequence[str], reason: str
) -> Outcomes:
    """Do it, in the thread of ``job``."""
    [queue] = ids
    with at_work(settings) as (door, cluster):
        acts = QueueActs(door, cluster)
        act = {"queue pause": acts.pause, "queue resume": acts.resume}
        try:
            yield queue, act.get(wanted.verb, acts.purge)(queue, reason)
        except (NotFound, Refused) as why:
            yield queue, refused(str(why))
        finally:
            acts.close()

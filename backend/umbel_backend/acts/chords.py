"""Whether the body of a chord can be run after its header was put right by retries."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from umbel_backend.db.query import run
from umbel_backend.db.statements import chords

RUNS = "The body of its chord runs once all of its header has succeeded."
_TOLD = "The body of its chord has been told of the failure and is not run by this"


@dataclass(frozen=True, slots=True)
class Repair:
    """What a retry of a member does for the chord."""

    members: list[str]
    """All of the header in order, to be named in the message; empty where the body cannot be run."""
    words: str
    """What becomes of the body, a sentence."""


def repair(engine: sa.Engine, task_id: str, group_id: str | None, now: float) -> Repair:
    """Return what a retry of ``task_id``, of a chord's header, can do for its body.

    The body needs the results of all of the header: so it is run only where history surely knows all.
    """
    if not group_id:
        return Repair([], f"{_TOLD}: its group is not known.")
    header = run(engine, chords.header(group_id, now))
    members = sorted(header.members, key=lambda each: -1 if each.index is None else each.index)
    if len(members) > chords.MOST:
        return Repair([], f"{_TOLD}: its header has more than {chords.MOST} tasks.")
    if not header.is_surely_whole or [each.index for each in members] != [*range(len(members))]:
        return Repair([], f"{_TOLD}: history does not surely know all of its header.")
    running = sum(not each.is_ready for each in members if each.id != task_id)
    if running:
        return Repair([], f"{_TOLD}: {running} of its header have not ended; retry it after that.")
    return Repair([each.id for each in members], RUNS)

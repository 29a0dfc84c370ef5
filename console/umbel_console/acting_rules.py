"""What holds for all acts of the console: permission before anything else, pace, what is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from umbel_backend.acts.pace import CREATING, Pace
from umbel_backend.acts.roles import Role
from umbel_backend.db.query import run
from umbel_backend.db.statements import audit, tasks
from umbel_backend.errors import NotPermitted
from umbel_console.acting import Line, Verb, Wanted

if TYPE_CHECKING:
    from umbel_backend.acts.operator import Door


def allow(door: Door, wanted: Wanted) -> None:
    """Raise `NotPermitted`, audited, if it may not be done."""
    if wanted.chosen is not None:
        door.job(action(wanted.verb), [wanted.chosen.text], target_kind="filter")
    else:
        door.job(action(wanted.verb), list(wanted.ids))


def refusal(door: Door, verb: Verb, targets: Sequence[str], kind: str) -> str | None:
    """Return why an act may not be done, which is in the audit then; None if it may."""
    try:
        door.job(action(verb), list(targets), target_kind=kind)
    except NotPermitted as why:
        return str(why)
    return None


def action(verb: Verb) -> str:
    """Return the audit's word for an act."""
    return "cancel" if verb == "kill" else verb


def pace(door: Door, wanted: Wanted, sleep: Callable[[float], None] | None) -> Pace:
    """Return how fast acts of this operator may create work, those of the last minute counted.

    Raises:
        NotPermitted: Unlimited is for admins.
    """
    name = door.identity.name
    if wanted.rate == 0 and not door.role.reaches(Role.ADMIN):
        raise NotPermitted(f"A retry without a rate needs an admin, and {name} is none.")

    def earlier(since: float) -> list[float]:
        return run(door.engine, audit.created_since(name, CREATING, since))

    return Pace(wanted.rate, earlier) if sleep is None else Pace(wanted.rate, earlier, sleep=sleep)


def names(door: Door, ids: Sequence[str]) -> dict[str, str]:
    """Return the names of tasks that history knows, by id."""
    records = run(door.engine, tasks.by_ids(ids))
    return {each: record.name or "" for each, record in records.items()}


def doable(ids: Sequence[str], looked_at: Sequence[bool]) -> int | None:
    """Return for how many something would be done; None if not all were looked at."""
    return sum(looked_at) if len(looked_at) == len(ids) else None


def told(notes: Sequence[str]) -> list[Line]:
    """Return notes of the backend as lines of an outlook."""
    return [Line(note, role="warn") for note in notes]

"""Giving and taking roles, through the door."""

from __future__ import annotations

from umbel_backend.acts.operator import Door
from umbel_backend.acts.outcome import Outcome, done
from umbel_backend.acts.roles import Role, add_operator, remove_operator


def change_operator(door: Door, name: str, role: Role, reason: str = "") -> Outcome:
    """Give ``name`` a role, or another one.

    Raises:
        NotPermitted: Who acts is no admin.
        InvalidValue: The name is none.
        Refused: There would be no admin.
    """
    with door.job(
        "operator add",
        [name],
        target_kind="operator",
        reason=reason,
        parameters={"role": role.value},
        needs=Role.ADMIN,
        in_cluster=False,
    ) as job:
        job.open([name])
        job.close(name, done(add_operator(door.engine, name, role, door.identity.name)))
    return job.outcomes[name]


def drop_operator(door: Door, name: str, reason: str = "") -> Outcome:
    """Take ``name`` off the list, which makes them a viewer.

    Raises:
        NotPermitted: Who acts is no admin.
        NotFound: Nobody of that name is listed.
        Refused: It is the last admin.
    """
    with door.job(
        "operator remove",
        [name],
        target_kind="operator",
        reason=reason,
        needs=Role.ADMIN,
        in_cluster=False,
    ) as job:
        job.open([name])
        job.close(name, done(remove_operator(door.engine, name)))
    return job.outcomes[name]

"""Roles, who has which, and giving and taking them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from enum import StrEnum

import sqlalchemy as sa

from umbel_backend.db.query import run, run_on
from umbel_backend.db.statements import operators
from umbel_backend.db.statements.operators import OperatorRow
from umbel_backend.db.transaction import writing
from umbel_backend.errors import InvalidValue, NotFound, Refused

__all__ = ["OperatorRow", "Role", "add_operator", "every_operator", "remove_operator", "role_of"]

_LONGEST_NAME = 200


class Role(StrEnum):
    """What somebody may do; each role may do what those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def reaches(self, needed: Role) -> bool:
        """Whether this role may do what ``needed`` may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


def role_of(name: str, defined: Sequence[OperatorRow]) -> Role:
    """Return the role of a user: admin while nobody is defined, else viewer unless they are listed."""
    if not defined:
        return Role.ADMIN
    return next((Role(row.role) for row in defined if row.name == name), Role.VIEWER)


def every_operator(engine: sa.Engine) -> list[OperatorRow]:
    """Return all operators by name; empty while none is defined, and then everybody is admin."""
    return run(engine, operators.every())


def with_article(role: Role) -> str:
    """Return ``an admin``, ``a viewer``."""
    return f"an {role}" if role.value[0] in "ao" else f"a {role}"


def add_operator(engine: sa.Engine, name: str, role: Role, added_by: str) -> str:
    """Give ``name`` a role, or another one; return what was done in words.

    Only to be called through `umbel_backend.acts.operator`.

    Raises:
        InvalidValue: The name is none.
        Refused: There would be no admin.
    """
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable() or name != name.strip():
        raise InvalidValue("The name of an operator is the user's on the operating system.")
    row = OperatorRow(name, role.value, time.time(), added_by)
    with writing(engine) as connection:
        _lock(connection)
        known = {each.name: each for each in run_on(connection, operators.every())}
        known_as = known.get(name)
        if not any(each.role == Role.ADMIN for each in (known | {name: row}).values()):
            raise Refused(
                "The first operator has to be an admin: with a list and no admin in it nobody"
                " could change it."
                if not known
                else f"{name} is the last admin and stays one."
            )
        if known_as is None:
            connection.execute(operators.add(row))
            return f"{name} is {with_article(role)} now."
        connection.execute(operators.change(row))
    return f"{name} was {with_article(Role(known_as.role))} and is {with_article(role)} now."


def remove_operator(engine: sa.Engine, name: str) -> str:
    """Take ``name`` off the list, which makes them a viewer; return what was done in words.

    Only to be called through `umbel_backend.acts.operator`.

    Raises:
        NotFound: Nobody of that name is listed.
        Refused: It is the last admin.
    """
    with writing(engine) as connection:
        _lock(connection)
        known = {each.name: each for each in run_on(connection, operators.every())}
        if name not in known:
            raise NotFound(f"No operator is called {name!r}.")
        rest = [each for each in known.values() if each.name != name]
        if not any(each.role == Role.ADMIN for each in rest):
            raise Refused(f"{name} is the last admin and cannot be removed.")
        connection.execute(operators.remove(name))
    return f"{name} was {with_article(Role(known[name].role))} and is a viewer now."


def _lock(connection: sa.Connection) -> None:
    """Let no other change of operators come between; SQLite's transactions do that by themselves."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE operator IN SHARE ROW EXCLUSIVE MODE")

"""Checks the user's own keys before a console opens with them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from umbel_backend.errors import InvalidValue
from umbel_console import actions
from umbel_console.actions import Action, Scope

EVERYWHERE: tuple[Scope, ...] = ("app", "screen", "table")
"""Scopes whose keys hold on every screen; the others hold on one, or in one part of it."""

INSIDE: frozenset[str] = frozenset({"detail", "logs", "pane"})
"""Scopes of a part of a screen; its keys win over those around it, which rest while it has the focus."""


def check_key_map(key_map: Mapping[str, str]) -> None:
    """Return if every id names an action and no two actions of one screen share a key.

    Raises:
        InvalidValue: With what is wrong, in one sentence.
    """
    for id_ in key_map:
        if id_ not in actions.BY_ID:
            near = difflib.get_close_matches(id_, actions.BY_ID, n=1)
            hint = f"; did you mean {near[0]}?" if near else "; docs/actions.md lists them."
            raise InvalidValue(f"key_map: there is no action {id_!r}{hint}")
    mine = {id_: _keys(keys) for id_, keys in key_map.items()}
    for scope in actions.TITLES:
        _check_scope(scope, mine)


def _check_scope(scope: Scope, mine: Mapping[str, tuple[str, ...]]) -> None:
    taken: dict[str, Action] = {}
    scopes = [scope] if scope in INSIDE else dict.fromkeys([*EVERYWHERE, scope])
    for action in actions.in_scopes(scopes):
        for key in mine.get(action.id, _keys(action.keys)):
            other = taken.setdefault(key, action)
            if other is not action and (action.id in mine or other.id in mine):
                raise InvalidValue(
                    f"key_map: {other.id} and {action.id} would both be on {key};"
                    " give one of them another key."
                )


def _keys(text: str) -> tuple[str, ...]:
    return tuple(key.strip() for key in text.split(",") if key.strip())

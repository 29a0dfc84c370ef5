"""What to say of a key that does nothing where it was pressed."""

from __future__ import annotations

from collections.abc import Mapping

from umbel_console import actions
from umbel_console.action import TITLES, Scope

MOST_NAMED = 2
"""Places named in one sentence."""
_ARROWS = {"left": "←", "right": "→", "up": "↑", "down": "↓"}


def of_no_use(key: str, shown: str, key_map: Mapping[str, str], *, unicode: bool = True) -> str:
    """Return where ``key`` would do something, or that it does nowhere.

    Args:
        key: As Textual spells it.
        shown: As it is written for people.
        key_map: The operator's own keys, by action.
        unicode: False on a terminal that shows ASCII only.
    """
    places: dict[Scope, None] = {}
    for action in actions.REGISTRY:
        if key in (key_map.get(action.id) or action.keys).split(","):
            places[action.scope] = None
    titles = [TITLES[scope] for scope in places if TITLES[scope].startswith("In ")]
    shown = _ARROWS.get(key, shown) if unicode else shown
    if not titles:
        return f"{shown} is no key here; ? lists those there are."
    where = "elsewhere"
    if len(titles) <= MOST_NAMED:
        where = " and ".join(title[0].lower() + title[1:] for title in titles)
    return f"{shown} is a key {where}, not here; ? lists those there are."

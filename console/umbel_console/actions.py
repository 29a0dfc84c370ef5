"""What follows from the registry of actions: bindings, the footer, and how keys are written."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from textual.binding import Binding

from umbel_console.action import TITLES, Action, Scope, Situation
from umbel_console.registry import REGISTRY

__all__ = ["REGISTRY", "TITLES", "Action", "Scope", "Situation"]

FOOTER_KEYS = 8
"""Most keys the footer shows."""

BY_ID = {action.id: action for action in REGISTRY}


def in_scopes(scopes: Iterable[Scope]) -> list[Action]:
    """Return the actions of ``scopes`` in the registry's order."""
    wanted = set(scopes)
    return [action for action in REGISTRY if action.scope in wanted]


def bindings(scope: Scope) -> list[Binding]:
    """Return Textual's bindings for one scope; their ids are what the key map names."""
    called = "{verb}" if scope == "table" else "act('{id}')"
    return [
        Binding(
            action.keys,
            called.format(verb=action.verb, id=action.id),
            action.label,
            tooltip=action.tooltip,
            id=action.id,
        )
        for action in in_scopes([scope])
    ]


def keys_of(action: Action, key_map: Mapping[str, str], *, unicode: bool = True) -> str:
    """Return how the keys of ``action`` are written for people, under the user's ``key_map``."""
    own = key_map.get(action.id)
    if own:
        return " ".join(own.split(","))
    if action.shown and (unicode or action.shown.isascii()):
        return action.shown
    return " ".join(action.keys.split(","))


def pane_footer() -> list[Action]:
    """Return the actions the footer shows while the keys go to the filter pane."""
    return [*footer(["pane"]), BY_ID["app.help"]]


def footer(
    scopes: Iterable[Scope], *, detail: bool = False, without: Container[str] = ()
) -> list[Action]:
    """Return the actions the footer shows for ``scopes``, at most `FOOTER_KEYS`.

    Args:
        scopes: Of the screen.
        detail: The keys go to the detail of a task.
        without: Ids of actions that mean nothing on the screen.
    """
    chosen = [action for action in in_scopes(scopes) if action.footer and action.id not in without]
    if detail:
        acts = [action for action in chosen if action.danger]
        chosen = [*(action for action in in_scopes(["detail"]) if action.footer), *acts]
        ranked = sorted(chosen, key=lambda action: action.footer)
        return [*ranked[: FOOTER_KEYS - 1], BY_ID["app.help"]]
    ranked = sorted(chosen, key=lambda action: action.footer)
    # Help, the last one, is where all others can be found.
    return [*ranked[: FOOTER_KEYS - 1], *ranked[FOOTER_KEYS - 1 :][-1:]]

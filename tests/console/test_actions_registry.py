from __future__ import annotations

from collections import Counter
from typing import get_args

import pytest

from umbel_console import actions
from umbel_console.acting import Verb
from umbel_console.actions import REGISTRY, Situation
from umbel_console.screens.audit import AuditScreen
from umbel_console.screens.history import HistoryScreen
from umbel_console.screens.policies import PoliciesScreen
from umbel_console.screens.queues import QueuesScreen
from umbel_console.screens.tab import TabScreen
from umbel_console.screens.tasks import TasksScreen
from umbel_console.screens.workers import WorkersScreen
from umbel_console.widgets.record_table import RecordTable

RESERVED = {f"ctrl+{letter}" for letter in "abdhijklmsz"}
SCREENS: tuple[type[TabScreen], ...] = (
    TasksScreen,
    HistoryScreen,
    WorkersScreen,
    QueuesScreen,
    AuditScreen,
    PoliciesScreen,
)
SCREEN_OF = {"audit": AuditScreen, "policies": PoliciesScreen, "queues": QueuesScreen}


def keys(scopes: tuple[actions.Scope, ...]) -> list[str]:
    return [key for action in actions.in_scopes(scopes) for key in action.keys.split(",")]


def test_ids_are_unique_and_begin_with_their_scope() -> None:
    ids = [action.id for action in REGISTRY]
    assert len(ids) == len(set(ids))
    assert all(action.id.startswith(f"{action.scope}.") for action in REGISTRY)


@pytest.mark.parametrize("screen", SCREENS)
def test_on_one_screen_a_key_means_one_thing(screen: type[TabScreen]) -> None:
    twice = [key for key, count in Counter(keys(screen.SCOPES)).items() if count > 1]
    assert twice == []


def test_no_action_takes_a_key_that_terminals_and_multiplexers_need() -> None:
    assert RESERVED.isdisjoint(key for action in REGISTRY for key in action.keys.split(","))


def test_every_action_is_done_by_somebody() -> None:
    for action in REGISTRY:
        if action.on_tasks:
            assert action.verb in (*get_args(Verb), "edit"), action.id
        elif action.scope == "table":
            assert hasattr(RecordTable, f"action_{action.verb}"), action.id
        elif action.scope == "screen":
            assert hasattr(TabScreen, f"do_{action.verb}") or hasattr(
                TasksScreen, f"do_{action.verb}"
            ), action.id
        elif action.scope == "tasks":
            assert hasattr(TasksScreen, f"do_{action.verb}"), action.id
        elif action.scope == "history":
            assert hasattr(HistoryScreen, f"do_{action.verb}"), action.id
        elif action.scope in SCREEN_OF:
            assert hasattr(SCREEN_OF[action.scope], f"do_{action.verb}"), action.id


def test_a_capital_letter_that_acts_is_an_act_and_every_act_has_one() -> None:
    calm = {"E", "G", "N"}
    for action in REGISTRY:
        capitals = {key for key in action.keys.split(",") if key.isupper() and len(key) == 1}
        assert bool(capitals - calm) == action.danger, action.id


@pytest.mark.parametrize("screen", SCREENS)
def test_the_footer_has_at_most_eight_keys_and_always_help(screen: type[TabScreen]) -> None:
    for detail in (False, True):
        shown = actions.footer(screen.SCOPES, detail=detail)
        assert len(shown) <= actions.FOOTER_KEYS
        assert "app.help" in [action.id for action in shown]


def test_what_cannot_be_done_says_why_in_a_sentence() -> None:
    nothing = Situation(can_open=False)
    reasons = [why for action in REGISTRY if (why := action.why_disabled(nothing))]
    assert len(reasons) >= 4
    assert all(reason.endswith(".") for reason in reasons)


def test_every_app_action_is_handled() -> None:
    verbs = {action.verb for action in actions.in_scopes(["app"])}
    assert {"tasks", "history", "workers", "queues"} <= verbs

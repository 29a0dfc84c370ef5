"""What an action is, where it can be done, and what decides whether it can be done now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from msgspec import Struct

Scope = Literal[
    "app",
    "screen",
    "table",
    "overview",
    "tasks",
    "history",
    "detail",
    "logs",
    "pane",
    "worker",
    "audit",
    "policies",
    "queues",
]

TITLES: Mapping[Scope, str] = {
    "screen": "Here",
    "overview": "In the overview",
    "tasks": "In Tasks",
    "history": "In History",
    "worker": "In the detail of a worker",
    "audit": "In the audit",
    "policies": "In Policies",
    "queues": "In Queues",
    "table": "Moving and marking",
    "detail": "In the detail of a task",
    "logs": "In the log of a task",
    "pane": "In the filter pane",
    "app": "Everywhere",
}
"""What help and documents call each scope, in the order they list them."""


class Situation(Struct, frozen=True, kw_only=True):
    """What decides whether an action can be done now."""

    has_record: bool = False
    can_open: bool = True
    """The screen has something to show of a single record."""
    has_filter: bool = False
    """The screen has a filter bar."""
    detail_open: bool = False
    next_page: bool = False
    previous_page: bool = False
    has_history: bool = False
    """The database is open."""


WhyDisabled = Callable[[Situation], str | None]
"""Returns one sentence, or None if the action can be done."""


class Action(Struct, frozen=True, kw_only=True):
    """One thing an operator can do."""

    id: str
    """``scope.verb``; names it in the key map and in the method that does it."""
    keys: str
    """Default keys, with commas between, as Textual spells them."""
    label: str
    tooltip: str
    scope: Scope
    shown: str = ""
    """How the keys are written for people; empty writes them as they are."""
    footer: int = 0
    """Place among the footer's keys, from 1; 0 leaves it to the help."""
    danger: bool = False
    """It changes the world outside the console."""
    on_tasks: bool = False
    """It begins an act on tasks; what these are is found out by `screens.task_acts`."""
    leads_to_act: bool = False
    """It opens a form that ends in an act, although its key is no capital letter."""
    why_disabled: WhyDisabled = lambda situation: None

    @property
    def needs_role(self) -> bool:
        """Whether a viewer, or anybody in a read-only context, gets nowhere with it."""
        return self.danger or self.on_tasks or self.leads_to_act

    @property
    def verb(self) -> str:
        """The part of the id after the scope."""
        return self.id.partition(".")[2]

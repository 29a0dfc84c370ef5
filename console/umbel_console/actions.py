"""Every action there is, declared once: bindings, footer, help and palette derive from this list.

An action exists only if it works; what it does is a method of the screen or widget of its scope.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding

Scope = Literal[
    "app", "screen", "table", "overview", "tasks", "history", "detail", "pane", "worker"
]

TITLES: Mapping[Scope, str] = {
    "screen": "Here",
    "overview": "In the overview",
    "tasks": "In Tasks",
    "history": "In History",
    "table": "Moving and marking",
    "detail": "In the detail of a task",
    "pane": "In the filter pane",
    "app": "Everywhere",
}
"""What help and documents call each scope, in the order they list them."""

FOOTER_KEYS = 8
"""Most keys the footer shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What decides whether an action can be done now."""

    has_record: bool = False
    can_open: bool = True
    """The screen has something to show of a single record."""
    has_filter: bool = False
    """The screen has a filter bar."""
    detail_open: bool = False
    next_page: bool = False
    previous_page: bool = False
    pages: bool = False
    """The screen has pages at all."""
    has_history: bool = False
    """The database is open."""


WhyDisabled = Callable[[Situation], str | None]
"""Returns one sentence, or None if the action can be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
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
    why_disabled: WhyDisabled = lambda situation: None

    @property
    def verb(self) -> str:
        """The part of the id after the scope."""
        return self.id.partition(".")[2]


def _needs_record(situation: Situation) -> str | None:
    return None if situation.has_record else "There is nothing under the cursor."


def _can_open(situation: Situation) -> str | None:
    if not situation.can_open:
        return "There is no more to see of it than this line."
    return _needs_record(situation)


def _needs_filter(situation: Situation) -> str | None:
    return None if situation.has_filter else "This table has no filter."


def _needs_history(situation: Situation) -> str | None:
    return None if situation.has_history else "The database is not open."


def _needs_next_page(situation: Situation) -> str | None:
    return None if situation.next_page else "This is the last page."


def _needs_previous_page(situation: Situation) -> str | None:
    return None if situation.previous_page else "This is the first page."


REGISTRY: tuple[Action, ...] = (
    Action(
        id="app.overview",
        keys="0",
        label="Overview",
        tooltip="Show how the cluster stands and fares",
        scope="app",
    ),
    Action(
        id="app.tasks",
        keys="1",
        label="Tasks",
        tooltip="Show the live tasks",
        scope="app",
    ),
    Action(
        id="app.history",
        keys="2",
        label="History",
        tooltip="Show what the database recorded",
        scope="app",
    ),
    Action(
        id="app.workers",
        keys="3",
        label="Workers",
        tooltip="Show the workers as their heartbeats tell",
        scope="app",
    ),
    Action(
        id="app.queues",
        keys="4",
        label="Queues",
        tooltip="Show the queues as the broker tells",
        scope="app",
    ),
    Action(
        id="app.previous_tab",
        keys="left_square_bracket",
        shown="[",
        label="previous tab",
        tooltip="Go to the tab on the left",
        scope="app",
    ),
    Action(
        id="app.next_tab",
        keys="right_square_bracket",
        shown="]",
        label="next tab",
        tooltip="Go to the tab on the right",
        scope="app",
    ),
    Action(
        id="app.command_bar",
        keys="colon",
        shown=":",
        label="command",
        tooltip="Type a command: a tab, filter, sort, theme, quit",
        scope="app",
    ),
    Action(
        id="app.help",
        keys="question_mark",
        shown="?",
        label="help",
        tooltip="List the keys of this screen",
        scope="app",
        footer=8,
    ),
    Action(
        id="app.quit",
        keys="q",
        label="quit",
        tooltip="Leave Umbel",
        scope="app",
        footer=7,
    ),
    Action(
        id="screen.open",
        keys="enter",
        label="open",
        tooltip="Open the task under the cursor beside or over the table",
        scope="screen",
        footer=1,
        why_disabled=_can_open,
    ),
    Action(
        id="screen.back",
        keys="escape",
        shown="esc",
        label="back",
        tooltip="Close the detail, thaw the view, drop the filter, in this order; never quits",
        scope="screen",
    ),
    Action(
        id="screen.filter",
        keys="slash",
        shown="/",
        label="filter",
        tooltip="Filter as you type: state:FAILURE queue:high since:2h, or any word",
        scope="screen",
        footer=2,
        why_disabled=_needs_filter,
    ),
    Action(
        id="screen.sort",
        keys="s",
        label="sort",
        tooltip="Choose the column to sort by; the same one again turns the order round",
        scope="screen",
    ),
    Action(
        id="screen.columns",
        keys="c",
        label="columns",
        tooltip="Choose which columns show, their order and their widths",
        scope="screen",
    ),
    Action(
        id="screen.next_match",
        keys="n",
        label="next match",
        tooltip="Go to the next row that the last filter matches, dropped or not",
        scope="screen",
        why_disabled=_needs_filter,
    ),
    Action(
        id="screen.previous_match",
        keys="N",
        label="previous match",
        tooltip="Go to the row before that the last filter matches",
        scope="screen",
        why_disabled=_needs_filter,
    ),
    Action(
        id="screen.refresh",
        keys="r",
        label="refresh",
        tooltip="Ask broker and database again now",
        scope="screen",
    ),
    Action(
        id="screen.copy",
        keys="y",
        label="copy",
        tooltip="Copy through the terminal (OSC 52, works over SSH): yy id, yn name, ya args, yr row",
        scope="screen",
        why_disabled=_needs_record,
    ),
    Action(
        id="overview.shorter",
        keys="left",
        shown="←",
        label="shorter range",
        tooltip="Show a shorter range",
        scope="overview",
        footer=1,
    ),
    Action(
        id="overview.longer",
        keys="right",
        shown="→",
        label="longer range",
        tooltip="Show a longer range: 15 min, 1 h, 6 h, 24 h, 7 d",
        scope="overview",
        footer=1,
    ),
    Action(
        id="overview.next_list",
        keys="tab",
        label="next list",
        tooltip="Go to the next list: problems, exceptions, busiest tasks, gaps",
        scope="overview",
        footer=1,
    ),
    Action(
        id="overview.previous_list",
        keys="shift+tab",
        label="previous list",
        tooltip="Go to the list before",
        scope="overview",
    ),
    Action(
        id="tasks.next_section",
        keys="right",
        shown="→",
        label="section",
        tooltip="Show only the next section: active, paused, waiting, completed",
        scope="tasks",
        footer=4,
    ),
    Action(
        id="tasks.previous_section",
        keys="left",
        shown="←",
        label="previous section",
        tooltip="Show only the section before",
        scope="tasks",
    ),
    Action(
        id="tasks.compare",
        keys="equals_sign",
        shown="=",
        label="compare",
        tooltip="Put two marked tasks side by side, or the marked one and the one under the cursor",
        scope="tasks",
    ),
    Action(
        id="history.compare",
        keys="equals_sign",
        shown="=",
        label="compare",
        tooltip="Put two marked tasks side by side, or the marked one and the one under the cursor",
        scope="history",
    ),
    Action(
        id="history.next_page",
        keys="greater_than_sign",
        shown=">",
        label="next page",
        tooltip="Show the tasks before these",
        scope="history",
        footer=4,
        why_disabled=_needs_next_page,
    ),
    Action(
        id="history.previous_page",
        keys="less_than_sign",
        shown="<",
        label="previous page",
        tooltip="Show the tasks after these",
        scope="history",
        why_disabled=_needs_previous_page,
    ),
    Action(
        id="history.export",
        keys="E",
        label="export",
        tooltip="Write everything the filter matches to a file: CSV, JSON or JSON Lines",
        scope="history",
        footer=6,
        why_disabled=_needs_history,
    ),
    Action(
        id="detail.next_part",
        keys="right,tab",
        shown="→",
        label="next part",
        tooltip="Show the next part of the detail",
        scope="detail",
        footer=2,
    ),
    Action(
        id="detail.previous_part",
        keys="left,shift+tab",
        shown="←",
        label="previous part",
        tooltip="Show the part before",
        scope="detail",
    ),
    Action(
        id="detail.family",
        keys="w",
        label="family",
        tooltip="Show the chain, group or chord it belongs to",
        scope="detail",
        footer=3,
    ),
    Action(
        id="detail.open",
        keys="enter",
        label="open",
        tooltip="Open the task under the cursor, in Family and Attempts; esc comes back",
        scope="detail",
        footer=4,
    ),
    Action(
        id="detail.back",
        keys="escape",
        shown="esc",
        label="back",
        tooltip="Go back to the task one came from; from the first one, to the table",
        scope="detail",
        footer=1,
    ),
    Action(
        id="detail.copy",
        keys="y",
        label="copy",
        tooltip="Copy what this part shows: arguments, result, traceback, the record as JSON",
        scope="detail",
        footer=5,
    ),
    Action(
        id="tasks.filter_pane",
        keys="f",
        label="facets",
        tooltip="Choose states, tasks, queues, workers, tags, times and saved views",
        scope="tasks",
        footer=5,
    ),
    Action(
        id="tasks.take_filter",
        keys="t",
        label="take filter",
        tooltip="Take over the filter of History",
        scope="tasks",
    ),
    Action(
        id="history.filter_pane",
        keys="f",
        label="facets",
        tooltip="Choose states, tasks, queues, workers, tags, times and saved views",
        scope="history",
        footer=5,
    ),
    Action(
        id="history.take_filter",
        keys="t",
        label="take filter",
        tooltip="Take over the filter of Tasks",
        scope="history",
    ),
    Action(
        id="pane.choose",
        keys="space,enter",
        label="choose",
        tooltip="Ask for the value, the time or the view under the cursor, or no longer",
        scope="pane",
        footer=1,
    ),
    Action(
        id="pane.exclude",
        keys="minus",
        shown="-",
        label="exclude",
        tooltip="Keep the value under the cursor out, or no longer",
        scope="pane",
        footer=2,
    ),
    Action(
        id="pane.next_group",
        keys="tab",
        label="group",
        tooltip="Go to the next group",
        scope="pane",
        footer=3,
    ),
    Action(
        id="pane.previous_group",
        keys="shift+tab",
        label="previous group",
        tooltip="Go to the group before",
        scope="pane",
    ),
    Action(
        id="pane.narrow",
        keys="slash",
        shown="/",
        label="narrow",
        tooltip="Show only values that hold what you type",
        scope="pane",
        footer=4,
    ),
    Action(
        id="pane.clear",
        keys="u",
        label="clear group",
        tooltip="Ask for nothing in this group",
        scope="pane",
        footer=6,
    ),
    Action(
        id="pane.rename",
        keys="e",
        label="rename view",
        tooltip="Give the saved view under the cursor another name",
        scope="pane",
    ),
    Action(
        id="pane.forget",
        keys="d,delete",
        shown="d",
        label="delete view",
        tooltip="Delete the saved view under the cursor",
        scope="pane",
    ),
    Action(
        id="pane.close",
        keys="f,escape",
        shown="f esc",
        label="close",
        tooltip="Show all values again, then close the pane",
        scope="pane",
        footer=5,
    ),
    Action(id="pane.down", keys="j,down", shown="j ↓", label="down", tooltip="", scope="pane"),
    Action(id="pane.up", keys="k,up", shown="k ↑", label="up", tooltip="", scope="pane"),
    Action(
        id="pane.page_down",
        keys="pagedown",
        shown="pgdn",
        label="page down",
        tooltip="",
        scope="pane",
    ),
    Action(
        id="pane.page_up", keys="pageup", shown="pgup", label="page up", tooltip="", scope="pane"
    ),
    Action(id="pane.top", keys="g,home", shown="g home", label="top", tooltip="", scope="pane"),
    Action(id="pane.bottom", keys="G,end", shown="G end", label="bottom", tooltip="", scope="pane"),
    Action(
        id="worker.next_part",
        keys="right,tab",
        shown="→",
        label="next part",
        tooltip="Show its next part: tasks, queues, registered tasks, settings",
        scope="worker",
        footer=2,
    ),
    Action(
        id="worker.previous_part",
        keys="left,shift+tab",
        shown="←",
        label="previous part",
        tooltip="Show the part before",
        scope="worker",
    ),
    Action(id="table.down", keys="j,down", shown="j ↓", label="down", tooltip="", scope="table"),
    Action(id="table.up", keys="k,up", shown="k ↑", label="up", tooltip="", scope="table"),
    Action(
        id="table.page_down",
        keys="pagedown",
        shown="pgdn",
        label="page down",
        tooltip="One window down; in History on to the next page",
        scope="table",
    ),
    Action(
        id="table.page_up",
        keys="pageup",
        shown="pgup",
        label="page up",
        tooltip="One window up",
        scope="table",
    ),
    Action(
        id="table.home",
        keys="g,home",
        shown="g home",
        label="top",
        tooltip="Go to the top and follow what comes",
        scope="table",
    ),
    Action(
        id="table.end",
        keys="G,end",
        shown="G end",
        label="bottom",
        tooltip="Go to the last row",
        scope="table",
    ),
    Action(
        id="table.mark",
        keys="space",
        label="mark",
        tooltip="Mark the task, or the open range",
        scope="table",
        footer=3,
    ),
    Action(
        id="table.range",
        keys="v",
        label="range",
        tooltip="Open a range here; move, then space marks it",
        scope="table",
    ),
    Action(
        id="table.mark_all",
        keys="asterisk",
        shown="*",
        label="mark all",
        tooltip="Mark every row the table holds under this filter",
        scope="table",
    ),
    Action(
        id="table.unmark",
        keys="u",
        label="unmark",
        tooltip="Unmark everything, what the filter hides included",
        scope="table",
    ),
    Action(
        id="table.freeze",
        keys="full_stop",
        shown=".",
        label="freeze",
        tooltip="Hold the view still; what comes is counted",
        scope="table",
        footer=6,
    ),
)

BY_ID = {action.id: action for action in REGISTRY}


def in_scopes(scopes: Iterable[Scope]) -> list[Action]:
    """Return the actions of ``scopes`` in the registry's order."""
    wanted = set(scopes)
    return [action for action in REGISTRY if action.scope in wanted]


TYPED_AFTER = frozenset(
    {
        "help.search",
        "screen.filter",
        "screen.sort",
        "screen.columns",
        "screen.copy",
        "screen.open",
        "app.command_bar",
        "tasks.filter_pane",
        "history.filter_pane",
        "pane.choose",
        "pane.narrow",
        "pane.rename",
    }
)
"""Actions after which keys mean something else: words, the choices of a menu, another widget."""


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
        chosen = [action for action in in_scopes(["detail"]) if action.footer]
        return [*sorted(chosen, key=lambda action: action.footer), BY_ID["app.help"]]
    ranked = sorted(chosen, key=lambda action: action.footer)
    # Help, the last one, is where all others can be found.
    return [*ranked[: FOOTER_KEYS - 1], *ranked[FOOTER_KEYS - 1 :][-1:]]

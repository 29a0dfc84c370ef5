"""Writes ``docs/actions.md`` from the registry of actions: ``python -m umbel_console.actions_page``."""

from __future__ import annotations

import sys
from pathlib import Path

from umbel_console import actions
from umbel_console.actions import Action

INTRODUCTION = """# Keys and actions

Made from the registry by `make docs`; a test holds the two together.

Every key can be changed in `config.toml`, by the id of the action; several keys are separated by
commas, and are spelled as Textual spells them (`ctrl+r`, `f5`, `left_square_bracket`):

```toml
[key_map]
"app.help" = "f1,question_mark"
```

An action that cannot be done says why in the status line. `ctrl+p` finds all of them by name.
"""


def page() -> str:
    """Return the whole page as Markdown."""
    parts = [INTRODUCTION]
    for scope, title in actions.TITLES.items():
        found = list(actions.in_scopes([scope]))
        if found:
            parts.append("\n".join([f"## {title}", "", *_table(found), ""]))
    return "\n".join(parts)


def _table(found: list[Action]) -> list[str]:
    rows = ["| key | does | id |", "| --- | --- | --- |"]
    for action in found:
        keys = " ".join(f"`{_escaped(key)}`" for key in _keys(action))
        rows.append(f"| {keys} | {_escaped(action.tooltip or action.label)} | `{action.id}` |")
    return rows


def _keys(action: Action) -> list[str]:
    return actions.keys_of(action, {}).split()


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")

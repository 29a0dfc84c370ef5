"""What the doctor's rules share: which workers a setting holds for, and naming them."""

from __future__ import annotations

from collections.abc import Callable

from umbel_console.cli.evidence import Evidence


def workers_where(evidence: Evidence, holds: Callable[[dict[str, object]], bool]) -> list[str]:
    """Name the workers whose configuration was told and fits; they tell only what they changed."""
    return [
        name
        for name, answer in evidence.answers.items()
        if answer.conf is not None and holds(answer.conf)
    ]


def named(names: list[str]) -> str:
    """Return the first of ``names`` in a row, and how many more there are."""
    shown = ", ".join(names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown

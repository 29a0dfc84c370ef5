"""The option that widens an act from tasks to the workflows they are of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def workflow_option(command: F) -> F:
    """Give ``command`` the flag ``workflow``."""
    return click.option(
        "--workflow",
        is_flag=True,
        help="All tasks of the chains, groups and chords that the tasks named belong to.",
    )(command)

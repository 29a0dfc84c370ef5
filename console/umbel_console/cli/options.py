"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def json_option(command: F) -> F:
    """Give ``command`` the flag ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def limit_option(*, default: int) -> Callable[[F], F]:
    """Give a listing the option ``limit``."""
    return click.option(
        "--limit",
        type=click.IntRange(min=1),
        default=default,
        show_default=True,
        metavar="N",
        help="Print at most so many.",
    )


def yes_option(command: F) -> F:
    """Give a command that changes something ``--yes``, which all of them take."""
    return click.option(
        "--yes", is_flag=True, expose_value=False, help="Do not ask; this command never does."
    )(command)

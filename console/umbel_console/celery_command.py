"""``celery -A proj umbel``: Umbel on the cluster of an app that Celery has already loaded.

Celery imports this module for every ``celery`` command, the worker included, so it imports click
and the standard library only.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import click

VARIABLE = "UMBEL_FROM_CELERY"
"""Carries the app's configuration, as JSON, to the process that takes over."""


@click.command(
    "umbel",
    # Every word after `umbel` is Umbel's, `--help` included.
    context_settings={
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
        "help_option_names": [],
    },
    short_help="Open the Umbel console, or run any umbel command, on this app's cluster.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def umbel(context: click.Context, /, arguments: tuple[str, ...], **_preload: Any) -> None:
    """Become ``umbel``, so that nothing of the app stays beside the console."""
    from umbel_console.app_configuration import layer_from_app

    environment = {**os.environ, VARIABLE: json.dumps(layer_from_app(context.obj.app))}
    command = [sys.executable, "-P", "-m", "umbel_console.cli", *arguments]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, command, environment)


def given_by_celery() -> dict[str, Any] | None:
    """Return, once, what `umbel` handed over; it holds passwords, so children do not get it."""
    text = os.environ.pop(VARIABLE, None)
    if text is None:
        return None
    from umbel_console.app_configuration import typed

    return typed(json.loads(text))

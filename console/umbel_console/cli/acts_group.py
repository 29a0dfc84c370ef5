"""Groups of commands of which some change things: these are imported only when one is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import click


class ActsGroup(click.Group):
    """A group with acts in a module of their own.

    Args:
        module: In this package.
        acts: The names of its commands that belong to the group.
    """

    def __init__(self, *args: Any, module: str, acts: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._module = module
        self._acts = tuple(acts)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the acts after the others."""
        return [*super().list_commands(ctx), *self._acts]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the act called ``cmd_name``."""
        if cmd_name not in self._acts:
            return super().get_command(ctx, cmd_name)
        module = importlib.import_module(f"umbel_console.cli.{self._module}")
        command: click.Command = getattr(module, cmd_name)
        return command

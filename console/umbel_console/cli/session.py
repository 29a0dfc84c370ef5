"""What every command stands on: the settings of this run and, when asked for, its database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from umbel_backend.settings import Context, Settings
    from umbel_console.cli.history import History


@dataclass
class Session:
    """The global options of one command line, and what follows from them on demand."""

    options: Mapping[str, Any] = field(default_factory=dict)
    """Global options that were given, by `Context` field."""
    context_name: str | None = None
    config: str | None = None

    @cached_property
    def settings(self) -> Settings:
        """The settings of this run; reading them may import the user's app in a subprocess."""
        from umbel_console import configuration
        from umbel_console.celery_command import given_by_celery
        from umbel_console.cli.output import print_note

        return configuration.load(
            self.options,
            context=self.context_name,
            config=self.config,
            app_layer=given_by_celery(),
            note=print_note,
        )

    @property
    def context(self) -> Context:
        """The cluster this command is about."""
        return self.settings.context

    def settings_for(self, context: Context) -> Settings:
        """Return settings for ``context``, with all else as the configuration file says."""
        from umbel_console import configuration

        return configuration.settings_for(context, config=self.config)

    @cached_property
    def history(self) -> History:
        """The history database, opened at first use."""
        from umbel_console.cli.history import History

        return History(self.context)

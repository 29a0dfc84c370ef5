"""The root of the command line: global options, and commands that are imported when they run."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click
from click.shell_completion import CompletionItem

from umbel_backend.broker.urls import transport_of
from umbel_console import collection
from umbel_console.cli.session import Session

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo:demo", "Start a whole demo cluster with live traffic, and the console on it."),
    "recorder": ("recorder:recorder", "Write what happens in the cluster into the database."),
    "tasks": ("tasks:tasks", "List tasks from history, newest first."),
    "task": ("tasks:task", "Show one task in full."),
    "logs": ("logs:logs", "Print what a task logged and printed, or follow it live."),
    "workers": ("workers:workers", "List workers, asked now."),
    "worker": ("workers:worker", "Look at one worker, pause it, or resume it."),
    "queues": ("queues:queues", "List queues and how full they are, measured now."),
    "queue": ("queues:queue", "Look into one queue, pause it, resume it, or empty it."),
    "gaps": ("gaps:gaps", "List stretches of time in which events may have been missed."),
    "cancel": ("acts_cancel:cancel", "Cancel tasks that wait or run."),
    "pause": ("acts_pause:pause", "Pause tasks that wait or run."),
    "resume": ("acts_pause:resume", "Resume paused tasks."),
    "retry": ("acts_retry:retry", "Retry tasks that ended."),
    "run": ("acts_run:run", "Run a registered task."),
    "policies": ("policies:policies", "List what happens by itself when tasks fail."),
    "policy": ("policies:policy", "Set and delete policies."),
    "audit": ("audit:audit", "List who did what and what came of it."),
    "operators": ("operators:operators", "List who may do what."),
    "operator": ("operators:operator", "Give and take roles."),
    "export": ("export:export", "Write tasks from history to a file."),
    "health": ("health:health", "Say in one exit code whether the cluster is well."),
    "doctor": ("doctor:doctor", "Find what silently goes wrong, and name the fix."),
    "db": ("database:db", "Look after the history database."),
    "completion": ("completion:completion", "Print the completion script for a shell."),
}
"""Command to ``module:function`` in this package and to its line in ``umbel --help``."""


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is asked for.

    ``umbel --help`` and ``umbel --version`` answer at once because of it.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command called ``cmd_name``."""
        if cmd_name not in COMMANDS:
            return None
        _quiet_libraries()
        module, _, function = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(
            importlib.import_module(f"umbel_console.cli.{module}"), function
        )
        collection.resume()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands for ``--help`` without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete command names without importing them."""
        return [
            *(
                CompletionItem(name, help=line)
                for name, (_, line) in COMMANDS.items()
                if name.startswith(incomplete)
            ),
            *click.Command.shell_complete(self, ctx, incomplete),
        ]


def _quiet_libraries() -> None:
    """Keep what libraries log off stderr: what matters in them is told as one sentence."""
    import logging
    import warnings

    logging.getLogger().addHandler(logging.NullHandler())
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def _print_version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        click.echo(f"umbel {version('umbel')}")
        context.exit()


def _complete_context(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[str]:
    from umbel_console.configuration import default_path, read_file

    file = read_file(default_path(), must_exist=False)
    return [name for name in file.contexts if name.startswith(incomplete)]


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Without a command, umbel opens the console. Every option is also a variable"
    " (UMBEL_BROKER and so on) and a key of config.toml.",
)
@click.option("-b", "--broker", metavar="URL", help="Broker, as Celery writes it.")
@click.option("-A", "--app", metavar="NAME", help="Celery app to take the configuration from.")
@click.option("--result-backend", metavar="URL", help="Where task results are kept.")
@click.option("--db", metavar="URL|FILE", help="History database: SQLAlchemy URL or file.")
@click.option(
    "--context",
    "context_name",
    metavar="NAME",
    help="Cluster named in the configuration file.",
    shell_complete=_complete_context,
)
@click.option("--read-only", is_flag=True, help="Change nothing in the cluster.")
@click.option("--no-enable-events", is_flag=True, help="Leave workers without -E as they are.")
@click.option("--config", metavar="FILE", help="Configuration file.", type=click.Path())
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version and exit.",
)
@click.pass_context
def root(
    context: click.Context,
    /,
    context_name: str | None,
    config: str | None,
    read_only: bool,
    no_enable_events: bool,
    **given: Any,
) -> int | None:
    """Umbel: the operator console for Celery."""
    options = {name: value for name, value in given.items() if value is not None}
    if read_only:
        options["read_only"] = True
    if no_enable_events:
        options["enable_events"] = False
    context.obj = Session(options, context_name, config)
    if context.invoked_subcommand is None:
        return _open_console(context.obj)
    return None


def _open_console(session: Session) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("The console needs a terminal; the commands do without one.")
    settings = session.settings
    transport_of(settings.context.broker)
    _quiet_libraries()
    from umbel_console.opening import run

    return run(settings)

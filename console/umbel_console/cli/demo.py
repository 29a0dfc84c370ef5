"""``umbel demo``: a whole cluster with traffic, and the console on it; or a summary without one."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import replace
from types import FrameType

import click

from umbel_backend.demo.stack import DemoStack
from umbel_backend.settings import Context, Settings
from umbel_console.cli.output import json_text, print_line, print_note
from umbel_console.cli.session import Session
from umbel_console.cli.words import duration_option

DEFAULT_HEADLESS = "20s"


@click.command()
@click.option(
    "--headless",
    metavar="SECONDS",
    is_flag=False,
    flag_value=DEFAULT_HEADLESS,
    callback=duration_option,
    help="Open no console: run this long, then print one JSON line of what was seen.",
)
@click.pass_obj
def demo(session: Session, /, headless: float | None) -> int:
    """Start a demo cluster with live traffic, and the console on it.

    It has a Redis-compatible server of its own on a free loopback port, two workers on three
    queues, beat, a recorder, and traffic that looks like a business. Leaving the console or Ctrl-C
    stops all of it. Without a terminal it runs for 20 s and prints one JSON line.
    """
    if session.options or session.context_name:
        raise click.UsageError("The demo brings its own cluster; leave the global options out.")
    if headless is None and not (sys.stdin.isatty() and sys.stdout.isatty()):
        headless = 20.0
    settings = session.settings_for(Context())
    _forget_variables()
    # A plain `kill` stops the cluster as Ctrl-C does.
    signal.signal(signal.SIGTERM, _interrupt)
    recorder = [sys.executable, "-P", "-m", "umbel_console.cli", "recorder"]
    stack = DemoStack(extra=[recorder])
    if headless is not None:
        return _headless(stack, headless)
    with stack:
        code = _console(settings, stack)
        print_note("Stopping the demo cluster.")
    return code


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _forget_variables() -> None:
    """Keep the recorder of the demo from what its user has configured for real clusters."""
    for name in [name for name in os.environ if name.startswith(("UMBEL_", "CELERY_"))]:
        del os.environ[name]
    os.environ["UMBEL_CONFIG"] = os.devnull


def _context(stack: DemoStack) -> Context:
    return Context(
        name="demo",
        broker=stack.broker_url,
        result_backend=stack.backend_url,
        db=str(stack.database),
    )


def _console(settings: Settings, stack: DemoStack) -> int:
    from umbel_console.opening import run

    # The demo brings a recorder of its own, which must not have to race for the lease.
    return run(replace(settings, context=_context(stack)), records=False)


def _headless(stack: DemoStack, seconds: float) -> int:
    from umbel_backend.demo.headless import run_headless
    from umbel_console.cli.demo_summary import observed

    started_at = time.time()
    print_note(f"The demo runs for {seconds:g} s; its logs are in {stack.log_dir}.")
    seen = run_headless(seconds, stack, lambda: observed(_context(stack), since=started_at))
    print_line(json_text(seen))
    return 0 if seen["ok"] else 1

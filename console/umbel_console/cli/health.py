"""``umbel health``: one exit code for scripts and probes."""

from __future__ import annotations

import click

from umbel_console.cli.evidence import gather
from umbel_console.cli.findings import print_findings, public, worst
from umbel_console.cli.health_checks import Thresholds, check_health
from umbel_console.cli.options import json_option
from umbel_console.cli.output import print_json
from umbel_console.cli.session import Session
from umbel_console.cli.words import duration_option

EXIT_CODES = {"ok": 0, "advice": 0, "warning": 1, "critical": 2}
_STATUS = {0: "ok", 1: "warning", 2: "critical"}


@click.command()
@click.option(
    "--failures-warn",
    type=click.FloatRange(0, 100),
    default=10,
    show_default=True,
    metavar="PERCENT",
    envvar="UMBEL_HEALTH_FAILURES_WARN",
    help="Failed tasks of the last 15 minutes above which it warns.",
)
@click.option(
    "--failures-critical",
    type=click.FloatRange(0, 100),
    default=20,
    show_default=True,
    metavar="PERCENT",
    envvar="UMBEL_HEALTH_FAILURES_CRITICAL",
    help="The same, above which it is critical.",
)
@click.option(
    "--running-limit",
    default="8m",
    show_default=True,
    metavar="DURATION",
    callback=duration_option,
    envvar="UMBEL_HEALTH_RUNNING_LIMIT",
    help="How long a task may run before it warns.",
)
@click.option(
    "--backlog",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    metavar="N",
    envvar="UMBEL_HEALTH_BACKLOG",
    help="Messages waiting in one queue above which it warns.",
)
@click.option(
    "--memory",
    type=click.FloatRange(0, 100),
    default=80,
    show_default=True,
    metavar="PERCENT",
    envvar="UMBEL_HEALTH_MEMORY",
    help="The broker's memory in use above which it warns.",
)
@json_option
@click.pass_obj
def health(
    session: Session,
    /,
    failures_warn: float,
    failures_critical: float,
    running_limit: float,
    backlog: int,
    memory: float,
    as_json: bool,
) -> int:
    """Say whether the cluster is well: exit code 0 well, 1 warning, 2 critical.

    What cannot be looked at is listed as unknown and changes nothing.
    """
    thresholds = Thresholds(
        failures_warn=failures_warn,
        failures_critical=failures_critical,
        running_limit_s=running_limit,
        backlog=backlog,
        memory_percent=memory,
    )
    evidence = gather(session)
    findings = check_health(evidence, session.history, thresholds)
    code = EXIT_CODES[worst(findings)]
    if as_json:
        print_json({"status": _STATUS[code], "checks": [public(each) for each in findings]})
    else:
        print_findings(findings)
    return code

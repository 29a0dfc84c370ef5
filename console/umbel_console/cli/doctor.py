"""``umbel doctor``: what silently goes wrong, and what to do about it."""

from __future__ import annotations

import click

from umbel_backend.errors import BrokerUnavailable
from umbel_console.cli.doctor_checks import examine
from umbel_console.cli.doctor_recorder import examine_history
from umbel_console.cli.evidence import gather
from umbel_console.cli.findings import print_findings, public, worst
from umbel_console.cli.options import json_option
from umbel_console.cli.output import print_json_array
from umbel_console.cli.session import Session


@click.command()
@json_option
@click.pass_obj
def doctor(session: Session, /, as_json: bool) -> int:
    """Find what silently goes wrong, and name the fix.

    Exit code 1 when something is wrong, 3 when the broker cannot be reached, 0 when there is
    nothing or advice only. Nothing is changed.
    """
    evidence = gather(session, with_messages=True)
    findings = [*examine(evidence), *examine_history(session.history, evidence)]
    if as_json:
        print_json_array(public(each) for each in findings)
    else:
        print_findings(findings)
    if evidence.broker_problem is not None:
        return BrokerUnavailable.exit_code
    return 1 if worst(findings) in ("warning", "critical") else 0

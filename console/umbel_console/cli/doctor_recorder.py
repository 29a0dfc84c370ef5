"""The doctor's rules about recorder and database."""

from __future__ import annotations

from umbel_backend.errors import UmbelError
from umbel_console.cli.evidence import Evidence
from umbel_console.cli.findings import Finding
from umbel_console.cli.history import History
from umbel_console.render.time import duration


def examine_history(history: History, evidence: Evidence) -> list[Finding]:
    """Return what is to be said about schema, recorder and the run times on record."""
    try:
        if not history.exists():
            return [_no_recorder(f"There is no history at {history.place} yet.")]
        schema = history.schema()
        findings = [
            Finding(
                "schema",
                "critical" if schema.pending else "ok",
                f"{history.place} has schema version {schema.current} of {schema.newest}.",
                "Run: umbel db upgrade" if schema.pending else None,
            )
        ]
        if schema.pending:
            return findings
        recorder = history.recorder()
        if recorder is None:
            findings.append(_no_recorder("No recorder is running: nothing is written to history."))
        else:
            findings.append(Finding("recorder", "ok", f"{recorder} records."))
        return [*findings, *_longest_run(history, evidence)]
    except UmbelError as error:
        return [
            Finding(
                "database",
                "critical",
                str(error),
                "Check --db, UMBEL_DB or config.toml, and the rights on it.",
            )
        ]


def _no_recorder(sentence: str) -> Finding:
    return Finding(
        "recorder",
        "warning",
        sentence,
        "Run umbel recorder as a service (deploy/systemd/umbel-recorder.service), or keep a console"
        " open.",
    )


def _longest_run(history: History, evidence: Evidence) -> list[Finding]:
    longest = history.longest_run(since=evidence.now - 86_400)
    timeout_s = evidence.visibility_timeout_s
    if not evidence.is_redis or longest is None or longest.runtime_s is None:
        return []
    if longest.runtime_s <= timeout_s:
        return []
    return [
        Finding(
            "run time",
            "advice",
            f"{longest.name} ran for {duration(longest.runtime_s)} in the last day, longer than the"
            f" visibility timeout of {duration(timeout_s)}: acknowledged late, it would run twice.",
            "Raise broker_transport_options visibility_timeout above the longest run time.",
        )
    ]

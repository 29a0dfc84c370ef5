"""``umbel audit``: who did what, what came of it, and whether anything was changed since."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import click
import sqlalchemy as sa

from umbel_backend import wire
from umbel_backend.acts.audit_filter import read_audit_filter
from umbel_backend.acts.audit_log import AuditLog
from umbel_backend.acts.interrupted import explain
from umbel_backend.db.query import run
from umbel_backend.db.statements import tasks
from umbel_backend.records import AuditRecord
from umbel_console.cli.acts import OUTCOME_STYLE, reading
from umbel_console.cli.options import json_option, limit_option
from umbel_console.cli.output import plain, print_json, print_json_array, print_line, print_note
from umbel_console.cli.session import Session
from umbel_console.cli.table import Column, print_table
from umbel_console.cli.words import since


@click.command()
@click.argument("filter_words", nargs=-1, metavar="[FILTER]")
@click.option("--verify", is_flag=True, help="Check that nothing in the audit was changed.")
@limit_option(default=50)
@json_option
@click.pass_obj
def audit(
    session: Session, /, filter_words: tuple[str, ...], verify: bool, limit: int, as_json: bool
) -> int:
    """List acts, the latest first, or check with --verify that none was changed since.

    FILTER is words that all have to fit: operator:ada, action:cancel, target:ID, outcome:unknown,
    kind:task, batch:ID, since:2h, until:2026-11-01. A value may hold * and several values apart by
    commas; a word without a field is looked for in target and reason. With --verify the exit code is
    1 if something was changed, and FILTER has no meaning.
    """
    if verify and filter_words:
        raise click.UsageError("--verify checks everything; leave FILTER out.")
    where = read_audit_filter(filter_words, now=time.time())
    with reading(session) as engine:
        if engine is None:
            if as_json:
                print_json_array([])
            return 0
        log = AuditLog(engine)
        if verify:
            return _verify(log, as_json=as_json)
        found = log.read(where, limit + 1)
        explained = {} if as_json else _explained(engine, found[:limit])
    if as_json:
        print_json_array(wire.audit(record) for record in found[:limit])
    else:
        print_table(_columns(time.time(), explained), found[:limit])
    if not found:
        print_note("No act to show.")
    elif len(found) > limit:
        print_note(f"These are the newest {limit:,} acts; --limit shows more.")
    return 0


def _verify(log: AuditLog, *, as_json: bool) -> int:
    verdict = log.verify()
    if as_json:
        print_json(
            {
                "whole": verdict.fault is None,
                "entries": verdict.entries,
                "hash": verdict.hash,
                "fault": verdict.fault,
            }
        )
    elif verdict.fault is None:
        print_line(f"The audit is whole: {verdict.entries:,} entries, of acts and of outcomes.")
        print_line(f"Hash of the last: {verdict.hash or 'none'}")
    else:
        print_line(
            plain(
                f"The audit was changed. {verdict.fault} {verdict.entries:,} before it are whole."
            )
        )
    return 0 if verdict.fault is None else 1


def _explained(engine: sa.Engine, found: Sequence[AuditRecord]) -> dict[int, str]:
    """Return by the row's id what became of acts that were interrupted, and how to finish them."""
    cut_off = [each for each in found if each.outcome == "interrupted"]
    ids = [each.target for each in cut_off if each.target_kind == "task"]
    known = run(engine, tasks.by_ids(ids)) if ids else {}
    return {each.id: explain(each, known.get(each.target)) for each in cut_off}


def _columns(now: float, explained: Mapping[int, str]) -> list[Column[AuditRecord]]:
    return [
        Column("WHEN", lambda a: since(a.at, now), right=True),
        Column("OPERATOR", lambda a: a.operator, least=6),
        Column("ORIGIN", lambda a: a.origin, least=8, rank=6),
        Column("ACTION", lambda a: a.action),
        Column("TARGET", lambda a: a.target, least=8),
        Column(
            "OUTCOME",
            lambda a: a.outcome or "under way",
            style=lambda a: OUTCOME_STYLE.get(a.outcome or "", {}),
        ),
        Column("REASON", lambda a: a.reason, least=8, rank=3),
        Column("DETAIL", lambda a: a.detail or explained.get(a.id, ""), least=10, rank=4),
    ]

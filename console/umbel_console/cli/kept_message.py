"""``umbel task ID --message``: the exact message of a task, as its agent kept it."""

from __future__ import annotations

import json
import time
from base64 import b64encode

from umbel_backend import wire
from umbel_backend.errors import NotFound
from umbel_backend.records import KeptMessage, TaskRecord
from umbel_console.cli.agents import missing_agent
from umbel_console.cli.output import json_text, print_json, print_note
from umbel_console.cli.session import Session
from umbel_console.cli.table import print_facts
from umbel_console.cli.words import moment, size
from umbel_console.retention_words import message_too_old


def print_message(session: Session, record: TaskRecord, *, as_json: bool) -> None:
    """Print the kept message of ``record``.

    Raises:
        NotFound: No body was kept; the sentence says why.
    """
    kept = session.history.kept_message(record.id)
    if kept is None or kept.body is None:
        raise NotFound(_why_not(session, record, kept))
    if as_json:
        print_json(wire.kept_message(kept))
    else:
        _print(kept)
    if kept.sealed:
        print_note("The body is sealed: only who has the key of the workers can read it.")


def _why_not(session: Session, record: TaskRecord, kept: KeptMessage | None) -> str:
    if kept is not None:
        because = kept.withheld or "no reason was told"
        return f"The exact message of {record.id} was not kept: {because}."
    missing = missing_agent(session, record)
    if missing is not None:
        return f"The exact message of {record.id} was not kept. {missing}"
    too_old = message_too_old(record, session.settings.message_days, time.time())
    if too_old is not None:
        return too_old
    return f"No exact message of {record.id} was kept: no agent told of it."


def _print(kept: KeptMessage) -> None:
    assert kept.body is not None
    print_facts(
        [
            ("id", kept.id),
            ("received", moment(kept.kept_at)),
            ("content type", kept.content_type),
            ("encoding", kept.content_encoding),
            ("size", size(kept.size_bytes)),
            ("sealed", "yes" if kept.sealed else None),
            ("headers", json_text(json.loads(json.dumps(kept.headers, default=str)))),
            ("properties", json_text(json.loads(json.dumps(kept.properties, default=str)))),
            ("body", b64encode(kept.body).decode("ascii")),
        ]
    )

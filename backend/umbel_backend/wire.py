"""The public form of records: the JSON and CSV field names that scripts rely on."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from umbel_backend.levels import level_word
from umbel_backend.records import (
    AuditRecord,
    Gap,
    KeptMessage,
    LogLine,
    MessageRecord,
    QueueRecord,
    TaskRecord,
    WorkerRecord,
)


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


TASK_FIELDS = _names(
    "id name state queue priority worker args kwargs args_complete result exception traceback"
    " sent_at received_at started_at finished_at runtime_s wait_s retries attempts root_id"
    " parent_id group_id retry_of retried_as progress eta expires tags paused_how hostname pid"
)
WORKER_FIELDS = _names(
    "hostname status pool concurrency active reserved processed succeeded failed avg_runtime_s"
    " p95_runtime_s loadavg cpu_percent memory_bytes queues heartbeat_at started_at"
    " clock_skew_s celery_version agent"
)
QUEUE_FIELDS = _names(
    "name ready by_priority unacked consumers in_rate out_rate oldest_age_s state limit"
)
MESSAGE_FIELDS = _names("position id name args kwargs priority eta age_s")
GAP_FIELDS = _names("source started_at ended_at reason events_lost")
AUDIT_FIELDS = _names(
    "id at operator origin action target_kind target reason parameters outcome outcome_at detail"
    " batch hash"
)
LOG_FIELDS = _names("at level logger text retries")
KEPT_FIELDS = _names(
    "id kept_at body headers properties content_type content_encoding size_bytes withheld sealed"
)


def iso(instant: float | None) -> str | None:
    """Return ``instant`` (Unix seconds) as ISO 8601 UTC with milliseconds, ``2026-11-01T12:00:00.120Z``."""
    if instant is None:
        return None
    text = datetime.fromtimestamp(instant, UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def json_value(text: str | None, exact: bool) -> Any:
    """Return the value behind ``text`` if it is exact JSON, else ``text`` itself."""
    if text is None or not exact:
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def task(record: TaskRecord) -> dict[str, Any]:
    """Return the public form of ``record``, keyed by `TASK_FIELDS`, in that order."""
    attempts = [
        {
            "number": a.number,
            "started_at": iso(a.started_at),
            "ended_at": iso(a.ended_at),
            "outcome": a.outcome,
            "exception": a.exception,
            "worker": a.worker,
            **({} if a.policy is None else {"policy": a.policy}),
            **({} if a.delay_s is None else {"delay_s": a.delay_s}),
        }
        for a in record.attempts
    ]
    if record.started_at is not None:
        attempts.append(
            {
                "number": len(attempts) + 1,
                "started_at": iso(record.started_at),
                "ended_at": iso(record.finished_at),
                "outcome": record.state,
                "exception": record.exception,
                "worker": record.worker,
            }
        )
    progress = record.progress
    return {
        "id": record.id,
        "name": record.name,
        "state": record.state,
        "queue": record.queue,
        "priority": record.priority,
        "worker": record.worker,
        "args": json_value(record.args, record.args_exact),
        "kwargs": json_value(record.kwargs, record.args_exact),
        "args_complete": record.args_complete,
        "result": json_value(record.result, record.result_exact),
        "exception": record.exception,
        "traceback": record.traceback,
        "sent_at": iso(record.sent_at),
        "received_at": iso(record.received_at),
        "started_at": iso(record.started_at),
        "finished_at": iso(record.finished_at),
        "runtime_s": record.runtime_s,
        "wait_s": record.wait_s,
        "retries": record.retries,
        "attempts": attempts,
        "root_id": record.root_id,
        "parent_id": record.parent_id,
        "group_id": record.group_id,
        "retry_of": record.retry_of,
        "retried_as": list(record.retried_as),
        "progress": None
        if progress is None
        else {"current": progress.current, "total": progress.total, "note": progress.note},
        "eta": iso(record.eta),
        "expires": iso(record.expires),
        "tags": record.tags,
        "paused_how": record.paused_how,
        "hostname": record.hostname,
        "pid": record.pid,
    }


def worker(record: WorkerRecord) -> dict[str, Any]:
    """Return the public form of ``record``, keyed by `WORKER_FIELDS`."""
    public = _plain(record, WORKER_FIELDS)
    public["heartbeat_at"] = iso(record.heartbeat_at)
    public["started_at"] = iso(record.started_at)
    return public


def queue(record: QueueRecord) -> dict[str, Any]:
    """Return the public form of ``record``, keyed by `QUEUE_FIELDS`."""
    return _plain(record, QUEUE_FIELDS)


def message(record: MessageRecord) -> dict[str, Any]:
    """Return the public form of ``record``, keyed by `MESSAGE_FIELDS`."""
    public = _plain(record, MESSAGE_FIELDS)
    public["args"] = json_value(record.args, record.args_exact)
    public["kwargs"] = json_value(record.kwargs, record.args_exact)
    public["eta"] = iso(record.eta)
    return public


def gap(record: Gap) -> dict[str, Any]:
    """Return the public form of ``record``, keyed by `GAP_FIELDS`."""
    public = _plain(record, GAP_FIELDS)
    public["started_at"] = iso(record.started_at)
    public["ended_at"] = iso(record.ended_at)
    return public


def audit(record: AuditRecord) -> dict[str, Any]:
    """Return the public form of ``record``, keyed by `AUDIT_FIELDS`."""
    public = _plain(record, AUDIT_FIELDS)
    public["at"] = iso(record.at)
    public["outcome_at"] = iso(record.outcome_at)
    return public


def log_line(line: LogLine) -> dict[str, Any]:
    """Return the public form of ``line``, keyed by `LOG_FIELDS`; the level by its word."""
    return {
        "at": iso(line.at),
        "level": level_word(line.level),
        "logger": line.logger,
        "text": line.text,
        "retries": line.retries,
    }


def kept_message(record: KeptMessage) -> dict[str, Any]:
    """Return the public form of ``record``, keyed by `KEPT_FIELDS`; the body as base64."""
    public = _plain(record, KEPT_FIELDS)
    public["kept_at"] = iso(record.kept_at)
    public["body"] = None if record.body is None else b64encode(record.body).decode("ascii")
    return public


def _plain(record: object, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: _listed(getattr(record, name)) for name in names}


def _listed(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    return value

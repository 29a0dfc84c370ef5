"""Tasks as lines of JSON; names and values are those of `umbel_backend.wire.task`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from umbel_backend import wire
from umbel_backend.export.instants import iso_maker
from umbel_backend.export.rows import Row, Rows, Run
from umbel_backend.records import Progress

encoder = msgspec.json.Encoder()
_checked = msgspec.json.Decoder(msgspec.Raw).decode
_progress = msgspec.json.Decoder(Progress).decode
_tags = msgspec.json.Decoder(dict[str, str]).decode

Line = msgspec.defstruct("Line", [(name, Any) for name in wire.TASK_FIELDS], gc=False)
"""The public form of a task."""


class WrittenRun(msgspec.Struct, gc=False, omit_defaults=True):
    """The public form of one run of a task; the retry policy only where there was one."""

    number: int
    started_at: str | None
    ended_at: str | None
    outcome: str
    exception: str | None
    worker: str | None
    policy: str | None = None
    delay_s: float | None = None


def lines_writer() -> Callable[[Rows], bytes]:
    """Return what writes each task as a line of JSON, with a line break at its end."""
    lines = lines_maker()
    return lambda rows: encoder.encode_lines(lines(rows))


def lines_maker() -> Callable[[Rows], list[Any]]:
    """Return what makes a `Line` of each task."""
    make = _line_maker()

    def lines(rows: Rows) -> list[Any]:
        runs, retries = rows.runs, rows.retries
        if not runs and not retries:
            return [make(row, (), ()) for row in rows.rows]
        return [make(row, runs.get(row[0], ()), retries.get(row[0], ())) for row in rows.rows]

    return lines


def _line_maker() -> Callable[[Row, Sequence[Run], Sequence[str]], Any]:
    iso = iso_maker()
    hosts: dict[str, str] = {}

    def host_of(worker: str) -> str:
        if len(hosts) > 10_000:
            hosts.clear()
        hosts[worker] = host = worker.partition("@")[2]
        return host

    def line(row: Row, runs: Sequence[Run], retried_as: Sequence[str]) -> Any:
        (
            _, id_, name, state, queue, priority, worker, args, kwargs, args_exact, args_complete,
            result, result_exact, exception, traceback, sent_at, received_at, started_at,
            finished_at, runtime_s, retries, root_id, parent_id, group_id, retry_of, eta, expires,
            pid, progress, paused_how, tags,
        ) = row  # fmt: skip
        started, finished = iso(started_at), iso(finished_at)
        written = [WrittenRun(run[0], iso(run[1]), iso(run[2]), *run[3:]) for run in runs]
        if started_at is not None:
            number = len(written) + 1
            written.append(WrittenRun(number, started, finished, state, exception, worker))
        return Line(
            id_,
            name,
            state,
            queue,
            priority,
            worker,
            exact_json(args) if args_exact else args,
            exact_json(kwargs) if args_exact else kwargs,
            args_complete == 1,
            exact_json(result) if result_exact else result,
            exception,
            traceback,
            iso(sent_at),
            iso(received_at),
            started,
            finished,
            runtime_s,
            _wait_s(received_at if runs or sent_at is None else sent_at, started_at, eta),
            retries,
            written,
            root_id,
            parent_id,
            group_id,
            retry_of,
            retried_as,
            _progress(progress) if progress else None,
            iso(eta),
            iso(expires),
            _tags(tags) if tags else {},
            paused_how,
            (hosts.get(worker) or host_of(worker)) if worker else None,
            pid,
        )

    return line


def _wait_s(came: float | None, started_at: float | None, eta: float | None) -> float | None:
    """Restate `TaskRecord.wait_s`."""
    if started_at is None or came is None:
        return None
    if eta is not None and eta > came:
        came = eta
    wait_s = started_at - came
    return wait_s if wait_s > 0.0 else 0.0


def exact_json(text: str | None) -> Any:
    """Return exact JSON text so that it is copied as it is; text that is not JSON stays a text."""
    if text is None:
        return None
    if "\n" in text or "\r" in text:
        # A line of ours holds no line break, so such a text is encoded anew.
        return wire.json_value(text, True)
    try:
        return _checked(text)
    except msgspec.DecodeError:
        return text

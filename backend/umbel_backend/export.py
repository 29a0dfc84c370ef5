"""Writes task records as CSV, JSON or JSON Lines, fast and in chunks.

Names and values are those of `umbel_backend.wire`; only how they are made differs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, get_args

import msgspec

from umbel_backend import wire
from umbel_backend.errors import InvalidValue
from umbel_backend.records import Progress, TaskRecord

Format = Literal["csv", "json", "jsonl"]
FORMATS: tuple[str, ...] = get_args(Format)

_encoder = msgspec.json.Encoder()
_checked = msgspec.json.Decoder(msgspec.Raw).decode
_SECONDS_KEPT = 20_000
_MILLISECONDS = tuple(f".{number:03d}Z" for number in range(1000))


def encode_tasks(chunks: Iterable[Sequence[TaskRecord]], format: str) -> Iterator[bytes]:
    """Encode chunk after chunk, with what the format wants before, between and after them.

    Raises:
        InvalidValue: There is no such format.
    """
    if format not in FORMATS:
        raise InvalidValue(f"There is no format {format!r}; use {', '.join(FORMATS)}.")
    return {"csv": _csv, "json": _json, "jsonl": _jsonl}[format](chunks)


def _jsonl(chunks: Iterable[Sequence[TaskRecord]]) -> Iterator[bytes]:
    line = _line_maker()
    for records in chunks:
        yield _encoder.encode_lines([line(record) for record in records])


def _json(chunks: Iterable[Sequence[TaskRecord]]) -> Iterator[bytes]:
    line = _line_maker()
    before = b"[\n"
    for records in chunks:
        if records:
            lines = _encoder.encode_lines([line(record) for record in records])
            # Nothing inside a line holds a line break: JSON texts with one are encoded anew.
            yield before + lines.rstrip(b"\n").replace(b"\n", b",\n")
            before = b",\n"
    yield b"\n]\n" if before == b",\n" else b"[]\n"


def _csv(chunks: Iterable[Sequence[TaskRecord]]) -> Iterator[bytes]:
    row = _row_maker()
    yield (",".join(wire.TASK_FIELDS) + "\r\n").encode()
    for records in chunks:
        yield "".join([row(record) for record in records]).encode()


class _Run(msgspec.Struct, gc=False):
    number: int
    started_at: str | None
    ended_at: str | None
    outcome: str
    exception: str | None
    worker: str | None


_Line = msgspec.defstruct("_Line", [(name, Any) for name in wire.TASK_FIELDS], gc=False)


def _line_maker() -> Callable[[TaskRecord], Any]:
    iso = _iso_maker()

    def line(record: TaskRecord) -> Any:
        exact = record.args_exact
        finished_at = iso(record.finished_at)
        started_at = iso(record.started_at)
        return _Line(
            record.id,
            record.name,
            record.state,
            record.queue,
            record.priority,
            record.worker,
            _value(record.args) if exact else record.args,
            _value(record.kwargs) if exact else record.kwargs,
            record.args_complete,
            _value(record.result) if record.result_exact else record.result,
            record.exception,
            record.traceback,
            iso(record.sent_at),
            iso(record.received_at),
            started_at,
            finished_at,
            record.runtime_s,
            record.wait_s,
            record.retries,
            _runs(record, started_at, finished_at, iso),
            record.root_id,
            record.parent_id,
            record.group_id,
            record.retry_of,
            record.retried_as,
            record.progress,
            iso(record.eta),
            iso(record.expires),
            record.tags,
            record.paused_how,
            record.hostname,
            record.pid,
        )

    return line


def _runs(
    record: TaskRecord,
    started_at: str | None,
    ended_at: str | None,
    iso: Callable[[float | None], str | None],
) -> list[_Run]:
    runs = [
        _Run(
            one.number,
            iso(one.started_at),
            iso(one.ended_at),
            one.outcome,
            one.exception,
            one.worker,
        )
        for one in record.attempts
    ]
    if started_at is not None:
        runs.append(
            _Run(
                len(runs) + 1,
                started_at,
                ended_at,
                record.state,
                record.exception,
                record.worker,
            )
        )
    return runs


def _value(text: str | None) -> Any:
    """Return exact JSON text so that it is copied as it is; text that is not JSON stays a text."""
    if text is None:
        return None
    if "\n" in text or "\r" in text:
        return wire.json_value(text, True)
    try:
        return _checked(text)
    except msgspec.DecodeError:
        return text


def _iso_maker() -> Callable[[float | None], str | None]:
    """Return a `wire.iso` that remembers how the seconds it met are written."""
    seconds: dict[int, str] = {}

    def remember(instant: float, second: int) -> str | None:
        if second > 0:
            if len(seconds) >= _SECONDS_KEPT:
                seconds.clear()
            seconds[second] = str(wire.iso(second))[:-5]
        return wire.iso(instant)

    def iso(instant: float | None) -> str | None:
        if instant is None:
            return None
        second = int(instant)
        try:
            # `wire.iso` rounds to microseconds and then cuts to milliseconds.
            return seconds[second] + _MILLISECONDS[int((instant - second) * 1000 + 0.0005)]
        except (KeyError, IndexError):
            return remember(instant, second)

    return iso


def _row_maker() -> Callable[[TaskRecord], str]:
    line = _line_maker()
    as_tuple = msgspec.structs.astuple

    text = _text_cell

    def row(record: TaskRecord) -> str:
        cells = [
            ""
            if value is None
            else text(value)
            if type(value) is str
            else _CELLS[type(value)](value)
            for value in as_tuple(line(record))
        ]
        return ",".join(cells) + "\r\n"

    return row


# A spreadsheet runs a cell that begins so; white space before it does not stop it.
_RISKY = frozenset("=+-@＝＋－＠ \t\r\n\v\f\u00a0\u3000")
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?\Z")


def _text_cell(text: str) -> str:
    if text[:1] in _RISKY and _FORMULA.match(text) and not _NUMBER.match(text):
        text = f"'{text}"
    if '"' in text:
        return '"' + text.replace('"', '""') + '"'
    if "," in text or "\n" in text or "\r" in text:
        return f'"{text}"'
    return text


def _exact_cell(raw: msgspec.Raw) -> str:
    """Write exact JSON of a list or an object as it is, anything else as its plain value."""
    text = bytes(raw).decode()
    if text[:1] in ("[", "{"):
        return _text_cell(text)
    value = msgspec.json.decode(text)
    return _CELLS[type(value)](value) if value is not None else ""


def _json_cell(value: Any) -> str:
    return _text_cell(_encoder.encode(value).decode())


_CELLS: dict[type, Callable[[Any], str]] = {
    str: _text_cell,
    bool: lambda value: "true" if value else "false",
    int: str,
    float: repr,
    msgspec.Raw: _exact_cell,
    tuple: _json_cell,
    list: _json_cell,
    dict: _json_cell,
    Progress: _json_cell,
}

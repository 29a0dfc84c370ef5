"""Tasks as rows of CSV, which no spreadsheet takes for formulas; nested values are JSON."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from umbel_backend import wire
from umbel_backend.export.lines import encoder, lines_maker
from umbel_backend.export.rows import Rows
from umbel_backend.records import Progress

HEADER = (",".join(wire.TASK_FIELDS) + "\r\n").encode()

# A spreadsheet runs a cell that begins so; white space before it does not stop it.
_RISKY = frozenset("=+-@＝＋－＠ \t\r\n\v\f\u00a0\u3000")
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?\Z")


def cells_writer() -> Callable[[Rows], bytes]:
    """Return what writes each task as a row of CSV."""
    lines, row = lines_maker(), row_maker()
    return lambda rows: "".join([row(line) for line in lines(rows)]).encode()


def row_maker() -> Callable[[Any], str]:
    """Return what writes a `Line` as a row, line end included."""
    as_tuple, text, plain, seen = msgspec.structs.astuple, text_cell, _plain, _Seen()

    def row(line: Any) -> str:
        (
            id_, name, state, queue, priority, worker, args, kwargs, args_complete, result,
            exception, traceback, sent_at, received_at, started_at, finished_at, runtime_s, wait_s,
            retries, attempts, root_id, parent_id, group_id, retry_of, retried_as, progress, eta,
            expires, tags, paused_how, hostname, pid,
        ) = as_tuple(line)  # fmt: skip
        own_id = text(id_)
        return (
            f"{own_id},{seen[name]},{seen[state]},{seen[queue]},{plain(priority)},{seen[worker]},"
            f"{_value(args)},{_value(kwargs)},{'true' if args_complete else 'false'},"
            f"{_value(result)},{text(exception)},{text(traceback)},"
            # Instants and numbers are ours: nothing in them is to be quoted.
            f"{plain(sent_at)},{plain(received_at)},{plain(started_at)},{plain(finished_at)},"
            f"{plain(runtime_s)},{plain(wait_s)},{retries},{nested(attempts)},"
            f"{own_id if root_id == id_ else text(root_id)},{text(parent_id)},{text(group_id)},"
            f"{text(retry_of)},{nested(retried_as)},{'' if progress is None else nested(progress)},"
            f"{plain(eta)},{plain(expires)},{nested(tags)},{text(paused_how)},{seen[hostname]},"
            f"{plain(pid)}\r\n"
        )

    return row


class _Seen(dict[str | None, str]):
    """The cells of texts that come again and again."""

    def __missing__(self, text: str | None) -> str:
        if len(self) >= 10_000:
            self.clear()
        self[text] = cell = text_cell(text)
        return cell


def _plain(value: str | float | None) -> str | float:
    return "" if value is None else value


def text_cell(text: str | None) -> str:
    """Write a text as a cell that no spreadsheet runs; None is empty."""
    if text is None:
        return ""
    if text[:1] in _RISKY and _FORMULA.match(text) and not _NUMBER.match(text):
        text = f"'{text}"
    if '"' in text:
        return '"' + text.replace('"', '""') + '"'
    if "," in text or "\n" in text or "\r" in text:
        return f'"{text}"'
    return text


def _value(value: Any) -> str:
    """Write a text or the value of exact JSON."""
    if value is None:
        return ""
    if type(value) is str:
        return text_cell(value)
    return _exact(value) if type(value) is msgspec.Raw else _decoded(value)


def _exact(raw: msgspec.Raw) -> str:
    """Write exact JSON of a list or an object as it is, anything else as its plain value."""
    text = bytes(raw).decode()
    if text[:1] in ("[", "{"):
        return text_cell(text)
    value = msgspec.json.decode(text)
    return "" if value is None else _decoded(value)


def _decoded(value: Any) -> str:
    if type(value) is str:
        return text_cell(value)
    if type(value) is bool:
        return "true" if value else "false"
    return repr(value) if isinstance(value, int | float) else nested(value)


def nested(value: list[Any] | tuple[Any, ...] | dict[str, Any] | Progress) -> str:
    """Write a value as a cell of JSON."""
    return text_cell(encoder.encode(value).decode())

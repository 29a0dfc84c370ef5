"""Writes entries of the audit as CSV, JSON or JSON Lines, in the blocks that `export.framed` joins."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from umbel_backend import wire
from umbel_backend.export.cells import nested, text_cell
from umbel_backend.records import AuditRecord

AUDIT_HEADER = (",".join(wire.AUDIT_FIELDS) + "\r\n").encode()

_encoder = msgspec.json.Encoder()


def audit_block(records: Iterable[AuditRecord], format: str) -> bytes:
    """Return ``records`` as lines of JSON, or, where ``format`` is ``csv``, as rows of it."""
    public = [wire.audit(record) for record in records]
    if format != "csv":
        return _encoder.encode_lines(public)
    rows = [",".join(_cell(value) for value in each.values()) for each in public]
    return "".join(f"{row}\r\n" for row in rows).encode()


def _cell(value: object) -> str:
    if value is None or isinstance(value, str):
        return text_cell(value)
    return nested(value) if isinstance(value, dict) else str(value)

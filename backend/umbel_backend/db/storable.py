"""Makes a record that a database refused acceptable, so that one of them never stops the rest.

Events are cleaned at the door; this is for what came another way.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from umbel_backend import states
from umbel_backend.records import TaskRecord

_LARGEST = 2**31 - 1


def storable(record: TaskRecord) -> TaskRecord:
    """Return a copy of ``record`` that any database takes; what cannot be kept is left out."""
    values = {name: _value(getattr(record, name)) for name in record.__struct_fields__}
    changed = {name: value for name, value in values.items() if value is not getattr(record, name)}
    for name in ("args_exact", "args_complete", "result_exact", "retries", "state_at"):
        if name in changed and changed[name] is None:
            changed[name] = 0
    state, state_at = changed.get("state", record.state), changed.get("state_at", record.state_at)
    finished_at = changed.get("finished_at", record.finished_at)
    if states.is_ready(state) != (finished_at is not None):
        changed["finished_at"] = state_at if states.is_ready(state) else None
    return msgspec.structs.replace(record, **changed)


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _LARGEST else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {_text(str(key)): _text(str(entry)) for key, entry in value.items()}
    if isinstance(value, tuple):
        return tuple(_value(entry) for entry in value)
    if isinstance(value, msgspec.Struct):
        changed = {name: _value(getattr(value, name)) for name in value.__struct_fields__}
        return msgspec.structs.replace(value, **changed)
    return value


def _text(value: str) -> str:
    """Write what UTF-8 or PostgreSQL cannot hold as an escape."""
    return value.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")

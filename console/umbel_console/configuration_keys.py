"""The keys a configuration file may hold, their types, and how a mistake in them is told."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from umbel_backend.errors import InvalidValue
from umbel_backend.settings import COLOURS

Kind = type | tuple[type, ...]
"""``tuple`` stands for a list of text, ``dict`` for a table."""

CONTEXT_KEYS: Mapping[str, Kind] = {
    "broker": str,
    "app": str,
    "result_backend": str,
    "db": str,
    "colour": str,
    "protected": bool,
    "read_only": bool,
    "enable_events": bool,
    "transport_options": dict,
    "broker_use_ssl": (bool, dict),
    "event_exchange": str,
    "event_queue_prefix": str,
    "control_exchange": str,
    "queues": tuple,
    "stream": str,
}
"""Keys of ``[defaults]`` and of each ``[contexts.NAME]``: fields of `Context`."""

SETTINGS_KEYS: Mapping[str, Kind] = {
    "tags": tuple,
    "redact": tuple,
    "args_bytes": int,
    "traceback_bytes": int,
    "log_days": int,
    "log_bytes": int,
    "message_days": int,
    "theme": str,
    "unicode": bool,
    "refresh_hz": (int, float),
    "history_rows": int,
    "key_map": dict,
}
"""Keys at the top of the file: fields of `Settings`."""

_TOP_ONLY = ("context", "contexts", "defaults")

_LEAST = {
    "args_bytes": 64,
    "traceback_bytes": 256,
    "log_days": 0,
    "log_bytes": 0,
    "message_days": 0,
    "refresh_hz": 0.1,
    "history_rows": 0,
}
_MOST = {
    "args_bytes": 1_048_576,
    "traceback_bytes": 1_048_576,
    "log_days": 36_500,
    "message_days": 36_500,
    "refresh_hz": 30,
    "history_rows": 1_000,
}


def checked_table(
    where: str, table: Mapping[str, Any], kinds: Mapping[str, Kind], path: Path
) -> dict[str, Any]:
    """Return ``table`` with its values as `Context` or `Settings` want them.

    Args:
        where: The table's name, ``contexts.prod``; empty at the top of the file.
        table: As read.
        kinds: The allowed keys and their types.
        path: The file, for the sentence.

    Raises:
        InvalidValue: A key is unknown, a value has the wrong type or is out of bounds.
    """
    values = {}
    for key, value in table.items():
        full = f"{where}.{key}" if where else key
        if key not in kinds:
            raise InvalidValue(_unknown(full, key, where, kinds, path))
        value = checked(full, value, kinds[key], path)
        if key == "key_map":
            value = {
                action: checked(f"{full}.{action}", keys, str, path)
                for action, keys in value.items()
            }
        _check_bounds(full, key, value, path)
        if key == "colour" and value not in COLOURS:
            raise InvalidValue(f"{path}: {full} is {value!r}; allowed are {', '.join(COLOURS)}.")
        values[key] = value
    return values


def _unknown(full: str, key: str, where: str, kinds: Mapping[str, Kind], path: Path) -> str:
    allowed = sorted([*kinds, *(_TOP_ONLY if not where else ())])
    near = difflib.get_close_matches(key, allowed, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    place = f"[{where}]" if where else "the top level"
    return f"{path}: unknown key {full!r}{hint}; allowed in {place} are {', '.join(allowed)}."


def checked(name: str, value: Any, kind: Kind, path: Path) -> Any:
    """Return ``value`` if it is of ``kind``; lists of text come back as tuples.

    Raises:
        InvalidValue: It is not.
    """
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if tuple in kinds and isinstance(value, list) and all(isinstance(x, str) for x in value):
        return tuple(value)
    # TOML's true is a Python int, which is never what a number key means.
    fits = isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds)
    if fits and not isinstance(value, tuple):
        return value
    wanted = " or ".join(_KIND_WORDS[k] for k in kinds if not (k is int and float in kinds))
    raise InvalidValue(f"{path}: {name} must be {wanted}, but it is {_word_for(value)}.")


_KIND_WORDS = {
    str: "text in quotes",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    tuple: "a list of texts",
    dict: "a table",
}


def _word_for(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return "text"
    if isinstance(value, list):
        return "a list" if all(isinstance(x, str) for x in value) else "a list of other things"
    return "a table" if isinstance(value, dict) else "a date or time"


def _check_bounds(full: str, key: str, value: Any, path: Path) -> None:
    least, most = _LEAST.get(key), _MOST.get(key)
    if least is not None and value < least:
        raise InvalidValue(f"{path}: {full} is {value}, but the least allowed is {least}.")
    if most is not None and value > most:
        raise InvalidValue(f"{path}: {full} is {value}, but the most allowed is {most}.")


_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")


def boolean_text(variable: str, text: str) -> bool:
    """Return what an environment variable says.

    Raises:
        InvalidValue: It says neither yes nor no.
    """
    if text.strip().lower() in _TRUE:
        return True
    if text.strip().lower() in _FALSE:
        return False
    raise InvalidValue(
        f"The variable {variable} is {text!r}, but it must be one of"
        f" {', '.join((*_TRUE, *_FALSE))}."
    )

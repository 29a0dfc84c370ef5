"""What leaves the command line: JSON and sentences, safe for any terminal and any encoding."""

from __future__ import annotations

import codecs
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, TextIO

import click

# What JSON leaves as it is although a terminal could obey it or be misled by it: DEL and C1, line
# and paragraph separators, marks that reorder what is read, lone surrogates.
_JSON_UNSAFE = re.compile(
    "[\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def plain(text: str) -> str:
    """Return ``text`` as one line that is safe for the terminal; see `render.text.clean_cell`."""
    # Colours and cell widths are of no use to commands that print JSON or one sentence.
    from umbel_console.render.text import clean_cell

    return clean_cell(text, unicode=is_utf8(sys.stdout))


def plain_lines(text: str) -> str:
    """Return ``text`` as `plain` does, but keep its lines; for tracebacks."""
    from umbel_console.render.text import clean_block

    return clean_block(text, unicode=is_utf8(sys.stdout))


def json_text(value: Any, *, indent: int | None = None) -> str:
    """Return ``value`` as JSON that a terminal may see raw and that stdout's encoding can carry."""
    ascii_only = not is_utf8(sys.stdout)
    try:
        text = json.dumps(value, ensure_ascii=ascii_only, allow_nan=False, indent=indent)
    except ValueError:
        # Some task's number has no JSON form.
        text = json.dumps(_finite(value), ensure_ascii=ascii_only, indent=indent)
    # Inside JSON such characters occur in strings only, where \u is always allowed.
    return _JSON_UNSAFE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, Mapping):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value


def print_json_array(values: Iterable[Mapping[str, Any]]) -> None:
    """Print one JSON array, an element a line, as the elements come."""
    write = sys.stdout.write
    opening = "[\n"
    for value in values:
        write(opening + json_text(value))
        opening = ",\n"
    write("[]\n" if opening == "[\n" else "\n]\n")


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object."""
    sys.stdout.write(json_text(value, indent=2) + "\n")


def print_line(text: str = "") -> None:
    """Print ``text``, already safe, on stdout."""
    sys.stdout.write(text + "\n")


def print_note(sentence: str) -> None:
    """Tell the operator something on stderr that is no error."""
    sys.stdout.flush()
    print(plain(sentence), file=sys.stderr)


def print_error(sentence: str) -> None:
    """Tell the operator on stderr why the command failed."""
    sys.stdout.flush()
    print(f"umbel: {plain_lines(sentence)}", file=sys.stderr)


def is_utf8(stream: TextIO) -> bool:
    """Whether ``stream`` can carry every character."""
    try:
        return codecs.lookup(stream.encoding or "ascii").name == "utf-8"
    except LookupError:
        return False


@cache
def colour() -> bool:
    """Whether stdout is a terminal that wants colours (https://no-color.org)."""
    return (
        sys.stdout.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM", "") not in ("", "dumb")
    )


def styled(text: str, **style: Any) -> str:
    """Return ``text`` with colour where stdout takes it; ``style`` as in ``click.style``."""
    return click.style(text, **style) if style and colour() else text

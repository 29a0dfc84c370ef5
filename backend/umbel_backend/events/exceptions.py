"""From the repr of an exception and its traceback to ``Class: message``, as Python prints it."""

from __future__ import annotations

import re

_REPR = re.compile(r"^([A-Za-z_][\w.]*)\((.*)\)$", re.DOTALL)
_LAST_LINE = re.compile(r"^([A-Za-z_][\w.]*)(?:: (.*))?$", re.DOTALL)
_WRAPPER = "ExceptionWithTraceback"
"""What Celery's event names instead of the class after a hard time limit or a lost worker."""

_BETWEEN = re.compile(
    r"\n\n(?:During handling of the above exception, another exception occurred"
    r"|The above exception was the direct cause of the following exception):\n\n"
)
"""What Python prints between an exception and the one it led to, such as Celery's own ``Retry``."""

_QUOTED = re.compile(r"""^(['"])(.*)\1,?$""", re.DOTALL)


def describe(text: str | None, traceback: str | None) -> str | None:
    """Return ``Class: message`` without the class's module.

    Args:
        text: The event's ``exception``, a repr such as ``ValueError('bad row')``.
        traceback: The event's ``traceback``; its last paragraph is what Python printed.
    """
    described = _from_repr(text) if text else None
    if described == _WRAPPER:
        described = None
    if traceback:
        for block in reversed(_BETWEEN.split(traceback)):
            printed = _from_traceback(block, described)
            if printed is not None:
                return printed
    return described


def _from_repr(text: str) -> str:
    match = _REPR.match(text)
    if match is None:
        return text
    name, arguments = match[1].rpartition(".")[2], match[2]
    quoted = _QUOTED.match(arguments)
    if quoted is not None:
        arguments = quoted[2].replace("\\n", "\n").replace("\\'", "'").replace('\\"', '"')
    arguments = arguments.removesuffix(",")
    return f"{name}: {arguments}" if arguments else name


def _from_traceback(traceback: str, described: str | None) -> str | None:
    """Find the last unindented line that names an exception, with the lines that follow it."""
    lines = traceback.rstrip().split("\n")
    for start in range(len(lines) - 1, max(-1, len(lines) - 40), -1):
        if lines[start][:1] in (" ", "\t", "") or lines[start].startswith("Traceback"):
            continue
        match = _LAST_LINE.match("\n".join(lines[start:]))
        if match is None:
            continue
        name = match[1].rpartition(".")[2]
        if described is not None and not described.startswith(name):
            continue
        message = match[2] or ""
        if message.startswith(f"{name}("):
            # Celery's time limits print their own repr as their message.
            return _from_repr(message)
        return f"{name}: {message}" if message else name
    return None

"""The separator in names that kombu's Redis transport makes, learnt from what the workers wrote.

A project may choose another with the transport option ``sep``, of which a broker URL says nothing. It
stands in every binding and between a queue's name and its priority step. Who writes a binding with
another one makes every process that reads the same table fail.
"""

from __future__ import annotations

from collections.abc import Iterable

DEFAULT_SEP = "\x06\x16"


def separator_in(members: Iterable[bytes]) -> str | None:
    """Return what separates the parts of ``members``; None if there is none to tell by.

    Args:
        members: Of the binding table of the control exchange. Each worker has one of an empty routing
            key, an empty pattern and a queue, which thus begins with the separator twice. Where they
            differ, as after a change of the option, the usual one is taken if anybody has it.
    """
    found = {_doubled(member.decode(errors="replace")) for member in members} - {""}
    return DEFAULT_SEP if DEFAULT_SEP in found else min(found, default=None)


def _doubled(text: str) -> str:
    """Return the longest beginning of ``text`` that comes twice, with something behind it."""
    for length in range((len(text) - 1) // 2, 0, -1):
        if text[:length] == text[length : 2 * length]:
            return text[:length]
    return ""

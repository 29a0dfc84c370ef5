"""The audit's hash chain: how one entry is hashed onto the one before, and whether all still fit.

The chain shows that something was changed by somebody who could not, or did not, make the whole chain
anew. Whoever may write the database and knows how can do that; against them only a copy of the last
hash, kept elsewhere, helps (decision 0013).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from umbel_backend.db.statements.audit import Entry

START = ""
"""What stands for the hash before the first entry."""


def link(before: str, id_: int, row: int, values: Sequence[Any]) -> str:
    """Return the hash of an entry.

    Args:
        before: The hash of the entry before it.
        id_: Its place in the chain.
        row: The id of the row it belongs to.
        values: What it says; texts, numbers and None.
    """
    text = json.dumps([id_, row, *values], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(f"{before}\n{text}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look at the whole chain found."""

    entries: int
    """How many fit, from the first."""
    hash: str
    """The hash of the last one that fits; to be kept elsewhere and compared."""
    fault: str | None
    """What does not fit, one sentence; None if the chain is whole."""


def verdict(entries: Iterable[Entry], head: tuple[int, str]) -> Verdict:
    """Check ``entries``, in the order of the chain, against each other and against its end.

    Args:
        entries: All of them.
        head: The id and the hash that the database holds for the last.
    """
    last, count = START, 0
    for entry in entries:
        if entry.id != count + 1:
            return Verdict(count, last, f"Entry {count + 1} is missing.")
        if link(last, entry.id, entry.row, entry.values) != entry.hash:
            what = "opening" if entry.is_opening else "outcome"
            return Verdict(
                count, last, f"Entry {entry.id}, the {what} of row {entry.row}, was changed."
            )
        last, count = entry.hash, count + 1
    if head != (count, last):
        missing = head[0] - count
        fault = (
            f"The last {missing} entries are missing: the chain ended with entry {head[0]}."
            if missing > 0
            else "The end of the chain was changed."
        )
        return Verdict(count, last, fault)
    return Verdict(count, last, None)

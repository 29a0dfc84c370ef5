"""What came of an act on a type of tasks: what workers replied, and the sentences that tell it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from umbel_backend.acts.agents import NEEDS_AGENT

FOLLOWED_WITHIN_S = 10
"""How long it takes at most until a worker follows that was not told."""
_MOST_NAMED = 5


@dataclass(slots=True)
class Told:
    """What the workers that were told replied."""

    counts: Counter[str] = field(default_factory=Counter)
    """``held``, ``run`` and ``given`` of all of them."""
    without: list[str] = field(default_factory=list)
    """Who has no agent that follows."""
    mute: list[str] = field(default_factory=list)
    """Whose agent did not answer."""
    silent: int = 0
    """How many workers answered nothing at all."""


def counts_in(reply: Any) -> Mapping[str, int] | None:
    """Return how many an agent says it held, runs, or has given to its pool; None if it says nothing."""
    told = reply.get("ok") if isinstance(reply, dict) else None
    if not isinstance(told, dict):
        return None
    return {name: told[name] for name in ("held", "run", "given") if type(told.get(name)) is int}


def held_words(count: int) -> str:
    """Say how many were put aside."""
    if not count:
        return "None waited; those that come are put aside by the workers that take them."
    return f"Put aside: {count:,}. Those that come are put aside by the workers that take them."


def back_words(queues: Counter[str]) -> str:
    """Say how many came back, given as a count for each queue."""
    if not queues:
        return "None was put aside; workers begin them again."
    where = ", ".join(f"{queue} {number:,}" for queue, number in queues.most_common(_MOST_NAMED))
    return f"Back at the heads of their queues, in the order they had: {sum(queues.values()):,} ({where})."


def exceptions(told: Told) -> list[str]:
    """Return who may begin such tasks all the same, in sentences."""
    words = []
    if told.without:
        who = listed(told.without)
        words.append(f"Begun all the same by {who} ({NEEDS_AGENT.format(worker=who)}).")
    if told.mute:
        words.append(
            f"{listed(told.mute)} did not answer, and follows within {FOLLOWED_WITHIN_S} s."
        )
    if told.silent:
        words.append(f"{told.silent:,} more did not answer, whose agents follow when they can.")
    if told.counts["given"]:
        words.append(
            f"Given to a pool that gives nothing back, and begun: {told.counts['given']:,}."
        )
    return words


def listed(names: Sequence[str]) -> str:
    """Name the first of ``names``, and how many more there are."""
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} others" if more > 0 else "")

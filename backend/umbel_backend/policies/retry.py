"""Retry policies: which failures are retried without an operator, how often and after how long. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from umbel_agent import policies as followed
from umbel_backend.errors import InvalidValue

MOST_RETRIES = 1_000
LONGEST_DELAY_S = 86_400.0
MOST_MULTIPLIER = 100.0
_MOST_CLASSES = 100
_LONGEST_NAME = 255
_CLASS = re.compile(r"[\w.*]+")
_SHOWN_DELAYS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy(followed.RetryPolicy):
    """A retry policy as it is stored, or about to be."""

    changed_at: float | None = None
    """Unix seconds; None for one that is not stored."""
    changed_by: str = ""


def checked(policy: RetryPolicy) -> RetryPolicy:
    """Return ``policy`` if it can be followed.

    Raises:
        InvalidValue: It cannot; the sentence names the field.
    """
    pattern = policy.pattern
    if not 0 < len(pattern) <= _LONGEST_NAME or not pattern.isprintable() or " " in pattern:
        raise InvalidValue(
            "The pattern is a task name of 1 to 255 characters without spaces, in which * stands for"
            " anything."
        )
    for field, names in (("exceptions", policy.exceptions), ("never", policy.never)):
        if len(names) > _MOST_CLASSES:
            raise InvalidValue(f"{field} names {len(names)} classes; {_MOST_CLASSES} is the most.")
        for name in names:
            if len(name) > _LONGEST_NAME or not _CLASS.fullmatch(name):
                raise InvalidValue(
                    f"{field} has {name!r}; write the name of an exception class, like"
                    " ConnectionError or requests.exceptions.Timeout."
                )
    _within("max_retries", policy.max_retries, 1, MOST_RETRIES)
    _within("base_delay_s", policy.base_delay_s, 0, LONGEST_DELAY_S)
    _within("multiplier", policy.multiplier, 1, MOST_MULTIPLIER)
    _within("max_delay_s", policy.max_delay_s, 0, LONGEST_DELAY_S)
    _within("jitter", policy.jitter, 0, 1)
    if policy.max_delay_s < policy.base_delay_s:
        raise InvalidValue(
            f"max_delay_s is {policy.max_delay_s:g}, which is less than base_delay_s"
            f" ({policy.base_delay_s:g})."
        )
    return policy


def _within(field: str, value: float, least: float, most: float) -> None:
    if not math.isfinite(value) or not least <= value <= most:
        raise InvalidValue(f"{field} is {value:g}; it has to be {least:g} to {most:g}.")


def in_order(policies: Iterable[RetryPolicy]) -> list[RetryPolicy]:
    """Return ``policies`` in the order in which workers ask them, the most specific first."""
    return followed.specific_first(policies)


def covers(policy: RetryPolicy, name: str) -> bool:
    """Whether the pattern fits the name of a task."""
    return followed.fits(policy.pattern, name)


def deciding(
    policies: Sequence[RetryPolicy], name: str, classes: Collection[str]
) -> RetryPolicy | None:
    """Return the policy that retries a task; None if none does.

    Args:
        policies: In any order.
        name: The task's.
        classes: Names of the exception's class and its bases, as far as known.
    """
    return followed.deciding(in_order(policies), name, classes)


def delays(policy: RetryPolicy) -> list[tuple[float, float]]:
    """Return for each retry the shortest and the longest delay before it, in seconds."""
    spread = []
    for made in range(policy.max_retries):
        shortest = followed.delay_s(policy, made, lambda low, _high: low)
        longest = followed.delay_s(policy, made, lambda _low, high: high)
        spread.append((shortest, longest))
    return spread


def in_words(policy: RetryPolicy) -> str:
    """Return what the policy does, ``up to 3 retries of ConnectionError after 2 s, 4 s, 8 s (± 10 %)``."""
    times = "1 retry" if policy.max_retries == 1 else f"{policy.max_retries:,} retries"
    what = ", ".join(policy.exceptions) or "any exception"
    never = f" but {', '.join(policy.never)}" if policy.never else ""
    first = [followed.plain_delay_s(policy, made) for made in range(policy.max_retries)]
    if len(first) > _SHOWN_DELAYS + 1:
        waits = ", ".join(_seconds(s) for s in first[:_SHOWN_DELAYS]) + f" … {_seconds(first[-1])}"
    else:
        waits = ", ".join(_seconds(s) for s in first)
    spread = f" (± {policy.jitter * 100:g} %)" if policy.jitter else ""
    return f"up to {times} of {what}{never} after {waits}{spread}"


def _seconds(seconds: float) -> str:
    if seconds >= 3600 and seconds % 3600 == 0:
        return f"{seconds / 3600:g} h"
    if seconds >= 60 and seconds % 60 == 0:
        return f"{seconds / 60:g} min"
    return f"{seconds:.3g} s"

"""Retry policies as workers follow them: how they are published, which one counts, how long it waits.

Pure, and importable without Celery: Umbel's backend uses the same rules to say what a policy would do.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, TypeVar

MADE_HEADER = "umbel_policy_retries"
"""The header that counts the retries which policies have made of a task."""

_SAID = re.compile(r"in ([0-9.]+) s by Umbel's policy '(.{1,300}?)' \(retry \d+ of \d+\)(?::|$)")
_LAST_WORDS = 20_000
"""As much of a traceback's end as is looked through."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """What happens when a task fails whose name fits."""

    pattern: str
    """Names of tasks; ``*`` stands for anything. It is the policy's identity."""
    exceptions: tuple[str, ...] = ()
    """Names of exception classes, ``ConnectionError`` or ``requests.exceptions.Timeout``; a base class
    counts for all below it, ``*`` stands for anything, and none is any exception."""
    never: tuple[str, ...] = ()
    """The same, of exceptions that are not retried; counts before ``exceptions``."""
    max_retries: int = 3
    """How often policies retry one task, beside what it retries itself."""
    base_delay_s: float = 2.0
    """Before the first retry."""
    multiplier: float = 2.0
    """By which each further delay is longer."""
    max_delay_s: float = 600.0
    jitter: float = 0.1
    """Part of the delay by which it varies either way, 0 to 1."""


R = TypeVar("R", bound=RetryPolicy)


@dataclass(frozen=True, slots=True)
class Published:
    """What stands in Redis."""

    version: int = 0
    """Grows with every change of one database."""
    installation: str = ""
    """Which database it is of."""
    retry: tuple[RetryPolicy, ...] = ()
    """The most specific first."""


def read(text: str | bytes | None) -> Published:
    """Return what was published; nothing, where it is absent or cannot be read."""
    try:
        told = json.loads(text) if text else {}
        listed = told.get("retry")
        found = [_policy(each) for each in listed] if isinstance(listed, list) else []
        return Published(
            int(told.get("version") or 0),
            str(told.get("installation") or ""),
            tuple(specific_first(each for each in found if each is not None)),
        )
    except (ValueError, TypeError, AttributeError, RecursionError):
        return Published()


def written(version: int, installation: str, rules: Iterable[RetryPolicy]) -> str:
    """Return the text that `read` reads."""
    names = [field.name for field in fields(RetryPolicy)]
    retry = [{name: getattr(rule, name) for name in names} for rule in specific_first(rules)]
    return json.dumps({"version": version, "installation": installation, "retry": retry})


def _policy(told: Any) -> RetryPolicy | None:
    """Return a published policy; None if it is none, which must not spoil the others."""
    try:
        policy = RetryPolicy(
            pattern=str(told["pattern"]),
            exceptions=tuple(map(str, told.get("exceptions") or ())),
            never=tuple(map(str, told.get("never") or ())),
            max_retries=int(told["max_retries"]),
            base_delay_s=float(told["base_delay_s"]),
            multiplier=float(told["multiplier"]),
            max_delay_s=float(told["max_delay_s"]),
            jitter=float(told["jitter"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return policy if policy.max_retries >= 0 and policy.base_delay_s >= 0 else None


def specific_first(rules: Iterable[R]) -> list[R]:
    """Return ``rules`` in the order in which they are asked.

    A name without ``*`` before a pattern, and a longer pattern before a shorter one.
    """
    return sorted(rules, key=_rank)


def _rank(rule: RetryPolicy) -> tuple[bool, int, str]:
    literal = len(rule.pattern.replace("*", ""))
    return "*" in rule.pattern, -literal, rule.pattern


def fits(pattern: str, text: str) -> bool:
    """Whether all of ``text`` fits ``pattern``, in which ``*`` stands for anything."""
    return _compiled(pattern).fullmatch(text) is not None


@lru_cache(maxsize=2_000)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)


def classes_of(error: BaseException) -> frozenset[str]:
    """Return the names of an exception's class and its bases, with and without their modules."""
    names: set[str] = set()
    for each in type(error).__mro__[:-1]:
        names |= {each.__name__, f"{each.__module__}.{each.__qualname__}"}
    return frozenset(names)


def deciding(rules: Sequence[R], name: str, classes: Collection[str]) -> R | None:
    """Return the policy by which a task is retried; None if by none.

    Args:
        rules: The most specific first. The first that says something about the exception decides; one
            that never retries it ends the search.
        name: The task's.
        classes: Names of the exception's class and its bases.
    """
    for rule in rules:
        if not fits(rule.pattern, name):
            continue
        if _names_one(rule.never, classes):
            return None
        if not rule.exceptions or _names_one(rule.exceptions, classes):
            return rule
    return None


def _names_one(patterns: Iterable[str], classes: Collection[str]) -> bool:
    return any(
        pattern in classes or ("*" in pattern and any(fits(pattern, each) for each in classes))
        for pattern in patterns
    )


def delay_s(
    rule: RetryPolicy, made: int, uniform: Callable[[float, float], float] = random.uniform
) -> float:
    """Return how long the next retry waits, after ``made`` of them."""
    return min(
        rule.max_delay_s, plain_delay_s(rule, made) * uniform(1 - rule.jitter, 1 + rule.jitter)
    )


def plain_delay_s(rule: RetryPolicy, made: int) -> float:
    """Return how long the next retry waits after ``made`` of them, without jitter."""
    try:
        return min(rule.max_delay_s, rule.base_delay_s * rule.multiplier**made)
    except OverflowError:
        return rule.max_delay_s


def made_by_policies(headers: Mapping[str, Any] | None) -> int:
    """Return how many retries policies have made of the task with these headers."""
    made = (headers or {}).get(MADE_HEADER)
    return made if isinstance(made, int) and not isinstance(made, bool) and made > 0 else 0


def said(rule: RetryPolicy, delay: float, number: int, error: str) -> str:
    """Return the words of a retry; they stand in the worker's log and at the end of the traceback."""
    return (
        f"in {delay:.1f} s by Umbel's policy '{rule.pattern}'"
        f" (retry {number} of {rule.max_retries}): {error}"
    )


def heard(traceback: str | None) -> tuple[str, float] | None:
    """Return pattern and delay of the policy by whose words a traceback ends; None if by none."""
    if not traceback:
        return None
    _, _, last = traceback[-_LAST_WORDS:].rpartition("exceptions.Retry: ")
    match = _SAID.match(last)
    try:
        return (match[2], float(match[1])) if match is not None else None
    except ValueError:
        return None

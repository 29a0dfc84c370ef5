"""What a retry policy would have done, by what history knows of failures."""

from __future__ import annotations

import builtins
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from umbel_agent.policies import specific_first
from umbel_backend import states
from umbel_backend.db.query import Plan, Query
from umbel_backend.db.tables import task, task_rollup
from umbel_backend.policies.retry import RetryPolicy, covers, deciding
from umbel_backend.policies.stored import retry_policies

MOST_FAILURES = 10_000
"""As many of the latest failures are looked at."""
_MOST_NAMES = 20_000


@dataclass(frozen=True, slots=True)
class NameCount:
    """What a policy would have done to the tasks of one name."""

    name: str
    failed: int
    """How many ended in FAILURE."""
    matching: int
    """How many of these the policy would have retried."""
    unsure: int = 0
    """How many more it may have retried: of their exceptions only the class is known, not its bases."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a policy would have done."""

    names: list[NameCount]
    """Every name of a task in history that the pattern fits, those with most failures first."""
    failed: int
    matching: int
    unsure: int
    capped: bool
    """There were more failures than are looked at."""


def would_retry(policy: RetryPolicy, since: float) -> Query[Preview]:
    """Read what ``policy`` would have done since an instant, beside the other policies that stand."""

    def plan(dialect: str) -> Plan[Preview]:
        standing = yield from retry_policies().plan(dialect)
        others = [each for each in standing if each.pattern != policy.pattern]
        rules = specific_first([*others, policy])
        like = _like(policy.pattern)
        named = yield (
            sa.select(task_rollup.c.name)
            .where(task_rollup.c.name.like(like, escape="\\"))
            .distinct()
            .limit(_MOST_NAMES)
        )
        failures = yield (
            sa.select(task.c.name, task.c.exception)
            .where(task.c.state == states.FAILURE, task.c.finished_at >= since)
            .where(task.c.name.like(like, escape="\\"))
            .order_by(task.c.finished_at.desc())
            .limit(MOST_FAILURES + 1)
        )
        found = [(row.name, row.exception) for row in failures[:MOST_FAILURES]]
        return _counted(
            policy, rules, [row.name for row in named], found, len(failures) > len(found)
        )

    return Query(plan)


def _counted(
    policy: RetryPolicy,
    rules: Sequence[RetryPolicy],
    names: Sequence[str],
    failures: Sequence[tuple[str, str | None]],
    capped: bool,
) -> Preview:
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for name in names:
        if covers(policy, name):
            counts.setdefault(name, [0, 0, 0])
    for name, exception in failures:
        if not covers(policy, name):
            continue
        count = counts[name]
        count[0] += 1
        classes, is_whole = classes_named(exception)
        by = deciding(rules, name, classes)
        if by is policy:
            count[1] += 1
        elif by is None and not is_whole and policy.exceptions:
            count[2] += 1
    listed = [NameCount(name, *count) for name, count in counts.items()]
    listed.sort(key=lambda each: (-each.failed, each.name))
    return Preview(
        names=listed,
        failed=sum(each.failed for each in listed),
        matching=sum(each.matching for each in listed),
        unsure=sum(each.unsure for each in listed),
        capped=capped,
    )


def classes_named(exception: str | None) -> tuple[frozenset[str], bool]:
    """Return the classes that a record's ``Class: message`` names, and whether these are all of them.

    Of Python's own exceptions the bases are known, of others the class alone.
    """
    name = (exception or "").partition(":")[0].strip()
    found = getattr(builtins, name, None)
    if isinstance(found, type) and issubclass(found, BaseException):
        bases = found.__mro__[:-1]
        return frozenset(each.__name__ for each in bases), True
    return frozenset({name, "Exception", "BaseException"}), False


def _like(pattern: str) -> str:
    """Return the pattern as SQL has it; what it finds is looked at again, for SQLite ignores case."""
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%")

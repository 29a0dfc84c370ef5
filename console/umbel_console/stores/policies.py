"""A retry policy as an operator types it: every field read, the first mistake told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from umbel_backend.errors import InvalidValue

if TYPE_CHECKING:
    from umbel_backend.policies.retry import RetryPolicy

FIELDS: tuple[tuple[str, str, str], ...] = (
    ("pattern", "Tasks", "shop.mail.*"),
    ("exceptions", "Retry on", "ConnectionError, Timeout; nothing is any exception"),
    ("never", "Never on", "ValueError, PermissionDenied"),
    ("max_retries", "Retries", "most of one task"),
    ("base_delay_s", "First delay", "2s, 1m"),
    ("multiplier", "Multiplier", "each delay is so many times the one before"),
    ("max_delay_s", "Longest delay", "10m, 1h"),
    ("jitter", "Jitter", "0 to 1: part of the delay by which it varies"),
)
"""Field, label and what may be typed there."""


def typed(policy: RetryPolicy) -> dict[str, str]:
    """Return what an operator would type for ``policy``, by field."""
    return {
        "pattern": policy.pattern,
        "exceptions": ", ".join(policy.exceptions),
        "never": ", ".join(policy.never),
        "max_retries": str(policy.max_retries),
        "base_delay_s": f"{policy.base_delay_s:g}s",
        "multiplier": f"{policy.multiplier:g}",
        "max_delay_s": f"{policy.max_delay_s:g}s",
        "jitter": f"{policy.jitter:g}",
    }


def read(given: Mapping[str, str]) -> RetryPolicy | str:
    """Return the policy that was typed, or what is wrong with it, one sentence."""
    from umbel_backend.policies.retry import RetryPolicy, checked

    labels = {field: label for field, label, _ in FIELDS}
    text = {field: given.get(field, "").strip() for field in labels}
    if not text["pattern"]:
        return "Name the tasks it is for; * stands for anything."
    try:
        policy = RetryPolicy(
            pattern=text["pattern"],
            exceptions=_names(text["exceptions"]),
            never=_names(text["never"]),
            max_retries=int(_number(labels["max_retries"], text["max_retries"], whole=True)),
            base_delay_s=_duration(labels["base_delay_s"], text["base_delay_s"]),
            multiplier=_number(labels["multiplier"], text["multiplier"]),
            max_delay_s=_duration(labels["max_delay_s"], text["max_delay_s"]),
            jitter=_number(labels["jitter"], text["jitter"]),
        )
        return checked(policy)
    except InvalidValue as error:
        return str(error)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for each in text.split(",") if (name := each.strip()))


def _number(label: str, text: str, *, whole: bool = False) -> float:
    try:
        return int(text) if whole else float(text)
    except ValueError:
        kind = "a whole number" if whole else "a number"
        raise InvalidValue(f"{label} is {text!r}; it has to be {kind}.") from None


def _duration(label: str, text: str) -> float:
    from umbel_backend.filters.values import read_duration

    found = read_duration(text)
    if found is None:
        raise InvalidValue(f"{label} is {text!r}; write 2s, 500ms, 1m or 1h.")
    return float(found.value)

"""Changes of policies, through the door: stored first, then published to the workers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from umbel_backend.acts.operator import Door
from umbel_backend.acts.outcome import Outcome, done, partly
from umbel_backend.db.query import run
from umbel_backend.errors import BrokerUnavailable, NotFound
from umbel_backend.policies import stored
from umbel_backend.policies.publishing import FOLLOWED_WITHIN_S, Publisher
from umbel_backend.policies.retry import RetryPolicy, checked, in_words

KIND = "policy"
"""What the audit calls the target."""


def target_of(pattern: str) -> str:
    """Return how the audit names the retry policy of ``pattern``."""
    return f"{stored.RETRY} {pattern}"


def set_retry_policy(door: Door, policy: RetryPolicy, reason: str = "") -> Outcome:
    """Store a retry policy, over the one of its pattern, and publish it.

    Raises:
        InvalidValue: It cannot be followed; nothing was done.
        NotPermitted: Who acts may not; that was audited.
        DatabaseUnavailable: It cannot be stored.
    """
    checked(policy)
    parameters = {
        "exceptions": ", ".join(policy.exceptions),
        "never": ", ".join(policy.never),
        "max_retries": policy.max_retries,
        "base_delay_s": policy.base_delay_s,
        "multiplier": policy.multiplier,
        "max_delay_s": policy.max_delay_s,
        "jitter": policy.jitter,
    }
    return _change(door, "policy set", policy.pattern, policy, parameters, reason)


def delete_retry_policy(door: Door, pattern: str, reason: str = "") -> Outcome:
    """Delete the retry policy of ``pattern`` and publish that.

    Raises:
        NotFound: There is none; it was audited as refused.
        NotPermitted: Who acts may not; that was audited.
        DatabaseUnavailable: It cannot be deleted.
    """
    return _change(door, "policy delete", pattern, None, {}, reason)


def _change(
    door: Door,
    action: str,
    pattern: str,
    policy: RetryPolicy | None,
    parameters: Mapping[str, Any],
    reason: str,
) -> Outcome:
    target = target_of(pattern)
    with door.job(action, [target], target_kind=KIND, reason=reason, parameters=parameters) as job:
        job.open([target])
        if policy is None and not _stands(door, pattern):
            _publish_deletion(door)
            raise NotFound(f"There is no retry policy for {pattern!r}.")
        before = stored.change(door.engine, pattern, policy, time.time(), door.identity.name)
        job.close(target, _published(door, _said(pattern, policy, before)))
    return job.outcomes[target]


def _stands(door: Door, pattern: str) -> bool:
    return any(each.pattern == pattern for each in run(door.engine, stored.retry_policies()))


def _publish_deletion(door: Door) -> None:
    """Have workers follow what stands, should a change have been cut off before it was published."""
    publisher = Publisher(door.engine, door.settings.context)
    try:
        publisher.renew()
    except BrokerUnavailable:
        return  # the recorder does it
    finally:
        publisher.close()


def _said(pattern: str, policy: RetryPolicy | None, before: RetryPolicy | None) -> str:
    was = "" if before is None else f" It was {in_words(before)}."
    if policy is None:
        return f"Tasks {pattern} are no longer retried by a policy of their own.{was}"
    return f"Tasks {pattern}: {in_words(policy)}.{was}"


def _published(door: Door, said: str) -> Outcome:
    publisher = Publisher(door.engine, door.settings.context)
    try:
        if publisher.why_not is not None:
            return partly(f"{said} It is stored, and not published. {publisher.why_not}")
        if publisher.publish():
            return done(f"{said} Workers with the agent follow it within {FOLLOWED_WITHIN_S} s.")
        return partly(
            f"{said} It is stored; workers follow what another database of Umbel's published."
        )
    except BrokerUnavailable as error:
        return partly(f"{said} It is stored; the recorder publishes it when it can. {error}")
    finally:
        publisher.close()

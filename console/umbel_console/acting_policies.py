"""Retry policies: set, deleted, listed."""

from __future__ import annotations

import time
from collections.abc import Sequence

from umbel_backend.acts.opening import open_door
from umbel_backend.acts.policies import KIND, delete_retry_policy, set_retry_policy, target_of
from umbel_backend.db import migrations
from umbel_backend.db.engine import database_url, open_engine
from umbel_backend.db.query import run
from umbel_backend.policies.preview import would_retry
from umbel_backend.policies.retry import RetryPolicy
from umbel_backend.policies.stored import retry_policies
from umbel_backend.settings import Settings
from umbel_console.acting import Outlook, Wanted
from umbel_console.acting_job import Outcomes, ThreadJob
from umbel_console.acting_words import of_preview

LOOKED_BACK_S = 7 * 86_400.0
"""How far back failures are looked at, for what a policy would have done."""


def listed(settings: Settings) -> Sequence[RetryPolicy]:
    """Return the retry policies in the order in which workers ask them."""
    url = database_url(settings.context.db, settings.context.broker)
    engine = open_engine(url, read_only=True)
    try:
        migrations.require_current(migrations.schema_status(engine), url)
        return run(engine, retry_policies())
    finally:
        engine.dispose()


def outlook(settings: Settings, wanted: Wanted) -> Outlook:
    """Find out what a policy would have done."""
    policy = wanted.policy
    assert policy is not None
    target = target_of(policy.pattern)
    with open_door(settings) as door:
        door.job(wanted.verb, [target], target_kind=KIND)
        preview = run(door.engine, would_retry(policy, time.time() - LOOKED_BACK_S))
    return Outlook(ids=[target], lines=of_preview(wanted.verb, policy, preview), doable=1)


def work(
    settings: Settings, job: ThreadJob, wanted: Wanted, ids: Sequence[str], reason: str
) -> Outcomes:
    """Do it, in the thread of ``job``."""
    policy = wanted.policy
    assert policy is not None
    with open_door(settings) as door:
        if wanted.verb == "policy set":
            yield ids[0], set_retry_policy(door, policy, reason)
        else:
            yield ids[0], delete_retry_policy(door, policy.pattern, reason)

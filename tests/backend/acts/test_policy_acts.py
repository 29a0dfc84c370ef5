"""Setting and deleting policies through the door, and what is published of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import redis
import sqlalchemy as sa

from harness.records import a_task
from umbel_agent import policies as followed
from umbel_agent.protocol import POLICIES_KEY
from umbel_backend.acts import operator as door_module
from umbel_backend.acts.identity import Identity
from umbel_backend.acts.operator import Door
from umbel_backend.acts.operators import change_operator
from umbel_backend.acts.policies import delete_retry_policy, set_retry_policy
from umbel_backend.acts.roles import Role
from umbel_backend.db.changes import Changes
from umbel_backend.db.query import run
from umbel_backend.db.writer import Writer
from umbel_backend.errors import InvalidValue, NotFound, NotPermitted
from umbel_backend.policies.preview import would_retry
from umbel_backend.policies.publishing import Publisher
from umbel_backend.policies.retry import RetryPolicy
from umbel_backend.policies.stored import retry_policies
from umbel_backend.settings import Context, Settings

NOBODY = "redis://127.0.0.1:1/0"


@pytest.fixture
def server(broker_url: str) -> Iterator[redis.Redis]:
    made = redis.Redis.from_url(broker_url)
    yield made
    made.close()


@pytest.fixture
def door(engine: sa.Engine, broker_url: str) -> Door:
    return Door(engine, Settings(context=Context(broker=broker_url)))


def published(server: redis.Redis, prefix: str = "") -> followed.Published:
    text = server.get(prefix + POLICIES_KEY)
    assert isinstance(text, bytes)
    return followed.read(text)


def patterns(door: Door) -> list[str]:
    return [policy.pattern for policy in run(door.engine, retry_policies())]


def test_a_policy_is_stored_and_published_and_both_are_audited(
    door: Door, server: redis.Redis
) -> None:
    first = set_retry_policy(door, RetryPolicy(pattern="shop.*", never=("KeyError",)), "shaky")
    assert (first.outcome, "within 5 s" in first.detail) == ("done", True)
    second = set_retry_policy(door, RetryPolicy(pattern="shop.*", max_retries=9))
    assert "It was up to 3 retries of any exception but KeyError" in second.detail
    [stored] = run(door.engine, retry_policies())
    assert (stored.max_retries, stored.never, stored.changed_by) == (9, (), door.identity.name)
    assert time.time() - (stored.changed_at or 0) < 60
    [told] = published(server).retry
    assert (told.pattern, told.max_retries) == ("shop.*", 9)
    last, before = door.log.read(sa.true())
    assert (last.action, last.target_kind, last.target) == ("policy set", "policy", "retry shop.*")
    assert (before.reason, before.outcome) == ("shaky", "done")
    assert before.parameters["never"] == "KeyError"
    gone = delete_retry_policy(door, "shop.*")
    assert gone.outcome == "done"
    assert published(server).retry == ()
    assert published(server).version == 3
    assert patterns(door) == []
    with pytest.raises(NotFound, match=r"no retry policy for 'shop\.\*'"):
        delete_retry_policy(door, "shop.*")
    assert door.log.read(sa.true())[0].outcome == "refused"


def test_who_may_not_changes_nothing_and_neither_does_a_wrong_value(
    door: Door, server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidValue, match="jitter is 3"):
        set_retry_policy(door, RetryPolicy(pattern="a", jitter=3))
    change_operator(door, door.identity.name, Role.ADMIN)
    monkeypatch.setattr(door_module, "whoami", lambda: Identity("eve", "ops-1"))
    with pytest.raises(NotPermitted, match="eve is a viewer; policy set needs an operator"):
        set_retry_policy(door, RetryPolicy(pattern="a"))
    with pytest.raises(NotPermitted):
        delete_retry_policy(door, "a")
    assert patterns(door) == []
    assert server.get(POLICIES_KEY) is None
    refused = [row.action for row in door.log.read(sa.true()) if row.outcome == "refused"]
    assert refused == ["policy delete", "policy set"]


def test_without_a_broker_a_policy_is_stored_and_that_it_is_not_published_is_said(
    engine: sa.Engine, door: Door, server: redis.Redis
) -> None:
    away = Door(engine, Settings(context=Context(broker=NOBODY)))
    outcome = set_retry_policy(away, RetryPolicy(pattern="a"))
    assert outcome.outcome == "partly"
    assert "the recorder publishes it when it can" in outcome.detail
    other = Door(engine, Settings(context=Context(broker="amqp://127.0.0.1:1//")))
    outcome = set_retry_policy(other, RetryPolicy(pattern="b"))
    assert (outcome.outcome, "UMBEL_REDIS" in outcome.detail) == ("partly", True)
    publisher = Publisher(engine, door.settings.context)
    assert publisher.renew()
    assert [rule.pattern for rule in published(server).retry] == ["a", "b"]
    assert not publisher.renew()
    publisher.close()


def test_what_is_missing_is_published_anew_and_what_another_database_published_is_left(
    engine: sa.Engine, door: Door, server: redis.Redis
) -> None:
    publisher = Publisher(engine, door.settings.context)
    assert not publisher.renew()
    assert server.get(POLICIES_KEY) is None
    set_retry_policy(door, RetryPolicy(pattern="a"))
    own = server.get(POLICIES_KEY)
    server.flushdb()
    assert publisher.renew()
    assert server.get(POLICIES_KEY) == own
    others = followed.written(99, "another", [])
    server.set(POLICIES_KEY, others)
    assert not publisher.renew()
    assert published(server).installation == "another"
    set_retry_policy(door, RetryPolicy(pattern="b"))
    assert [rule.pattern for rule in published(server).retry] == ["a", "b"]
    publisher.close()


def test_a_publisher_that_comes_late_does_not_put_older_policies_over_newer(
    engine: sa.Engine, door: Door, server: redis.Redis
) -> None:
    set_retry_policy(door, RetryPolicy(pattern="a"))
    publisher = Publisher(engine, door.settings.context)
    newest = followed.written(5, published(server).installation, [])
    server.set(POLICIES_KEY, newest)
    assert publisher.publish()
    assert published(server).version == 5
    publisher.close()


def test_of_two_operators_at_once_the_last_wins_and_both_are_recorded(
    engine: sa.Engine, broker_url: str, server: redis.Redis
) -> None:
    doors = [Door(engine, Settings(context=Context(broker=broker_url))) for _ in range(4)]
    start = threading.Barrier(len(doors))

    def change(door: Door, number: int) -> None:
        start.wait(30)
        for round_ in range(3):
            set_retry_policy(door, RetryPolicy(pattern="a", max_retries=10 * number + round_ + 1))

    threads = [threading.Thread(target=change, args=each[::-1]) for each in enumerate(doors)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    rows = doors[0].log.read(sa.true())
    assert [row.outcome for row in rows] == ["done"] * 12
    [stored] = run(engine, retry_policies())
    [told] = published(server).retry
    assert told.max_retries == stored.max_retries
    assert published(server).version == 12
    assert doors[0].log.verify().fault is None


def test_a_prefix_of_the_brokers_keys_stands_before_the_policies(
    engine: sa.Engine, broker_url: str, server: redis.Redis
) -> None:
    context = Context(broker=broker_url, transport_options={"global_keyprefix": "app:"})
    set_retry_policy(Door(engine, Settings(context=context)), RetryPolicy(pattern="a"))
    assert [rule.pattern for rule in published(server, "app:").retry] == ["a"]


def test_a_dry_run_tells_what_it_would_have_retried_beside_the_other_policies(door: Door) -> None:
    now = time.time()
    ends = [
        ("shop.pay", "ConnectionRefusedError: x"),
        ("shop.pay", "KeyError: 'k'"),
        ("shop.pay", "Timeout: slow"),
        ("shop.ship", "BrokenPipeError: x"),
        ("mail.send", "ConnectionError: x"),
        ("SHOP.pay", "ConnectionError: x"),
    ]
    tasks = [
        a_task(f"t{n}", "FAILURE", now - n, name=name, exception=exception)
        for n, (name, exception) in enumerate(ends)
    ]
    tasks.append(a_task("old", "FAILURE", now - 9_999, name="shop.pay", exception="OSError: x"))
    tasks.append(a_task("ok", "SUCCESS", now, name="shop.count"))
    Writer(door.engine).write(Changes(tasks=tasks))
    set_retry_policy(door, RetryPolicy(pattern="shop.ship"))
    wanted = RetryPolicy(pattern="shop.*", exceptions=("OSError",))
    preview = run(door.engine, would_retry(wanted, now - 3_600))
    counts = {each.name: (each.failed, each.matching, each.unsure) for each in preview.names}
    assert counts["shop.pay"] == (3, 1, 1)
    assert counts["shop.ship"] == (1, 0, 0)
    assert set(counts) <= {"shop.pay", "shop.ship", "shop.count"}
    assert (preview.failed, preview.matching, preview.unsure, preview.capped) == (4, 1, 1, False)

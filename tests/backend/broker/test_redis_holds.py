"""Messages put aside and back on a real server, whatever happens to the lists between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from umbel_agent.protocol import HELD_MESSAGES_KEY
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.purging import purge
from umbel_backend.broker.redis_holds import RedisHolds
from umbel_backend.broker.redis_surgery import RedisSurgery
from umbel_backend.settings import Context

PREFIX = "app1:"


class Place:
    """One queue on a server with a key prefix, and what changes it."""

    def __init__(self, url: str) -> None:
        options = {"global_keyprefix": PREFIX}
        self.cluster = Cluster(Context(broker=url, transport_options=options))
        self.client: Any = redis.Redis.from_url(url)
        self.holds = RedisHolds(self.cluster)
        self.surgery = RedisSurgery(self.cluster)

    def send(self, task_id: str, priority: int = 0) -> bytes:
        raw = message(task_id, priority)
        self.client.lpush(self.key(priority), raw)
        return raw

    def key(self, step: int) -> str:
        return f"{PREFIX}default" + (f"\x06\x16{step}" if step else "")

    def hold(self, *ids: str) -> set[str]:
        return self.holds.hold(self.surgery.find(ids, ["default"]).messages.values())

    def waiting(self, step: int = 0) -> list[str]:
        """Return the ids in one list, the next to run first."""
        entries: Any = self.client.lrange(self.key(step), 0, -1)
        return [json.loads(raw)["headers"]["id"] for raw in reversed(entries)]


def message(task_id: str, priority: int = 0) -> bytes:
    properties = {"correlation_id": task_id, "priority": priority, "delivery_tag": task_id}
    return json.dumps(
        {"body": "W10=", "headers": {"id": task_id}, "properties": properties}
    ).encode()


@pytest.fixture
def place(broker_url: str) -> Iterator[Place]:
    place = Place(broker_url)
    yield place
    place.cluster.close()
    place.client.close()


def test_a_message_comes_back_as_it_was_to_the_list_it_was_in(place: Place) -> None:
    raw = place.send("a", 3)
    assert place.hold("a") == {"a"}
    assert place.client.keys(f"{PREFIX}default*") == []
    held = place.holds.of(["a", "b"])
    assert set(held) == {"a"}
    assert (held["a"].raw, held["a"].queue) == (raw, "default")
    assert place.holds.put_back([held["a"]]) == {"a"}
    assert place.client.lrange(place.key(3), 0, -1) == [raw]
    assert place.holds.put_back([held["a"]]) == set()
    assert place.client.llen(place.key(3)) == 1
    assert not place.client.exists(PREFIX + HELD_MESSAGES_KEY)


def test_what_a_worker_took_meanwhile_is_not_put_aside(place: Place) -> None:
    place.send("a")
    place.send("b")
    found = place.surgery.find(["a", "b"], ["default"]).messages.values()
    place.client.rpop(place.key(0))
    assert place.holds.hold(found) == {"b"}
    assert place.holds.ids() == ["b"]


def test_a_second_message_of_a_task_does_not_replace_the_first_that_is_aside(place: Place) -> None:
    first = place.send("a")
    assert place.hold("a") == {"a"}
    place.send("a")
    assert place.hold("a") == set()
    assert place.waiting() == ["a"]
    assert place.holds.take("a") == first
    assert place.holds.take("a") is None


def test_a_server_that_allows_no_scripts_refuses_and_nothing_is_changed(place: Place) -> None:
    place.send("a")
    place.client.execute_command(
        "ACL", "SETUSER", "plain", "on", ">pw", "~*", "&*", "+@all", "-eval"
    )
    place.client.execute_command("ACL", "SETUSER", "plain", "-evalsha", "-script")
    url = place.cluster.context.broker.replace("redis://", "redis://plain:pw@")
    other = Place(url)
    try:
        with pytest.raises(Exception, match="run no scripts"):
            other.hold("a")
    finally:
        other.cluster.close()
        other.client.close()
        place.client.execute_command("ACL", "DELUSER", "plain")
    assert place.waiting() == ["a"]


def test_a_purge_empties_all_lists_and_leaves_nothing_behind(place: Place) -> None:
    sent = {place.send(f"{step}-{n}", step) for step in (0, 3, 6, 9) for n in range(150)}
    told: list[bytes] = []
    assert purge(place.cluster, "default", told.extend) == 600
    assert set(told) == sent
    assert len(told) == 600
    assert place.client.keys("*") == []
    assert purge(place.cluster, "default", told.extend) == 0


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.one_of(
            st.just(("send", 0)),
            st.just(("take", 0)),
            st.tuples(st.just("hold"), st.integers(0, 12)),
            st.tuples(st.just("resume"), st.integers(0, 12)),
        ),
        max_size=30,
    )
)
def test_no_message_is_ever_lost_or_doubled(place: Place, steps: list[tuple[str, int]]) -> None:
    place.client.flushdb()
    waiting: list[str] = []
    aside: set[str] = set()
    for number, (verb, which) in enumerate(steps):
        name = f"t{which}"
        if verb == "send":
            place.send(f"t{number}")
            waiting.append(f"t{number}")
        elif verb == "take":
            place.client.rpop(place.key(0))
            waiting = waiting[1:]
        elif verb == "hold":
            assert place.hold(name) == ({name} if name in waiting else set())
            if name in waiting:
                waiting.remove(name)
                aside.add(name)
        else:
            held = place.holds.of([name])
            assert place.holds.put_back(list(held.values())) == ({name} & aside)
            if name in aside:
                aside.discard(name)
                waiting.insert(0, name)
        assert place.waiting() == waiting
        assert set(place.holds.ids()) == aside

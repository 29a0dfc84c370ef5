"""Which types are paused, as a worker's main process knows it, and the order of what is put aside."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from kombu import Connection

from umbel_agent.paused_types import PausedTypes
from umbel_agent.protocol import HELD_MESSAGES_KEY, PAUSED_TYPES_KEY, held_turn

_moments = st.tuples(st.integers(0, 10**11), st.integers(0, 10**6 - 1), st.integers(0, 10**6 - 1))


@given(st.lists(_moments))
def test_turns_sort_as_text_by_when_they_were_taken(moments: list[tuple[int, int, int]]) -> None:
    assert sorted(held_turn(*each) for each in moments) == [
        held_turn(*each) for each in sorted(moments)
    ]


class Reports(list[tuple[str, str, Any]]):
    def __call__(self, type: str, task_id: str, fields: Any) -> None:
        self.append((type, task_id, fields))


@pytest.mark.live
def test_what_is_paused_is_known_before_the_first_task_and_after_each_look(
    broker_url: str,
) -> None:
    client = redis.Redis.from_url(broker_url)
    client.hset("own:" + PAUSED_TYPES_KEY, "shop.*", "{}")
    types = PausedTypes(lambda: (redis.ConnectionPool.from_url(broker_url), "own:"), Reports())
    assert types.stops("shop.mail.send")
    assert not types.stops("shop")
    client.hdel("own:" + PAUSED_TYPES_KEY, "shop.*")
    assert types.stops("shop.mail.send")
    types.look()
    assert not types.stops("shop.mail.send")
    client.close()


def test_nothing_is_begun_while_it_is_not_known_yet_what_is_paused() -> None:
    pool = redis.ConnectionPool(host="127.0.0.1", port=1)
    types = PausedTypes(lambda: (pool, ""), Reports())
    with pytest.raises(redis.ConnectionError):
        types.stops("shop.mail.send")
    with pytest.raises(redis.ConnectionError):
        types.look()


class Message:
    """As kombu's, of a broker that is no Redis."""

    channel = object()

    def __init__(self, headers: dict[str, Any]) -> None:
        self.headers = headers


def test_a_message_that_cannot_be_put_aside_begins_and_the_log_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reports, acknowledged = Reports(), list[int]()
    types = PausedTypes(lambda: (redis.ConnectionPool(), ""), reports)
    for headers in ({"id": "t1"}, {}):
        message = Message(headers)
        assert not types.turn_away("shop.pay", message, lambda: acknowledged.append(1), ["default"])
    assert (reports, acknowledged) == ([], [])
    assert caplog.text.count("tasks shop.pay are paused and begin all the same") == 1


@pytest.mark.live
def test_a_message_that_is_aside_does_not_begin_though_telling_of_it_fails(broker_url: str) -> None:
    def fails(type: str, task_id: str, fields: Any) -> None:
        raise ValueError("nothing can be told")

    client = redis.Redis.from_url(broker_url)
    client.hset(PAUSED_TYPES_KEY, "shop.*", "{}")
    types = PausedTypes(lambda: (redis.ConnectionPool.from_url(broker_url), ""), fails)
    assert types.stops("shop.pay")
    with Connection(broker_url) as connection, connection.SimpleQueue("default") as queue:
        queue.put({}, headers={"id": "t1"})
        message = queue.get(timeout=5)
        assert types.turn_away("shop.pay", message, message.ack, ["default"])
    assert client.hkeys(HELD_MESSAGES_KEY) == [b"t1"]
    assert client.llen("default") == 0
    client.close()

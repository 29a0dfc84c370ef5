from __future__ import annotations

import pytest
import redis

from harness.redis_messages import cluster_at, message
from umbel_backend.broker.redis_position import place_of
from umbel_backend.errors import BrokerUnavailable

STEP_6 = "orders\x06\x166"


@pytest.fixture
def server(broker_url: str) -> redis.Redis:
    return redis.Redis.from_url(broker_url)


def fill(server: redis.Redis, key: str, ids: list[str]) -> None:
    """Send ``ids`` in this order: the first is served first."""
    server.lpush(key, *(message(each) for each in ids))


def test_a_place_is_counted_from_what_is_served_next(broker_url: str, server: redis.Redis) -> None:
    fill(server, "orders", [f"t{n}" for n in range(50)])
    place = place_of(cluster_at(broker_url), "orders", "t7")
    assert (place.before, place.ready, place.complete) == (7, 50, True)
    assert place_of(cluster_at(broker_url), "orders", "t0").before == 0


def test_higher_priorities_are_before_it(broker_url: str, server: redis.Redis) -> None:
    fill(server, "orders", ["a", "b", "c"])
    fill(server, STEP_6, ["low-1", "low-2"])
    assert place_of(cluster_at(broker_url), "orders", "low-2").before == 4


def test_a_place_far_back_is_found_over_several_pages(broker_url: str, server: redis.Redis) -> None:
    fill(server, "orders", [f"t{n}" for n in range(2_500)])
    assert place_of(cluster_at(broker_url), "orders", "t2499", timeout_s=30).before == 2_499


def test_a_search_that_reaches_its_bound_says_so(broker_url: str, server: redis.Redis) -> None:
    fill(server, "orders", [f"t{n}" for n in range(1_500)])
    place = place_of(cluster_at(broker_url), "orders", "t1400", most=1_000, timeout_s=30)
    assert (place.before, place.complete) == (None, False)


def test_what_is_not_there_is_not_found_in_a_whole_search(
    broker_url: str, server: redis.Redis
) -> None:
    fill(server, "orders", ["a", "b"])
    place = place_of(cluster_at(broker_url), "orders", "c")
    assert (place.before, place.complete, place.ready) == (None, True, 2)
    assert place_of(cluster_at(broker_url), "nowhere", "c").complete
    server.set("text", "no list")
    assert place_of(cluster_at(broker_url), "text", "c").ready == 0


def test_an_id_inside_the_arguments_of_another_is_not_it(
    broker_url: str, server: redis.Redis
) -> None:
    server.lpush("orders", message("other", args=('"correlation_id": "mine"',)))
    fill(server, "orders", ["mine"])
    assert place_of(cluster_at(broker_url), "orders", "mine").before == 1


def test_large_messages_are_not_read_whole(broker_url: str, server: redis.Redis) -> None:
    for n in range(3):
        server.lpush("orders", message(f"big{n}", args=("x" * 3_000_000,)))
    assert place_of(cluster_at(broker_url), "orders", "big2", timeout_s=30).before == 2


def test_a_broker_that_is_gone_is_told_in_words() -> None:
    with pytest.raises(BrokerUnavailable, match="cannot be reached"):
        place_of(cluster_at("redis://127.0.0.1:1/0"), "orders", "a")

"""Single messages taken out of Redis lists: exactly those, whatever others do to the lists meanwhile."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator

import pytest
import redis

from harness.redis_messages import cluster_at, message
from umbel_backend.broker.redis_surgery import RedisSurgery, Search, Waiting

LISTS = ("orders", "orders\x06\x163", "orders\x06\x166", "orders\x06\x169")


@pytest.fixture
def server(broker_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(broker_url) as server:
        yield server


@pytest.fixture
def surgery(broker_url: str) -> Iterator[RedisSurgery]:
    cluster = cluster_at(broker_url)
    yield RedisSurgery(cluster)
    cluster.close()


def fill(server: redis.Redis, count: int, key: str = "orders") -> list[str]:
    """Push ``count`` messages; the first one runs first."""
    ids = [f"{key[-1]}-{number:06}" for number in range(count)]
    with server.pipeline(transaction=False) as pipe:
        for task_id in ids:
            pipe.lpush(key, message(task_id))
        pipe.execute()
    return ids


def take(server: redis.Redis) -> str | None:
    """Take the message that runs next, as a worker does; return its id."""
    entry = server.rpop("orders")
    return json.loads(entry)["headers"]["id"] if isinstance(entry, bytes) else None


def left(server: redis.Redis, key: str = "orders") -> list[str]:
    """Return the ids in a list, the next to run first."""
    entries = server.lrange(key, 0, -1)
    assert isinstance(entries, list)
    return [json.loads(entry)["headers"]["id"] for entry in reversed(entries)]


def test_messages_are_found_and_removed_in_every_priority_list(
    server: redis.Redis, surgery: RedisSurgery
) -> None:
    ids = {key: fill(server, 50, key) for key in LISTS}
    wanted = [listed[25] for listed in ids.values()]
    search = surgery.find([*wanted, "absent"], ["orders"])
    assert set(search.messages) == set(wanted)
    assert [search.messages[each].step for each in wanted] == [0, 3, 6, 9]
    assert (search.scanned, search.complete) == (200, True)
    assert surgery.remove(search.messages.values()) == set(wanted)
    for key, listed in ids.items():
        assert left(server, key) == [each for each in listed if each not in wanted]
    assert surgery.remove(search.messages.values()) == set()


@pytest.mark.parametrize("seed", range(5))
def test_nothing_else_is_lost_when_the_list_moved_since_it_was_read(
    server: redis.Redis, surgery: RedisSurgery, seed: int
) -> None:
    chance = random.Random(seed)
    ids = fill(server, 400)
    wanted = chance.sample(ids, 150)
    found = surgery.find(wanted, ["orders"]).messages
    taken_ids = {take(server) for _ in range(chance.randrange(60))}
    new = [f"new-{number}" for number in range(chance.randrange(300))]
    for task_id in new:
        server.lpush("orders", message(task_id))
    removed = surgery.remove(found.values())
    assert removed == set(wanted) - taken_ids
    assert left(server) == [i for i in [*ids, *new] if i not in removed and i not in taken_ids]


def test_every_message_is_either_taken_by_a_worker_or_removed_and_never_both(
    server: redis.Redis, surgery: RedisSurgery
) -> None:
    ids = fill(server, 3_000)
    found = list(surgery.find(ids, ["orders"]).messages.values())
    random.Random(7).shuffle(found)
    taken: list[str] = []

    def worker() -> None:
        while (task_id := take(server)) is not None:
            taken.append(task_id)

    thread = threading.Thread(target=worker)
    thread.start()
    removed: set[str] = set()
    for start in range(0, len(found), 250):
        removed |= surgery.remove(found[start : start + 250])
    thread.join()
    assert len(taken) == len(set(taken))
    assert set(taken) | removed == set(ids)
    assert not set(taken) & removed


def test_without_permission_for_scripts_it_is_as_exact(
    server: redis.Redis, broker_url: str
) -> None:
    name = f"plain-{random.randrange(10**9)}"
    server.acl_setuser(
        name, enabled=True, passwords=["+pw"], keys=["*"], commands=["+@all", "-@scripting"]
    )
    ids = fill(server, 30)
    cluster = cluster_at(broker_url.replace("redis://", f"redis://{name}:pw@").replace(":@", ""))
    surgery = RedisSurgery(cluster)
    try:
        found = surgery.find(ids[3:5], ["orders"]).messages
        server.rpop("orders", 4)
        assert surgery.remove(found.values()) == {ids[4]}
        assert left(server) == ids[5:]
    finally:
        cluster.close()
        server.acl_deluser(name)


def test_a_key_of_another_kind_is_no_queue(server: redis.Redis, surgery: RedisSurgery) -> None:
    server.set("orders", "something else")
    assert surgery.find(["a1"], ["orders"]).messages == {}


def test_a_removed_message_was_another_entry_is_not_removed(
    server: redis.Redis, surgery: RedisSurgery
) -> None:
    fill(server, 5)
    foreign = Waiting("a1", "orders", "orders", 0, 2, message("a1"))
    assert surgery.remove([foreign]) == set()
    assert len(left(server)) == 5


def test_all_messages_of_a_queue_can_be_read(server: redis.Redis, surgery: RedisSurgery) -> None:
    ids = fill(server, 130) + fill(server, 20, LISTS[3])
    search = Search()
    assert {each.id for each in surgery.every("orders", search, 5.0)} == set(ids)
    assert (search.scanned, search.complete) == (150, True)


@pytest.mark.parametrize(("priority", "step"), [(0, 0), (2, 0), (3, 3), (5, 3), (9, 9), (255, 9)])
def test_a_message_goes_into_the_list_of_its_priority(
    server: redis.Redis, surgery: RedisSurgery, priority: int, step: int
) -> None:
    assert surgery.push("orders", priority, message("a1")) == 1
    assert left(server, LISTS[(0, 3, 6, 9).index(step)]) == ["a1"]

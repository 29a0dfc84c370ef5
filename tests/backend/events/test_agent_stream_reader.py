"""Reading the agents' stream from a real server: nothing twice in hand, nothing lost unnoticed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from harness.stream_records import HOST, announce, life, record, write
from harness.waiting import wait_until
from umbel_agent import protocol
from umbel_backend.broker.cluster import Cluster
from umbel_backend.events.agent_stream import AgentStream, StreamBatch
from umbel_backend.events.agent_stream_reader import Entry, GroupReader, Read, TailReader
from umbel_backend.events.agent_stream_upkeep import ALIVE_S, stream_context, survey, tidy
from umbel_backend.settings import Context, Settings

KEY = protocol.STREAM_KEY
GROUP = "recorder:db1"


@pytest.fixture
def server(broker_url: str) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(broker_url)
    yield client
    client.close()


def reader(server: redis.Redis, consumer: str = "one") -> GroupReader:
    made = GroupReader(server, "", GROUP, consumer)
    made.open()
    return made


def reads_of(source: GroupReader | TailReader, count: int = 100) -> list[Read]:
    reads = [source.read(count, wait=False)]
    while reads[-1].is_full:
        reads.append(source.read(count, wait=False))
    return reads


def all_of(source: GroupReader | TailReader, count: int = 100) -> list[Entry]:
    return [entry for read in reads_of(source, count) for entry in read.entries]


def ids_of(entries: list[Entry]) -> list[str]:
    return [entry.id for entry in entries]


def pending(server: redis.Redis) -> int:
    found: Any = server.xpending(KEY, GROUP)
    return int(found["pending"])


def test_a_group_begins_with_what_was_there_before_it(server: redis.Redis) -> None:
    source = reader(server)
    assert not source.read(10, wait=False).exists
    assert not server.exists(KEY), "nothing is left in a broker that has no agents"
    ids = write(server, *life("t1"))
    assert ids_of(all_of(source, 2)) == ids
    assert source.created_at == 0.0


def test_what_is_not_acknowledged_is_read_by_the_next_one(server: redis.Redis) -> None:
    first = reader(server, "dead")
    ids = write(server, *life("t1"), *life("t2"))
    all_of(first)
    first.acknowledge(ids[:3])
    second = reader(server, "alive")
    assert ids_of(all_of(second)) == ids[3:]
    second.acknowledge(ids[3:])
    assert pending(server) == 0
    assert all_of(reader(server, "alive")) == []


def test_what_is_in_hand_is_not_read_again_after_a_reconnection(server: redis.Redis) -> None:
    source = reader(server)
    ids = write(server, *life("t1"))
    all_of(source)
    source.open()
    more = write(server, *life("t2"))
    assert ids_of(all_of(source)) == more
    source.give_back()
    assert ids_of(all_of(source)) == ids + more


def test_an_answer_that_was_lost_is_noticed(server: redis.Redis) -> None:
    source = reader(server)
    first = write(server, *life("t1"))
    all_of(source)
    lost = write(server, *life("t2"))
    server.xreadgroup(GROUP, "one", {KEY: ">"})
    source.take_over()
    assert ids_of(all_of(source)) == lost
    assert source.unacknowledged == len(first + lost)


def test_a_group_that_vanished_is_made_again(server: redis.Redis) -> None:
    source = reader(server)
    ids = write(server, *life("t1"))
    all_of(source)
    server.xgroup_destroy(KEY, GROUP)
    assert ids_of(all_of(source)) == ids
    server.delete(KEY)
    assert not source.read(10, wait=False).exists
    ids = write(server, *life("t2"))
    assert ids_of(all_of(source)) == ids


def test_entries_cut_off_before_they_were_read_are_a_hole_of_known_size(
    server: redis.Redis,
) -> None:
    source = reader(server)
    write(server, *life("t1"))
    last = all_of(source)[-1]
    write(server, *(record("umbel-nothing") for _ in range(20)))
    server.xtrim(KEY, maxlen=4, approximate=False)
    source.open()
    reads = reads_of(source)
    (hole,) = [read.hole for read in reads if read.hole is not None]
    (first, *_) = [entry for read in reads for entry in read.entries]
    assert (hole.lost, hole.started_at, hole.ended_at) == (16, last.at, first.at)
    source.open()
    assert not any(read.hole for read in reads_of(source))


def test_entries_cut_off_while_they_were_pending_are_a_hole_too(server: redis.Redis) -> None:
    first = reader(server, "dead")
    ids = write(server, *life("t1"))
    all_of(first)
    server.xtrim(KEY, maxlen=2, approximate=False)
    second = reader(server, "alive")
    reads = reads_of(second)
    entries = [entry for read in reads for entry in read.entries]
    holes = [read.hole for read in reads if read.hole is not None]
    assert ids_of(entries) == ids[3:]
    # Servers forget what was cut off when it is claimed; then it is told by nobody.
    assert sum(hole.lost or 0 for hole in holes) in (0, 3)


def test_a_tail_begins_with_what_comes_and_leaves_nothing_behind(server: redis.Redis) -> None:
    write(server, *life("t1"))
    tail = TailReader(server, "")
    tail.open()
    ids = write(server, *life("t2"))
    assert ids_of(all_of(tail)) == ids
    tail.open()
    more = write(server, *life("t3"))
    server.xtrim(KEY, maxlen=2, approximate=False)
    read = tail.read(100, wait=False)
    assert (ids_of(read.entries), read.hole and read.hole.lost) == (more[-2:], 3)
    assert server.xinfo_groups(KEY) == []


def test_only_what_everybody_alive_has_done_with_is_cut_off(server: redis.Redis) -> None:
    ids = write(server, *life("t1"), *life("t2"))
    one, other = reader(server), GroupReader(server, "", "recorder:db2", "one")
    other.open()
    all_of(one)
    one.acknowledge(ids)
    later = time.time() + 3_600
    assert tidy(server, "", later) == 0, "the other one has not read it"
    all_of(other)
    other.acknowledge(ids[:6])
    # Nodes of the stream are cut off whole, so that few entries stay.
    server.config_set("stream-node-max-entries", 1)
    tidy(server, "", later)
    left: Any = server.xrange(KEY)
    assert ids[6].encode() in [id_ for id_, _ in left]
    tidy(server, "", time.time())
    assert server.xlen(KEY) == len(left)
    standing = survey(server, "")
    assert standing is not None
    assert {group.name: group.pending for group in standing.groups} == {
        "recorder:db1": 0,
        "recorder:db2": 4,
    }
    assert all((group.idle_s or 0.0) < ALIVE_S for group in standing.groups)
    server.config_set("stream-node-max-entries", 100)


class Reading:
    """An `AgentStream` that is started, and what it told."""

    def __init__(self, url: str, **options: Any) -> None:
        self.woken = threading.Event()
        settings = Settings(context=Context(broker=url, **options.pop("context", {})))
        self.stream = AgentStream(settings, self.woken.set, **options)
        self.batches: list[StreamBatch] = []
        self.stream.start()

    def take(self) -> list[str]:
        self.batches += self.stream.take()
        return [event.id for batch in self.batches for event in batch.told.events]

    def wait_for(self, *ids: str) -> None:
        wait_until(
            lambda: set(ids) <= set(self.take()),
            30,
            lambda: f"{ids}; {self.stream.status()}",
        )


@pytest.fixture
def readings() -> Iterator[list[Reading]]:
    started: list[Reading] = []
    yield started
    for one in started:
        one.stream.stop()


def test_the_thread_reads_acknowledges_and_tells_of_agents(
    server: redis.Redis, broker_url: str, readings: list[Reading]
) -> None:
    announce(server, capabilities=["stream"])
    reading = Reading(broker_url, installation="db1", consumer="one")
    readings.append(reading)
    wait_until(lambda: reading.stream.status().state == "waiting", 30, "it to wait for agents")
    write(server, *life("t1"))
    reading.wait_for("t1")
    assert pending(server) == 5
    reading.stream.done(reading.batches)
    wait_until(lambda: pending(server) == 0, 30, "it to acknowledge")
    wait_until(lambda: reading.stream.announced().get(HOST), 30, "the agent to be seen")
    status = reading.stream.status()
    assert (status.state, status.received, status.behind) == ("live", 5, 0)
    assert status.complete_since == 0.0


def test_nothing_more_is_read_while_the_taker_is_behind(
    server: redis.Redis, broker_url: str, readings: list[Reading], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("umbel_backend.events.agent_stream._HELD_ENTRIES", 40)
    monkeypatch.setattr("umbel_backend.events.agent_stream._FIRST_AT_ONCE", 10)
    monkeypatch.setattr("umbel_backend.events.agent_stream._MOST_AT_ONCE", 10)
    write(server, *(each for n in range(40) for each in life(f"t{n}")))
    reading = Reading(broker_url, installation="db1", consumer="one")
    readings.append(reading)
    wait_until(lambda: reading.stream.status().received > 40, 30, "it to be full")
    assert reading.woken.wait(5)
    time.sleep(0.5)
    assert reading.stream.status().received <= 60
    done = 0
    while done < 200:
        taken = reading.stream.take(1)
        reading.stream.done(taken)
        done += sum(len(batch.ids) for batch in taken)
        time.sleep(0.001)
    wait_until(lambda: pending(server) == 0, 30, "it to acknowledge all")
    assert reading.stream.status().received == 200


def test_a_stream_in_a_redis_of_its_own_is_read_without_the_brokers_prefix(
    server: redis.Redis, broker_url: str, readings: list[Reading]
) -> None:
    context = {"stream": broker_url, "transport_options": {"global_keyprefix": "p:"}}
    reading = Reading("amqp://nobody@127.0.0.1:1//", context=context)
    readings.append(reading)
    wait_until(lambda: reading.stream.status().state == "waiting", 30, "it to wait for agents")
    write(server, *life("t1"))
    reading.wait_for("t1")


def test_the_brokers_prefix_stands_before_the_streams_name(
    server: redis.Redis, broker_url: str, readings: list[Reading]
) -> None:
    server.xadd(f"p:{KEY}", {protocol.FIELD: life("t1")[0]})
    options = {"transport_options": {"global_keyprefix": "p:"}}
    reading = Reading(broker_url, context=options, installation="db1", consumer="one")
    readings.append(reading)
    reading.wait_for("t1")


def test_a_broker_without_redis_has_no_stream_and_a_wrong_one_says_why(
    server: redis.Redis, broker_url: str, readings: list[Reading]
) -> None:
    reading = Reading("amqp://nobody@127.0.0.1:1//", installation="db1", consumer="one")
    assert reading.stream.status().state == "absent"
    away = Reading("redis://127.0.0.1:1/0", installation="db1", consumer="one")
    readings.append(away)
    wait_until(lambda: away.stream.status().state == "reconnecting", 30, "it to notice")
    assert "cannot be reached" in (away.stream.status().problem or "")
    server.set(KEY, "somebody's own")
    wrong = Reading(broker_url, installation="db1", consumer="one")
    readings.append(wrong)
    wait_until(lambda: wrong.stream.status().problem, 30, "it to notice")
    assert "WRONGTYPE" in (wrong.stream.status().problem or "")
    server.delete(KEY)
    write(server, *life("t1"))
    wrong.wait_for("t1")


@pytest.mark.parametrize(
    ("stream", "broker"),
    [
        ("redis://:pw@cache:6379/2", "redis://:pw@cache:6379/2"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock?virtual_host=0"),
        ("unix:///run/redis.sock?db=3", "redis+socket:///run/redis.sock?virtual_host=3"),
        ("unix://:pw@/run/r.sock?db=3", "redis+socket://:pw@/run/r.sock?virtual_host=3"),
        ("unix:///run/r.sock?password=a%2Fb", "redis+socket://:a%2Fb@/run/r.sock?virtual_host=0"),
    ],
)
def test_the_stream_beside_another_broker_may_be_named_as_agents_name_it(
    stream: str, broker: str
) -> None:
    found = stream_context(Context(broker="amqp://h//", stream=stream))
    assert found is not None
    assert found.broker == broker
    assert Cluster(found).is_redis


def test_a_redis_beside_the_broker_has_its_sentinels_but_not_its_prefix() -> None:
    options = {"master_name": "m", "global_keyprefix": "p:", "visibility_timeout": 5}
    context = Context(broker="amqp://h//", stream="sentinel://s", transport_options=options)
    found = stream_context(context)
    assert found is not None
    assert found.transport_options == {"master_name": "m"}
    assert Cluster(found).key_prefix == ""


def test_without_any_redis_there_is_no_stream() -> None:
    assert stream_context(Context(broker="amqp://h//")) is None


def test_a_stream_that_is_no_url_is_said_and_ends_nothing() -> None:
    context = Context(broker="amqp://h//", stream="nonsense://x")
    stream = AgentStream(Settings(context=context), lambda: None)
    stream.start()
    wait_until(lambda: stream.status().problem, 20)
    assert "nonsense" in (stream.status().problem or "")
    assert stream.take() == []
    stream.stop()

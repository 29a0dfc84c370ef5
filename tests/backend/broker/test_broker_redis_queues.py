from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from harness.redis_messages import cluster_at, message
from harness.waiting import wait_until
from umbel_backend.broker.queues import Queues, open_queues
from umbel_backend.broker.redis_names import BindingTables
from umbel_backend.broker.redis_unacked import Unacked
from umbel_backend.broker.routing import Binding
from umbel_backend.errors import BrokerUnavailable, Refused

SEP = "\x06\x16"


@pytest.fixture
def server(broker_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(broker_url) as client:
        yield client


def reader(broker_url: str, **context: Any) -> Queues:
    return open_queues(cluster_at(broker_url, **context))


def push(server: redis.Redis, key: str, *ids: str, **options: Any) -> None:
    for task_id in ids:
        server.lpush(key, message(task_id, **options))


def bind(
    server: redis.Redis, queue: str, exchange: str = "", key: str = "", prefix: str = ""
) -> None:
    member = SEP.join((key or queue, "", queue))
    server.sadd(f"{prefix}_kombu.binding.{exchange or queue}", member)


def fill(server: redis.Redis, count: int) -> None:
    """Make as many keys as a result backend leaves behind."""
    script = "for n = ARGV[1], ARGV[2] do redis.call('SET', 'celery-task-meta-' .. n, 'x') end"
    step = 5_000
    for first in range(0, count, step):
        server.eval(script, 0, str(first), str(first + step - 1))


def test_waiting_messages_come_in_the_order_they_will_run(
    broker_url: str, server: redis.Redis
) -> None:
    push(server, f"orders{SEP}9", "last")
    push(server, f"orders{SEP}3", "third", "fourth")
    push(server, "orders", "first", "second")
    page = reader(broker_url).waiting("orders")
    assert [m.id for m in page.messages] == ["first", "second", "third", "fourth", "last"]
    assert [m.position for m in page.messages] == [0, 1, 2, 3, 4]
    assert (page.ready, page.next_start) == (5, None)


def test_pages_go_on_across_priority_steps(broker_url: str, server: redis.Redis) -> None:
    push(server, "orders", "a", "b", "c")
    push(server, f"orders{SEP}6", "d", "e")
    queues = reader(broker_url)
    seen: list[str] = []
    start: int | None = 0
    while start is not None:
        page = queues.waiting("orders", start, 2)
        seen += [m.id for m in page.messages]
        start = page.next_start
    assert seen == ["a", "b", "c", "d", "e"]


def test_a_page_beyond_the_end_is_empty(broker_url: str, server: redis.Redis) -> None:
    push(server, "orders", "a")
    page = reader(broker_url).waiting("orders", 5)
    assert (page.messages, page.ready, page.next_start) == ([], 1, None)


def test_reading_takes_nothing(broker_url: str, server: redis.Redis) -> None:
    push(server, "orders", "a", "b")
    before = server.lrange("orders", 0, -1)
    queues = reader(broker_url)
    queues.waiting("orders")
    queues.measure(["orders"])
    queues.find(["a"], ["orders"])
    assert server.lrange("orders", 0, -1) == before
    assert server.keys("*") == [b"orders"]


def test_depth_is_summed_and_broken_down_by_custom_steps_and_separator(
    broker_url: str, server: redis.Redis
) -> None:
    push(server, "orders", "a")
    push(server, "orders:5", "b", "c")
    queues = reader(broker_url, transport_options={"priority_steps": [0, 5], "sep": ":"})
    (record,) = queues.measure(["orders"])
    assert record.ready == 3
    assert record.by_priority == {"0": 1, "5": 2}
    assert [m.id for m in queues.waiting("orders").messages] == ["a", "b", "c"]


def test_the_global_key_prefix_is_respected_everywhere(
    broker_url: str, server: redis.Redis
) -> None:
    prefix = "shop[*]:"
    bind(server, "orders", prefix=prefix)
    bind(server, "foreign")
    push(server, f"{prefix}orders", "a")
    push(server, "orders", "not ours")
    server.zadd(f"{prefix}unacked_index", {"t1": 1.0})
    server.hset(f"{prefix}unacked", "t1", b"[" + message("u1") + b', "", "orders"]')
    queues = reader(broker_url, transport_options={"global_keyprefix": prefix})
    assert queues.discover() == ["orders"]
    (record,) = queues.measure(["orders"])
    assert (record.ready, record.unacked) == (1, 1)
    assert [m.id for m in queues.waiting("orders").messages] == ["a"]
    assert queues.find(["a", "not ours"], ["orders"]).queues == {"a": "orders"}


def test_queues_are_found_by_binding_by_worker_and_by_configuration(
    broker_url: str, server: redis.Redis
) -> None:
    bind(server, "bound", exchange="hidden exchange")
    server.sadd("_kombu.binding_permanent.hidden exchange", f"x{SEP}{SEP}not a table of ours")
    server.sadd("_kombu.binding.celery.pidbox", f"{SEP}{SEP}w1@h.celery.pidbox")
    server.sadd("_kombu.binding.reply.celery.pidbox", f"k{SEP}{SEP}k.reply.celery.pidbox")
    server.sadd("_kombu.binding.celeryev", f"{SEP}{SEP}celeryev.1234")
    server.set("_kombu.binding.odd", "no table")
    queues = reader(broker_url, queues=("configured",))
    consumed = Binding("consumed", "consumed", "consumed", "direct")
    assert queues.discover([consumed]) == ["bound", "configured", "consumed"]
    assert queues.discover() == ["bound", "configured", "consumed"]


def test_discovery_does_not_walk_the_whole_key_space_at_once(
    broker_url: str, server: redis.Redis
) -> None:
    with server.pipeline() as pipe:
        for number in range(20_000):
            pipe.set(f"celery-task-meta-{number}", "x")
        pipe.execute()
    bind(server, "orders")
    queues = reader(broker_url)
    server.config_resetstat()
    deadline = time.monotonic() + 10
    while queues.discover() != ["orders"]:
        assert time.monotonic() < deadline
    commands = server.info("commandstats")
    assert "cmdstat_keys" not in commands
    assert commands["cmdstat_scan"]["calls"] <= 30


def test_whoever_looks_but_once_may_go_on_until_all_of_a_huge_key_space_was_seen(
    broker_url: str, server: redis.Redis
) -> None:
    fill(server, 200_000)
    for number in range(20):
        bind(server, f"q{number:02}")
    queues = reader(broker_url)
    # No step at all is allowed; then enough for any machine.
    queues.discover(look_on_s=1e-9)
    assert not queues.has_looked_everywhere
    assert queues.discover(look_on_s=30.0) == [f"q{number:02}" for number in range(20)]
    assert queues.has_looked_everywhere
    server.flushdb()


def test_a_queue_that_is_first_used_later_is_found_by_the_next_look(
    broker_url: str, server: redis.Redis
) -> None:
    bind(server, "orders")
    queues = reader(broker_url)
    assert queues.discover() == ["orders"]
    bind(server, "new")
    bind(server, "behind a topic", exchange="an exchange never heard of")
    assert queues.discover() == ["behind a topic", "new", "orders"]


def test_a_queue_that_a_sender_named_is_found_at_once_among_a_million_keys(
    broker_url: str, server: redis.Redis
) -> None:
    bind(server, "orders")
    # A walk that gets nowhere stands for one through very many keys.
    walked = BindingTables(cluster_at(broker_url), slice_s=-1.0)
    with server.pipeline() as pipe:
        for number in range(20_000):
            pipe.set(f"celery-task-meta-{number}", "x")
        pipe.execute()
    found = {binding.queue for binding in walked.refresh(server, {"orders"})}
    assert found == {"orders"}


def test_a_told_queue_without_a_binding_is_there_if_it_has_messages(
    broker_url: str, server: redis.Redis
) -> None:
    push(server, f"unbound{SEP}6", "a")
    queues = reader(broker_url)
    assert queues.discover(told=["unbound", "never used", "w1@h.celery.pidbox"]) == ["unbound"]
    assert queues.discover() == ["unbound"]


def test_of_many_exchanges_each_is_read_again_in_turn(broker_url: str, server: redis.Redis) -> None:
    for number in range(1_200):
        bind(server, f"queue {number}")
    tables = BindingTables(cluster_at(broker_url))

    def bound() -> set[str]:
        return {binding.queue for binding in tables.refresh(server, ())}

    wait_until(lambda: len(bound()) == 1_200, 20)
    server.sadd("_kombu.binding.queue 7", f"more{SEP}{SEP}another of 7")
    server.delete("_kombu.binding.queue 8")
    wait_until(lambda: "another of 7" in bound() and "queue 8" not in bound(), 20)


def test_consumers_are_told_only_when_the_workers_told(
    broker_url: str, server: redis.Redis
) -> None:
    push(server, "orders", "a")
    queues = reader(broker_url)
    (unknown,) = queues.measure(["orders"])
    (served,) = queues.measure(["orders"], consumers={"orders": 2})
    (alone,) = queues.measure(["orders"], consumers={"mail": 1})
    assert (unknown.consumers, unknown.state) == (None, "flowing")
    assert (served.consumers, served.state) == (2, "flowing")
    assert (alone.consumers, alone.state) == (0, "no consumer")


def test_rates_need_two_readings_and_a_count_of_what_was_taken(
    broker_url: str, server: redis.Redis
) -> None:
    push(server, "orders", *map(str, range(10)))
    queues = reader(broker_url)
    (first,) = queues.measure(["orders"], taken={"orders": 5})
    server.rpop("orders", 4)
    push(server, "orders", *map(str, range(10, 20)))
    (second,) = queues.measure(["orders"], taken={"orders": 9})
    (without,) = queues.measure(["orders"])
    seconds = second.read_at - first.read_at
    assert (first.in_rate, first.out_rate) == (None, None)
    assert second.out_rate == pytest.approx(4 / seconds)
    assert second.in_rate == pytest.approx(10 / seconds)
    assert (without.in_rate, without.out_rate) == (None, None)


def test_the_age_of_the_head_counts_from_its_first_sight(
    broker_url: str, server: redis.Redis
) -> None:
    push(server, "orders", "a")
    queues = reader(broker_url)
    (first,) = queues.measure(["orders"])
    push(server, "orders", "b")
    (second,) = queues.measure(["orders"])
    server.rpop("orders")
    (third,) = queues.measure(["orders"])
    assert first.oldest_age_s is None
    assert second.oldest_age_s == pytest.approx(second.read_at - first.read_at)
    assert third.oldest_age_s == pytest.approx(third.read_at - second.read_at)


def test_a_message_that_is_not_due_yet_has_no_age(broker_url: str, server: redis.Redis) -> None:
    push(server, "orders", "a", eta="2999-01-01T00:00:00+00:00")
    queues = reader(broker_url)
    queues.measure(["orders"])
    (record,) = queues.measure(["orders"])
    assert record.oldest_age_s is None


def test_unacked_messages_are_grouped_by_their_queue(broker_url: str, server: redis.Redis) -> None:
    now = time.time()
    bind(server, "mail", exchange="post", key="mail.#")
    for tag, raw, exchange, key in (
        ("t1", message("u1"), "", "orders"),
        ("t2", message("u2"), "post", "mail.now"),
        ("t3", message("u3", kwargs={"x": "y" * 200_000}), "", "orders"),
    ):
        server.zadd("unacked_index", {tag: now})
        server.hset("unacked", tag, b"[" + raw + f', "{exchange}", "{key}"]'.encode())
    queues = reader(broker_url, transport_options={"visibility_timeout": 60})
    queues.discover()
    records = queues.measure(["orders", "mail"])
    page = queues.unacked("orders")
    assert [record.unacked for record in records] == [2, 1]
    assert [m.id for m in page.messages] == ["u1", "u3"]
    assert page.messages[0].redelivered_at == pytest.approx(now + 60)
    assert (page.total, page.complete) == (3, True)
    assert [m.queue for m in queues.unacked().messages if m.id == "u2"] == ["mail"]


def test_what_cannot_all_be_read_is_not_counted(broker_url: str, server: redis.Redis) -> None:
    raw = b"[" + message("u") + b', "", "orders"]'
    with server.pipeline() as pipe:
        for number in range(2_500):
            pipe.zadd("unacked_index", {f"t{number}": number})
            pipe.hset("unacked", f"t{number}", raw)
        pipe.execute()
    queues = reader(broker_url)
    (record,) = queues.measure(["orders"])
    page = queues.unacked("orders", limit=10)
    assert record.unacked is None
    assert (page.total, page.complete, len(page.messages)) == (2_500, False, 10)


def test_foreign_entries_in_queue_and_hash_are_rows_not_crashes(
    broker_url: str, server: redis.Redis
) -> None:
    server.lpush("orders", b"\xff\x00", b"[1]", message("a"), b"{")
    server.zadd("unacked_index", {b"\xff": 1.0, b"t2": 2.0, b"gone": 3.0})
    server.hset("unacked", b"\xff", b"junk")
    server.hset("unacked", "t2", b'[5, {"a": 1}, null]')
    queues = reader(broker_url)
    page = queues.waiting("orders")
    assert [m.problem is None for m in page.messages] == [False, False, True, False]
    assert queues.unacked().total == 2
    assert queues.measure(["orders"])[0].ready == 4


def test_a_key_that_is_no_list_is_no_queue(broker_url: str, server: redis.Redis) -> None:
    server.set("orders", "text")
    push(server, "mail", "a")
    queues = reader(broker_url)
    assert [record.name for record in queues.measure(["orders", "mail"])] == ["mail"]
    assert queues.waiting("orders").messages == []
    assert queues.find(["a"], ["orders", "mail"]).queues == {"a": "mail"}


def test_bodies_of_ten_megabytes_stay_on_the_server(broker_url: str, server: redis.Redis) -> None:
    for number in range(4):
        push(server, "orders", f"big{number}", kwargs={"x": "y" * 10_000_000})
    queues = reader(broker_url)
    before = int(server.info("stats")["total_net_output_bytes"])
    page = queues.waiting("orders")
    sent = int(server.info("stats")["total_net_output_bytes"]) - before
    assert page.messages[0].id == "big0"
    assert page.messages[0].size_bytes > 10_000_000
    assert sent < 200_000
    assert queues.measure(["orders"])[0].ready == 4


def test_a_page_of_huge_messages_ends_early_and_goes_on(
    broker_url: str, server: redis.Redis
) -> None:
    for number in range(45):
        push(server, "orders", f"m{number}", kwargs={"x": "y" * 600_000})
    queues = reader(broker_url)
    first = queues.waiting("orders", limit=45)
    assert first.next_start is not None
    assert len(first.messages) == first.next_start < 45
    assert queues.waiting("orders", first.next_start).messages[0].id == f"m{first.next_start}"


def test_a_page_deep_in_a_long_queue_costs_few_commands(
    broker_url: str, server: redis.Redis
) -> None:
    raw = message("x")
    for _ in range(100):
        server.lpush("orders", *[raw] * 1_000)
    queues = reader(broker_url)
    queues.waiting("orders", 0, 1)
    server.config_resetstat()
    page = queues.waiting("orders", 50_000, 100)
    commands = server.info("commandstats")
    assert len(page.messages) == 100
    assert sum(command["calls"] for name, command in commands.items() if "config" not in name) <= 15
    assert commands["cmdstat_lrange"]["calls"] <= 5


def test_finding_ids_looks_at_every_message_until_all_are_found(
    broker_url: str, server: redis.Redis
) -> None:
    push(server, "orders", *[f"m{number}" for number in range(2_500)])
    push(server, f"orders{SEP}3", "p")
    queues = reader(broker_url)
    found = queues.find(["m0", "m2499", "p", "gone"], ["orders", "mail"])
    assert found.queues == dict.fromkeys(["m0", "m2499", "p"], "orders")
    assert found.complete
    assert found.scanned == 2_501


def test_an_id_inside_an_argument_is_not_mistaken_for_a_message(
    broker_url: str, server: redis.Redis
) -> None:
    push(server, "orders", "a", argsrepr='"correlation_id": "trap"')
    assert reader(broker_url).find(["trap"], ["orders"]).queues == {}


def test_a_search_cut_short_says_so(broker_url: str, server: redis.Redis) -> None:
    push(server, "orders", "a", "b")
    found = reader(broker_url).find(["zz"], ["orders"], timeout_s=0.0)
    assert not found.complete


def test_a_user_who_may_not_run_scripts_sees_the_same(broker_url: str, server: redis.Redis) -> None:
    push(server, "orders", "a", "b", "c")
    server.zadd("unacked_index", {"t1": 1.0})
    server.hset("unacked", "t1", b"[" + message("u1") + b', "", "orders"]')
    server.acl_setuser(
        "monitor", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@all", "-@scripting"]
    )
    try:
        queues = reader(broker_url.replace("://", "://monitor:pw@"))
        (record,) = queues.measure(["orders"])
        assert (record.ready, record.unacked) == (3, 1)
        assert [m.id for m in queues.waiting("orders", 1).messages] == ["b", "c"]
    finally:
        server.acl_deluser("monitor")


def test_a_queue_name_with_control_characters_is_shown_escaped_and_still_read(
    broker_url: str, server: redis.Redis
) -> None:
    bind(server, "or\x1bders")
    push(server, "or\x1bders", "a")
    queues = reader(broker_url)
    (name,) = queues.discover()
    assert name == "or\\x1bders"
    assert queues.measure([name])[0].ready == 1
    assert [m.id for m in queues.waiting(name).messages] == ["a"]


def test_a_broker_that_is_gone_is_one_sentence(broker_url: str) -> None:
    queues = reader("redis://:s3cret@127.0.0.1:1/0")
    with pytest.raises(
        BrokerUnavailable, match=r"redis://:\*\*\*@127.0.0.1:1/0 .*refused"
    ) as caught:
        queues.measure(["orders"])
    assert "s3cret" not in str(caught.value)


def test_a_transport_without_queues_to_read_says_so_in_words() -> None:
    queues = reader("memory://", queues=("orders",))
    assert queues.discover([Binding("mail", "mail", "mail")]) == ["mail", "orders"]
    assert queues.measure(["orders"]) == []
    assert not queues.abilities.waiting
    with pytest.raises(Refused, match="Redis and RabbitMQ only, and this is memory"):
        queues.waiting("orders")


def test_what_is_acknowledged_while_it_is_read_is_not_missing(
    broker_url: str, server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    bind(server, "orders")
    for tag, raw in (("t1", message("u1")), ("t2", message("u2"))):
        server.zadd("unacked_index", {tag: time.time()})
        server.hset("unacked", tag, b"[" + raw + b', "", "orders"]')
    read = Unacked._read

    def acknowledged_meanwhile(unacked: Unacked, client: redis.Redis, tags: list[bytes]) -> None:
        server.hdel("unacked", "t2")
        read(unacked, client, tags)

    monkeypatch.setattr(Unacked, "_read", acknowledged_meanwhile)
    page = reader(broker_url).unacked("orders")
    assert [entry.id for entry in page.messages] == ["u1"]
    assert page.complete

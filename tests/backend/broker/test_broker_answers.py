from __future__ import annotations

from typing import Any

import pytest

from umbel_backend.broker.answers import WorkerAnswer, read_answer
from umbel_backend.broker.control import METHODS, Inspection
from umbel_backend.broker.routing import Binding, is_internal, queue_of

QUEUES = [
    {"name": "orders", "routing_key": "orders", "exchange": {"name": "orders", "type": "direct"}},
    {"name": "mail", "routing_key": "mail.#", "exchange": {"name": "post", "type": "topic"}},
]


def answered(**replies: Any) -> WorkerAnswer:
    return read_answer("w1@h", replies, tuple(replies))


def request(**changes: Any) -> dict[str, Any]:
    return {
        "id": "a1",
        "name": "shop.import_row",
        "args": [1],
        "kwargs": {"n": 2},
        "time_start": 1_790_000_000.5,
        "acknowledged": True,
        "delivery_info": {
            "exchange": "",
            "routing_key": "orders",
            "priority": 3,
            "redelivered": False,
        },
        "worker_pid": 77,
        **changes,
    }


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "reply",
    [
        None,
        5,
        "x",
        [],
        {},
        [None],
        [[1]],
        {"error": "no"},
        {"pool": 7, "total": [1]},
        [{"id": 5}],
        {"a": "b"},
    ],
)
def test_no_reply_whatever_its_shape_crashes_the_reading(method: str, reply: Any) -> None:
    assert read_answer("w1@h", {method: reply}, (method,)).hostname == "w1@h"


def test_an_error_and_a_missing_reply_are_named() -> None:
    answer = read_answer("w1@h", {"stats": {"error": "boom"}, "active": []}, METHODS)
    assert "stats" in answer.missing
    assert "conf" in answer.missing
    assert "active" not in answer.missing
    assert answer.active == ()


def test_stats_become_typed_values() -> None:
    answer = answered(
        stats={
            "total": {"shop.import_row": 5, "bad": "x"},
            "pid": 10,
            "uptime": 60,
            "prefetch_count": 8,
            "pool": {
                "implementation": "celery.concurrency.thread:TaskPool",
                "max-concurrency": 4,
                "processes": [11, "x", 12],
            },
            "rusage": {"maxrss": 1024},
        }
    )
    assert (answer.pid, answer.pool, answer.concurrency, answer.prefetch_count) == (
        10,
        "threads",
        4,
        8,
    )
    assert answer.processed == {"shop.import_row": 5}
    assert answer.pool_pids == (11, 12)
    assert (answer.uptime_s, answer.memory_bytes) == (60.0, 1024 * 1024)


def test_an_active_task_tells_its_start_queue_priority_and_process() -> None:
    answer = answered(active=[request(args="(1,)", kwargs="{'n': 2}")], active_queues=QUEUES)
    assert answer.active is not None
    (task,) = answer.active
    assert (task.id, task.queue, task.priority, task.pid) == ("a1", "orders", 3, 77)
    assert task.started_at == 1_790_000_000.5
    assert (task.args, task.args_exact) == ("(1,)", False)


def test_a_start_by_a_monotonic_clock_is_not_taken_for_an_instant() -> None:
    answer = answered(active=[request(time_start=12_345.6)])
    assert answer.active is not None
    assert answer.active[0].started_at is None


def test_a_scheduled_task_tells_its_eta() -> None:
    answer = answered(
        scheduled=[{"eta": "2030-01-01T00:00:00+00:00", "priority": 6, "request": request()}]
    )
    assert answer.scheduled is not None
    (task,) = answer.scheduled
    assert task.eta == "2030-01-01T00:00:00+00:00"
    assert (task.args, task.kwargs, task.args_exact) == ("[1]", '{"n":2}', True)


def test_arguments_of_a_worker_that_takes_pickle_are_not_called_exact() -> None:
    answer = answered(reserved=[request()], conf={"accept_content": ["json", "pickle"]})
    assert answer.reserved is not None
    assert not answer.reserved[0].args_exact


def test_the_queue_follows_from_exchange_and_key() -> None:
    delivery = {"exchange": "post", "routing_key": "mail.now.please"}
    answer = answered(active=[request(delivery_info=delivery)], active_queues=QUEUES)
    assert answer.active is not None
    assert answer.active[0].queue == "mail"


def test_secrets_in_a_workers_settings_are_hidden() -> None:
    answer = answered(
        conf={
            "broker_url": "redis://:hunter2@h/0",
            "result_backend": "redis://:hunter2@h/0",
            "broker_transport_options": {"sentinel_kwargs": {"password": "hunter2"}},
            "some_unknown": "hunter2",
        }
    )
    assert "hunter2" not in repr(answer.conf)
    assert answer.conf is not None
    assert answer.conf["broker_transport_options"] == {"sentinel_kwargs": {"password": "***"}}


def test_control_characters_in_answers_are_escaped() -> None:
    answer = answered(active=[request(id="a\x1b1", name="\x1b[2J")], registered=["\x07task"])
    assert answer.active is not None
    assert (answer.active[0].id, answer.active[0].name) == ("a\\x1b1", "\\x1b[2J")
    assert answer.registered == ("\\x07task",)


def test_consumers_are_not_told_while_a_worker_is_silent() -> None:
    answer = answered(active_queues=QUEUES)
    assert Inspection({"w1@h": answer}, (), 0.0).consumers == {"orders": 1, "mail": 1}
    assert Inspection({"w1@h": answer}, ("w2@h",), 0.0).consumers is None
    assert Inspection({"w1@h": answered(stats={})}, (), 0.0).consumers is None


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        ("mail.*", "mail.now", True),
        ("mail.*", "mail.now.later", False),
        ("mail.#", "mail", True),
        ("#.now", "a.b.now", True),
        ("*", "mail", True),
        ("*", "mail.now", False),
    ],
)
def test_topic_keys_match_as_on_the_broker(pattern: str, key: str, matches: bool) -> None:
    found = queue_of("post", key, [Binding("post", pattern, "mail", "topic")])
    assert found == ("mail" if matches else None)


def test_a_message_for_two_queues_belongs_to_none_with_certainty() -> None:
    bindings = [Binding("post", "k", "a", "direct"), Binding("post", "k", "b", "direct")]
    assert queue_of("post", "k", bindings) is None


@pytest.mark.parametrize(
    ("name", "internal"),
    [
        ("w1@h.celery.pidbox", True),
        ("1f.reply.celery.pidbox", True),
        ("celeryev.1f", True),
        ("celery", False),
        ("celeryevents", False),
    ],
)
def test_celerys_own_queues_are_told_from_tasks(name: str, internal: bool) -> None:
    assert is_internal(name) is internal

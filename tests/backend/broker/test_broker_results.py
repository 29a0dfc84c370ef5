from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import sqlalchemy as sa

from harness.redis_messages import cluster_at
from umbel_backend.broker.answers import WorkerAnswer
from umbel_backend.broker.findings import result_finding
from umbel_backend.broker.result_meta import progress_in, read_meta
from umbel_backend.broker.results import (
    ResultsUnavailable,
    TaskResult,
    find_backend,
    open_results,
    why_no_results,
)
from umbel_backend.records import Progress


@pytest.fixture
def server(broker_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(broker_url) as client:
        yield client


def meta(state: str, result: Any, **fields: Any) -> bytes:
    values = {
        "status": state,
        "result": result,
        "traceback": None,
        "children": [],
        "date_done": "2026-11-20T12:00:00.5+00:00",
        "task_id": "a1",
    }
    return json.dumps(values | fields).encode()


def test_a_return_value_is_kept_as_its_json() -> None:
    result = read_meta("a1", meta("SUCCESS", {"n": [1, None]}, retries=2, queue="orders"))
    assert (result.state, result.result) == ("SUCCESS", '{"n": [1, null]}')
    assert (result.done_at, result.retries, result.queue) == (1795176000.5, 2, "orders")


def test_a_task_that_returned_nothing_has_null_for_its_result() -> None:
    assert read_meta("a1", meta("SUCCESS", None)).result == "null"


def test_a_failure_tells_class_message_and_traceback() -> None:
    error = {"exc_type": "ValueError", "exc_message": ["bad row"], "exc_module": "builtins"}
    result = read_meta("a1", meta("FAILURE", error, traceback="Traceback …\nValueError: bad row"))
    assert result.exception == "ValueError: bad row"
    assert result.traceback is not None
    assert result.result is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x80\x04K\x01.",
        pickle.dumps({"status": "SUCCESS"}),
        b"[]",
        b'{"status": 5}',
        b"[" * 99_999,
    ],
)
def test_what_is_not_json_is_not_loaded(raw: bytes) -> None:
    result = read_meta("a1", raw)
    assert result.state == ""
    assert result.problem is not None


@pytest.mark.parametrize(
    ("stored", "progress"),
    [
        ({"current": 3, "total": 10}, Progress(3, 10)),
        ({"done": 3, "total": 10, "message": "row 3"}, Progress(3, 10, "row 3")),
        ({"percent": 40}, Progress(40, 100)),
        ({"progress": 0.4}, Progress(0.4, 1)),
        ({"progress": 40, "status": "half\x1b"}, Progress(40, 100, "half\\x1b")),
        ({"progress": 3, "total": 9}, Progress(3, 9)),
        ({"current": 3}, None),
        ({"current": -1, "total": 5}, None),
        ({"current": 1, "total": 0}, None),
        ({"current": True, "total": "x"}, None),
        ({"pid": 5, "hostname": "h"}, None),
    ],
)
def test_progress_is_found_in_its_usual_spellings(
    stored: dict[str, Any], progress: Progress | None
) -> None:
    assert progress_in(stored) == progress


def test_a_state_of_the_tasks_own_carries_its_progress() -> None:
    result = read_meta("a1", meta("IMPORTING", {"current": 1, "total": 4}, date_done=None))
    assert (result.state, result.progress) == ("IMPORTING", Progress(1, 4))
    assert read_meta("a1", meta("STARTED", {"pid": 1, "total": 2, "current": 1})).progress is None


def test_results_in_redis_are_read_in_batches(broker_url: str, server: redis.Redis) -> None:
    for number in range(450):
        server.set(f"celery-task-meta-m{number}", meta("SUCCESS", number))
    server.lpush("celery-task-meta-list", "odd")
    results = open_results(cluster_at(broker_url), broker_url)
    assert results is not None
    found = results.read([*(f"m{number}" for number in range(450)), "gone", "list"])
    assert len(found) == 450
    assert found["m449"].result == "449"
    results.close()


def test_a_huge_result_tells_its_state_and_time_only(broker_url: str, server: redis.Redis) -> None:
    server.set("celery-task-meta-big", meta("SUCCESS", "x" * 5_000_000))
    results = open_results(cluster_at(broker_url), broker_url)
    assert results is not None
    before = int(server.info("stats")["total_net_output_bytes"])
    result = results.read(["big"])["big"]
    assert int(server.info("stats")["total_net_output_bytes"]) - before < 50_000
    assert (result.state, result.done_at, result.result) == ("SUCCESS", 1795176000.5, None)
    assert result.problem == "it is too large to be read"


def test_the_key_prefix_of_the_backend_is_written_as_celery_writes_it(
    broker_url: str, server: redis.Redis
) -> None:
    server.set("shop_celery-task-meta-a1", meta("SUCCESS", 1))
    results = open_results(cluster_at(broker_url), broker_url, key_prefix="shop")
    assert results is not None
    assert set(results.read(["a1"])) == {"a1"}


def test_a_backend_that_is_gone_is_one_sentence() -> None:
    url = "redis://:s3cret@127.0.0.1:1/0"
    results = open_results(cluster_at("memory://"), url)
    assert results is not None
    with pytest.raises(ResultsUnavailable, match=r"\*\*\*@127.0.0.1:1/0 .*refused") as caught:
        results.read(["a1"])
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", [None, "rpc://", "file:///results", "disabled://", "cache+memory://"]
)
def test_backends_that_cannot_be_read_are_not_opened(url: str | None) -> None:
    assert open_results(cluster_at("memory://"), url) is None
    assert url is None or why_no_results(url) is not None


def write_database(url: str, rows: list[dict[str, Any]]) -> None:
    from celery.backends.database.models import TaskExtended

    engine = sa.create_engine(url)
    TaskExtended.__table__.create(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(TaskExtended.__table__), rows)
    engine.dispose()


def test_results_in_a_database_are_read_without_celerys_backend(database_url: str) -> None:
    from datetime import UTC, datetime

    done = datetime(2026, 11, 20, 12, tzinfo=UTC).replace(tzinfo=None)
    common = {"traceback": None, "worker": "w1@h", "name": "shop.add", "retries": 1}
    write_database(
        database_url,
        [
            {"task_id": "a", "status": "SUCCESS", "result": b"[1]", "date_done": done, **common},
            {
                "task_id": "p",
                "status": "SUCCESS",
                "result": pickle.dumps(5),
                "date_done": done,
                **common,
            },
            {
                "task_id": "l",
                "status": "SUCCESS",
                "result": b"9" * 99_999,
                "date_done": done,
                **common,
            },
        ],
    )
    results = open_results(cluster_at("memory://"), f"db+{database_url}")
    assert results is not None
    found = results.read(["a", "p", "l", "gone"])
    results.close()
    assert set(found) == {"a", "p", "l"}
    assert (found["a"].result, found["a"].done_at, found["a"].worker) == (
        "[1]",
        1795176000.0,
        "w1@h",
    )
    assert (found["p"].state, found["p"].result) == ("SUCCESS", None)
    assert found["p"].problem == "it is not JSON, and Umbel loads nothing else"
    assert found["l"].problem == "it is too large to be read"


def test_a_missing_database_file_is_not_created(tmp_path: Path) -> None:
    results = open_results(cluster_at("memory://"), f"db+sqlite:///{tmp_path}/none.db")
    assert results is not None
    with pytest.raises(ResultsUnavailable, match="cannot be read"):
        results.read(["a"])
    assert not (tmp_path / "none.db").exists()


def told(url: str | None, **options: Any) -> WorkerAnswer:
    conf: dict[str, Any] = {} if url is None else {"result_backend": url}
    return WorkerAnswer(hostname="w1@h", conf=conf | options)


def test_the_context_has_the_first_word_on_where_results_are() -> None:
    cluster = cluster_at("redis://h/0", result_backend="redis://r/1")
    assert find_backend(cluster, [told("redis://other/2")]).url == "redis://r/1"


def test_a_backend_without_a_password_is_learned_from_the_workers() -> None:
    backend = find_backend(cluster_at("redis://h/0"), [told("redis://r/1")])
    assert (backend.url, backend.why_not) == ("redis://r/1", "")


def test_a_hidden_password_is_the_brokers_where_the_server_is_the_same() -> None:
    cluster = cluster_at("redis://:pw@h:6379/0")
    assert find_backend(cluster, [told("redis://:********@h:6379/1")]).url == "redis://:pw@h:6379/1"


@pytest.mark.parametrize("told_url", ["redis://:********@r:6379/1", "redis://:***@r/1"])
def test_a_hidden_password_of_another_server_is_said_to_be_unknown(told_url: str) -> None:
    backend = find_backend(cluster_at("redis://:pw@h:6379/0"), [told(told_url)])
    assert backend.url is None
    assert "hide the password" in backend.why_not


def test_a_hidden_key_prefix_is_said_to_be_unknown() -> None:
    options = {"result_backend_transport_options": {"global_keyprefix": "********"}}
    backend = find_backend(cluster_at("redis://h/0"), [told("redis://r/1", **options)])
    assert "global_keyprefix" in backend.why_not


def test_where_nobody_tells_a_redis_broker_is_looked_at_and_the_guess_is_marked() -> None:
    backend = find_backend(cluster_at("redis://h/0"), [told(None)])
    assert (backend.url, backend.guessed, backend.why_not) == ("redis://h/0", True, "")


def test_where_nobody_tells_and_nothing_can_be_guessed_it_is_said() -> None:
    backend = find_backend(cluster_at("amqp://h//"), [told(None)])
    assert backend.url is None
    assert "no worker told where it stores them" in backend.why_not


def test_an_end_without_a_time_is_no_finding() -> None:
    assert result_finding(TaskResult(id="a", state="SUCCESS"), 5.0) is None
    event = result_finding(TaskResult(id="a", state="SUCCESS", result="1", done_at=4.0), 5.0)
    assert event is not None
    assert (event.type, event.at, event.result, event.result_exact) == (
        "umbel-succeeded",
        4.0,
        "1",
        True,
    )

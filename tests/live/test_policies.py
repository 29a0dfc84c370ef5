"""Retry policies on real workers with the agent, set by the command line while they run."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from celery import chain, chord, group

from harness.acting import Scene
from harness.policy_tasks import runs
from harness.waiting import wait_until
from harness.worker import Workers

pytestmark = pytest.mark.live

WAIT_S = 60.0
QUICK = ("--base-delay", "0.1", "--multiplier", "1", "--jitter", "0")
Path_ = Callable[[], str]


class Numbers(Protocol):
    def fresh_url(self) -> str: ...


@pytest.fixture(scope="module")
def scene(broker_numbers: Numbers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("policies")
    url = broker_numbers.fresh_url()
    workers = Workers(folder)
    try:
        with Scene(folder, url, workers) as scene:
            scene.site.recorder()
            start(scene, env={"HARNESS_LOOK_EVERY_S": "0"})
            yield scene
            print(scene.site.log(), workers.logs())
    finally:
        workers.stop()


def start(scene: Scene, **options: Any) -> None:
    scene.workers.start(
        scene.url, app="harness.policy_tasks:app", result_backend=scene.url, **options
    )


@pytest.fixture
def trace(tmp_path: Path) -> Path_:
    numbers = itertools.count()
    return lambda: str(tmp_path / f"trace-{next(numbers)}")


@pytest.fixture
def policy(scene: Scene) -> Iterator[Callable[..., dict[str, Any]]]:
    """Set a policy, which the worker follows at once; all are deleted again."""
    patterns = []

    def put(pattern: str, *words: str) -> dict[str, Any]:
        patterns.append(pattern)
        code, rows = scene.act("policy", "set", "retry", pattern, *QUICK, *words)
        assert code == 0, rows
        return rows[f"retry {pattern}"]

    yield put
    for pattern in patterns:
        scene.act("policy", "delete", "retry", pattern)


def send(scene: Scene, name: str, *args: Any, queue: str = "default") -> Any:
    return scene.app.send_task(f"policy.{name}", args, queue=queue)


def ended(result: Any) -> str:
    wait_until(lambda: result.state in ("SUCCESS", "FAILURE"), WAIT_S, lambda: result.state)
    return str(result.state)


def told(scene: Scene, task_id: str, state: str = "SUCCESS") -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        run = scene.site.inside("task", task_id, "--json")
        found: dict[str, Any] | None = run.json() if run.code == 0 else None
        return found if found is not None and found["state"] == state else None

    found = wait_until(look, WAIT_S, f"{task_id} to be {state} in history", every_s=0.2)
    assert found is not None
    return found


def test_of_failures_in_a_fifth_of_all_runs_three_retries_leave_less_than_a_twentieth(
    scene: Scene, policy: Callable[..., dict[str, Any]]
) -> None:
    said = policy("policy.flaky", "--exceptions", "OSError", "--max-retries", "3")
    assert said["outcome"] == "done"
    results = [send(scene, "flaky", number) for number in range(200)]
    states = [ended(result) for result in results]
    first = [n for n in range(200) if _fails(n, 0)]
    assert 20 < len(first) < 60
    recovered = sum(states[number] == "SUCCESS" for number in first)
    assert recovered / len(first) >= 0.95
    assert all(states[number] == "SUCCESS" for number in range(200) if number not in first)


def _fails(number: int, retries: int) -> bool:
    return zlib.crc32(f"{number} {retries}".encode()) % 5 == 0


def test_attempts_tell_the_policy_the_delay_and_the_reason(
    scene: Scene, policy: Callable[..., dict[str, Any]], trace: Path_
) -> None:
    policy("policy.pl*", "--exceptions", "ConnectionError", "--never", "BrokenPipeError")
    path = trace()
    result = send(scene, "plain", path, 2)
    assert ended(result) == "SUCCESS"
    assert runs(path) == 3
    task = told(scene, result.id)
    first, second, last = task["attempts"]
    for attempt in (first, second):
        assert (attempt["outcome"], attempt["policy"], attempt["delay_s"]) == (
            "RETRY",
            "policy.pl*",
            0.1,
        )
    assert first["exception"].startswith(f"ConnectionRefusedError: run 1 of {path}")
    assert (last["outcome"], "policy" in last) == ("SUCCESS", False)
    assert task["retries"] == 2


def test_what_no_policy_covers_fails_as_ever(
    scene: Scene, policy: Callable[..., dict[str, Any]], trace: Path_
) -> None:
    policy("policy.plain", "--exceptions", "OSError,KeyError", "--never", "LookupError")
    for error in ("value", "key"):
        path = trace()
        result = send(scene, "plain", path, 1, error)
        assert ended(result) == "FAILURE"
        assert runs(path) == 1
        assert "_retry_instead" not in result.traceback
    path = trace()
    spent = send(scene, "plain", path, 99)
    assert ended(spent) == "FAILURE"
    assert runs(path) == 4
    assert isinstance(spent.result, ConnectionRefusedError)


def test_a_task_that_retries_itself_keeps_its_own_limit(
    scene: Scene, policy: Callable[..., dict[str, Any]], trace: Path_
) -> None:
    policy("policy.*")
    for name in ("itself", "auto"):
        enough, spent = trace(), trace()
        assert ended(send(scene, name, enough, 1)) == "SUCCESS"
        assert ended(send(scene, name, spent, 9)) == "FAILURE"
        assert (runs(enough), runs(spent)) == (2, 2), name
    # What it does not retry itself is the policy's.
    path = trace()
    assert ended(send(scene, "auto", path, 2, "value")) == "SUCCESS"
    assert runs(path) == 3


def test_every_kind_of_task_is_retried_and_one_that_did_its_work_is_not(
    scene: Scene, policy: Callable[..., dict[str, Any]], trace: Path_
) -> None:
    policy("policy.*")
    for name in ("late", "based"):
        assert ended(send(scene, name, trace(), 1)) == "SUCCESS", name
    path = trace()
    silent = send(scene, "silent", path, 1)
    wait_until(lambda: runs(path) == 2, WAIT_S, "the second run")
    assert told(scene, silent.id)["attempts"][0]["policy"] == "policy.*"
    path = trace()
    assert ended(send(scene, "unstorable", path)) == "FAILURE"
    assert runs(path) == 1
    assert scene.redis.hlen("unacked") == 0


def test_a_chain_and_a_chord_go_on_over_a_retry_by_policy(
    scene: Scene, policy: Callable[..., dict[str, Any]], trace: Path_
) -> None:
    policy("policy.*")

    def task(name: str, *args: Any) -> Any:
        return scene.app.signature(f"policy.{name}", args=args, queue="default")

    steps = chain(
        task("plain", trace(), 1, "refused", 7), task("after", trace(), 1), app=scene.app
    ).apply_async()
    assert steps.get(timeout=WAIT_S) == 7
    header = group([task("plain", trace(), n, "refused", n) for n in range(3)], app=scene.app)
    body = chord(header, task("after", trace(), 1), app=scene.app).apply_async()
    assert body.get(timeout=WAIT_S) == [0, 1, 2]


def test_a_policy_counts_and_ends_within_five_seconds_and_stands_again_after_redis_lost_it(
    scene: Scene, trace: Path_
) -> None:
    start(scene, queues=["usual"])

    def is_retried() -> bool:
        return ended(send(scene, "plain", trace(), 1, queue="usual")) == "SUCCESS"

    assert not is_retried()
    code, rows = scene.act("policy", "set", "retry", "policy.plain", *QUICK, "--reason", "shaky")
    assert (code, rows["retry policy.plain"]["outcome"]) == (0, "done")
    wait_until(is_retried, 5, "the policy to count")
    scene.redis.delete("umbel:policies")
    wait_until(lambda: scene.redis.exists("umbel:policies"), WAIT_S, "the recorder to publish it")
    [listed] = scene.site.inside("policies", "--json").json()
    assert (listed["pattern"], listed["max_retries"], listed["jitter"]) == ("policy.plain", 3, 0.0)
    code, _ = scene.act("policy", "delete", "retry", "policy.plain", "--reason", "over")
    assert code == 0
    wait_until(lambda: not is_retried(), 5, "the policy to end")
    assert scene.site.inside("policies", "--json").json() == []
    acts = scene.audit("retry policy.plain")
    assert [(act[0], act[1], act[3]) for act in acts[-2:]] == [
        ("policy set", "done", "shaky"),
        ("policy delete", "done", "over"),
    ]

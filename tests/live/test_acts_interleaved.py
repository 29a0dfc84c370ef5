"""Acts at any moment of tasks' lives: nothing is lost, run twice, run though cancelled, or shown wrong.

``UMBEL_TEST_ACTS`` says how many acts (40), ``UMBEL_TEST_SEED`` which ones (7): 200 take about two minutes.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest

from harness.acting import Scene
from harness.agent_stream import AgentStream
from harness.waiting import wait_until
from umbel_agent.protocol import HELD_MESSAGES_KEY
from umbel_backend.acts.cancel import Canceller
from umbel_backend.acts.opening import at_work
from umbel_backend.acts.pace import Pace
from umbel_backend.acts.pause import Pauser
from umbel_backend.acts.resume import Resumer
from umbel_backend.acts.retry import Retrier
from umbel_backend.filters.parse import parse
from umbel_backend.settings import Context, Settings

pytestmark = pytest.mark.live

ACTS = int(os.environ.get("UMBEL_TEST_ACTS", "40"))
SEED = int(os.environ.get("UMBEL_TEST_SEED", "7"))
TASKS = 3 * ACTS
ENDS_S = 60 + TASKS / 4
"""Longest wait for all tasks to end; each takes a fifth of a second, and two run at once."""
TAKEN = ("Removed from queue", "It was held aside, and is taken away")


def test_acts_at_random_moments_lose_nothing_and_run_nothing_twice(
    scene: Scene, tmp_path: Path
) -> None:
    worker = scene.workers.start(
        scene.url,
        app="harness.acting_tasks:app",
        result_backend=scene.url,
        options=["--prefetch-multiplier", "4"],
    )
    AgentStream(scene.url).wait_announcement(worker.hostname)
    scene.site.recorder()
    chance = random.Random(SEED)
    traces = tmp_path / "traces"
    traces.mkdir()
    ids = [f"t{number}" for number in range(TASKS)]
    failing = set(chance.sample(ids, TASKS // 5))
    for task_id in ids:
        scene.app.send_task(
            "harness.acting.once",
            (str(traces), task_id in failing),
            queue="default",
            task_id=task_id,
            priority=chance.choice((0, 3, 6, 9)),
            countdown=chance.choice((None, None, None, 2)),
        )
    cancelled: set[str] = set()
    taken_away: set[str] = set()
    story: dict[str, list[str]] = {}
    frozen: set[str] = set()
    settings = Settings(
        context=Context(broker=scene.url, result_backend=scene.url, db=str(scene.site.file))
    )
    with at_work(settings) as (door, cluster):
        pauser, resumer = Pauser(door, cluster), Resumer(door, cluster)
        canceller, retrier = Canceller(door, cluster, 0.0), Retrier(door, cluster, twice=True)
        for _ in range(ACTS):
            some = chance.sample(ids, chance.randint(1, 12))
            verb = chance.choice((*["pause"] * 3, *["resume"] * 2, "cancel", "retry"))
            told: dict[str, Any] = {}
            if verb == "pause":
                # Of so many tasks few run at any moment, and these can be frozen.
                running = scene.active(worker.hostname) if chance.random() < 0.3 else {}
                some = list(dict.fromkeys([*some, *running]))
                told = dict(pauser.pause(some))
                frozen |= {i for i, o in told.items() if o.detail.startswith("Frozen")}
            elif verb == "resume":
                some = list(dict.fromkeys([*some, *sorted(frozen)]))
                told = dict(resumer.resume(some))
                frozen -= {i for i, o in told.items() if o.outcome == "done"}
            elif verb == "retry":
                some = [each for each in ids if each in failing or each in cancelled]
                some = chance.sample(some, min(3, len(some)))
                told = dict(retrier.retry(some, "", Pace(0)))
                for task_id, outcome in told.items():
                    if outcome.new_id is not None:
                        ids.append(outcome.new_id)
                        failing |= {outcome.new_id} if task_id in failing else set()
            else:
                some = some[:2]
                told = dict(canceller.cancel(some))
                cancelled |= {i for i, o in told.items() if o.outcome != "refused"}
                taken_away |= {i for i, o in told.items() if o.detail.startswith(TAKEN)}
            for task_id, outcome in told.items():
                story.setdefault(task_id, []).append(f"{verb}: {outcome.outcome}: {outcome.detail}")
            assert len(told) == len(some)
            assert not [o for o in told.values() if o.outcome == "unknown" and verb != "cancel"], (
                told
            )
        aside = resumer.matching(parse("state:PAUSED")).ids
        dict(resumer.resume(sorted({*aside, *frozen})))
        # Early in a test that is slow none may have failed yet.
        wait_until(lambda: scene.site.count("state = 'FAILURE'"), ENDS_S)
        [(failed,)] = scene.site.query("SELECT id FROM task WHERE state = 'FAILURE' LIMIT 1")
        [(_, outcome)] = retrier.retry([failed], "", Pace(0))
        assert outcome.new_id is not None, outcome
        ids.append(outcome.new_id)
        failing.add(outcome.new_id)
        for each in (pauser, resumer, canceller, retrier):
            each.close()
    ends = {i: "FAILURE" if i in failing else "SUCCESS" for i in ids if i not in cancelled}
    left = [*ends]
    wait_until(
        lambda: all(scene.state(task_id) == end for task_id, end in ends.items()),
        ENDS_S,
        lambda: {
            i: (scene.state(i), story.get(i)) for i, end in ends.items() if scene.state(i) != end
        },
        every_s=0.2,
    )
    runs = {i: (traces / i).read_text() if (traces / i).exists() else "" for i in ids}
    whole = "began\nended\n"
    assert {i: (runs[i], story.get(i)) for i in left if runs[i] != whole} == {}
    assert {i: (runs[i], story[i]) for i in taken_away if runs[i]} == {}
    # What was killed may have come as far as its last line, but nothing begins again.
    assert {i: (runs[i], story[i]) for i in cancelled if not whole.startswith(runs[i])} == {}
    assert scene.redis.hlen(HELD_MESSAGES_KEY) == 0
    assert not scene.waiting()
    wait_until(
        lambda: not shown_wrong(scene, ids),
        30,
        lambda: {i: (*each, story.get(i)) for i, each in shown_wrong(scene, ids).items()},
        every_s=0.5,
    )


def shown_wrong(scene: Scene, ids: list[str]) -> dict[str, tuple[str | None, str]]:
    """Return what history shows and what is stored of tasks of which these are not the same."""
    shown = dict(scene.site.query("SELECT id, state FROM task"))
    stored = {task_id: scene.state(task_id) for task_id in ids}
    return {i: (shown.get(i), stored[i]) for i in ids if shown.get(i) != stored[i]}

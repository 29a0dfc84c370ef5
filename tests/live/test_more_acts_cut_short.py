"""Acts that need no worker, killed after each of their steps: what is left is told, and finished."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa

from harness.acting import Scene
from harness.cut_short import cut_off, every_step, is_whole, outcome_of
from umbel_agent.protocol import FIELD, POLICIES_KEY, REVOKED, STREAM_KEY
from umbel_backend.acts.identity import whoami
from umbel_backend.acts.reassert import settle_holds
from umbel_backend.broker.cluster import Cluster
from umbel_backend.settings import Context

pytestmark = pytest.mark.live


def test_a_run_killed_after_any_step_is_sent_once_at_most_and_never_without_a_row(
    scene: Scene, database: sa.Engine
) -> None:
    seen: set[str] = set()

    def attempt(step: int) -> bool:
        scene.redis.delete("default")
        words = ("run", "harness.tasks.add", "--args", "[1, 2]", "--queue", "default")
        was_killed = cut_off(scene, database, step, *words)
        sent = [wire["headers"]["id"] for wire in scene.waiting()]
        rows = {
            row["target"]: row["outcome"]
            for row in scene.site.inside("audit", "action:run", "--json").json()
            if row["target"] not in seen
        }
        seen.update(rows)
        assert len(sent) <= len(rows) <= 1, step
        assert sent == [] or [*rows] == sent, step
        assert set(rows.values()) <= ({"done"} if sent else set()) | {"interrupted"}, (step, rows)
        assert was_killed or [*rows.values()] == ["done"]
        if sent:
            # It can be taken back like any other.
            assert scene.cancel(*sent)[1][sent[0]]["outcome"] == "done", step
            assert scene.waiting() == []
        return was_killed

    every_step(attempt)
    assert is_whole(scene)


def test_a_purge_killed_after_any_step_is_finished_by_the_next_one_or_by_the_recorder(
    scene: Scene, database: sa.Engine
) -> None:
    cluster = Cluster(Context(broker=scene.url))

    def purged() -> set[str]:
        """Return of which tasks the stream that history is made from says that they are REVOKED."""
        entries: Any = scene.redis.xrange(STREAM_KEY)
        told = [json.loads(fields[FIELD.encode()]) for _, fields in entries]
        return {each["uuid"] for each in told if each["type"] == REVOKED}

    def attempt(step: int) -> bool:
        queue = f"q{step}"
        scene.redis.flushdb()
        ids = {scene.send("add", n, 1, queue=queue, priority=3 * (n % 2)) for n in range(4)}
        was_killed = cut_off(scene, database, step, "queue", "purge", queue, "--yes")
        waits = len(scene.waiting(queue)) + len(scene.waiting(queue, step=3))
        taken_out: Any = scene.redis.keys("umbel:purged:*")
        outcome = outcome_of(scene, step, "queue purge", queue)
        # All of it is there, or none; and none is gone without a row.
        assert waits in (0, 4), step
        assert waits or outcome is not None, step
        assert waits or taken_out or purged() == ids, step
        assert (outcome == "done") <= (not waits and not taken_out), step
        later = scene.send("add", 1, 1, queue=queue) if not waits else None
        if step % 2 and not waits:
            # The recorder leaves what was begun a moment ago to whoever began it.
            settle_holds(cluster, database)
            assert len(scene.redis.keys("umbel:purged:*")) == len(taken_out), step
            for key in taken_out:
                scene.redis.expire(key, 86_000)
            settle_holds(cluster, database)
            assert [wire["headers"]["id"] for wire in scene.waiting(queue)] == [later]
        else:
            code, rows = scene.act("queue", "purge", queue, "--yes")
            assert (code, rows[queue]["outcome"]) == (0, "done"), (step, rows)
            assert scene.waiting(queue) == scene.waiting(queue, step=3) == []
        assert scene.redis.keys("umbel:purge*") == [], step
        assert purged() - {later} == ids, step
        return was_killed

    every_step(attempt)
    assert is_whole(scene)
    cluster.close()


def test_a_change_of_a_policy_killed_after_any_step_is_published_by_the_next_one(
    scene: Scene, database: sa.Engine
) -> None:
    def published() -> set[str]:
        text: Any = scene.redis.get(POLICIES_KEY)
        return {rule["pattern"] for rule in json.loads(text)["retry"]} if text else set()

    def stored() -> set[str]:
        return {row["pattern"] for row in scene.site.inside("policies", "--json").json()}

    def attempt_to_set(step: int) -> bool:
        pattern = f"shop{step}.*"
        was_killed = cut_off(scene, database, step, "policy", "set", "retry", pattern)
        outcome = outcome_of(scene, step, "policy set", f"retry {pattern}")
        assert (pattern in stored()) <= (outcome is not None), step
        assert (outcome == "done") <= (pattern in published()), step
        assert scene.site.inside("policy", "set", "retry", pattern).code == 0
        assert {pattern} <= published() == stored(), step
        return was_killed

    def attempt_to_delete(step: int) -> bool:
        pattern = f"depot{step}.*"
        assert scene.site.inside("policy", "set", "retry", pattern).code == 0
        was_killed = cut_off(scene, database, step, "policy", "delete", "retry", pattern)
        outcome = outcome_of(scene, step, "policy delete", f"retry {pattern}")
        assert (pattern not in stored()) <= (outcome is not None), step
        assert (outcome == "done") <= (pattern not in published()), step
        again = scene.site.inside("policy", "delete", "retry", pattern)
        assert again.code == 0 or "There is no retry policy" in again.err, step
        assert pattern not in published() == stored(), step
        return was_killed

    every_step(attempt_to_set)
    every_step(attempt_to_delete)
    assert is_whole(scene)


def test_a_change_of_a_role_killed_after_any_step_is_made_whole_or_not_at_all(
    scene: Scene, database: sa.Engine
) -> None:
    me = whoami().name
    assert scene.site.inside("operator", "add", me, "--role", "admin").code == 0

    def roles() -> dict[str, str]:
        listed = scene.site.inside("operators", "--json").json()
        return {row["name"]: row["role"] for row in listed if row["name"] != me}

    def attempt(step: int) -> bool:
        name = f"ada{step}"
        added = cut_off(scene, database, step, "operator", "add", name, "--role", "operator")
        outcome = outcome_of(scene, step, "operator add", name)
        assert roles() in ({}, {name: "operator"}), step
        assert (name in roles()) <= (outcome is not None), step
        assert (outcome == "done") <= (name in roles()), step
        assert scene.site.inside("operator", "add", name, "--role", "operator").code == 0
        removed = cut_off(scene, database, step, "operator", "remove", name)
        outcome = outcome_of(scene, step, "operator remove", name)
        assert (name not in roles()) <= (outcome is not None), step
        assert (outcome == "done") <= (name not in roles()), step
        again = scene.site.inside("operator", "remove", name)
        assert again.code == 0 or f"No operator is called '{name}'" in again.err, step
        assert roles() == {}, step
        return added or removed

    every_step(attempt, least=4)
    assert is_whole(scene)

"""The console's way to acts on a real server and database: what it finds out, does and reads back."""

from __future__ import annotations

import asyncio
import csv
import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import redis

from harness.tasks import client
from harness.waiting import wait_until
from umbel_backend.acts.opening import open_door
from umbel_backend.acts.operators import change_operator
from umbel_backend.acts.outcome import Outcome
from umbel_backend.acts.roles import Role
from umbel_backend.db import migrations
from umbel_backend.db.changes import Changes
from umbel_backend.db.engine import database_url, open_engine
from umbel_backend.db.writer import Writer
from umbel_backend.errors import NotPermitted
from umbel_backend.filters import parse
from umbel_backend.policies.retry import RetryPolicy
from umbel_backend.records import TaskRecord
from umbel_backend.settings import Context, Settings
from umbel_console.acting import Outlook, TaskOrder, Wanted
from umbel_console.acting_live import LiveActs
from umbel_console.auditing_live import LiveAuditTrail

pytestmark = pytest.mark.live


@pytest.fixture
def settings(tmp_path: Path, broker_url: str) -> Settings:
    return Settings(context=Context(broker=broker_url, db=str(tmp_path / "umbel.db")))


@pytest.fixture
def acts(settings: Settings) -> Iterator[LiveActs]:
    url = database_url(settings.context.db, settings.context.broker)
    engine = open_engine(url)
    migrations.upgrade(engine)
    engine.dispose()
    acts = LiveActs(settings)
    yield acts
    acts.close()


@pytest.fixture
def trail(acts: LiveActs, settings: Settings) -> Iterator[LiveAuditTrail]:
    trail = LiveAuditTrail(settings)
    yield trail
    trail.close()


def looked(acts: LiveActs, wanted: Wanted) -> Outlook:
    """Return what would come of an act."""
    return asyncio.run(acts.outlook(wanted))


def done(acts: LiveActs, wanted: Wanted, *ids: str, reason: str = "") -> dict[str, Outcome]:
    """Act, and return what was seen of each target."""
    job = acts.begin(wanted, ids or list(wanted.ids), reason)
    wait_until(lambda: job.is_over, 60, "the act to end")
    assert job.problem is None
    return dict(job.take())


def sent(url: str, count: int, queue: str = "default") -> list[str]:
    sender = client(url)
    ids = [str(sender.send_task("harness.tasks.add", (n, 1), queue=queue).id) for n in range(count)]
    sender.close()
    return ids


def test_cancelling_says_where_tasks_are_and_empties_the_queue_in_one_batch(
    acts: LiveActs, trail: LiveAuditTrail, broker_url: str
) -> None:
    ids = sent(broker_url, 3)
    begun = asyncio.run(trail.news(None))
    found = looked(acts, Wanted(verb="cancel", ids=ids))
    assert [(line.count, line.words) for line in found.lines] == [
        (3, "waiting: removed from default")
    ]
    assert found.doable == 3
    outcomes = done(acts, Wanted(verb="cancel", ids=ids), reason="wrong rows")
    assert {each.outcome for each in outcomes.values()} == {"done"}
    assert redis.Redis.from_url(broker_url).llen("default") == 0
    news = asyncio.run(trail.news(begun.entry))
    assert [row.target for row in news.rows] == ids
    assert {row.batch for row in news.rows} == {news.rows[0].batch}
    assert news.standing is not None
    assert news.standing.role == "admin"


def test_everything_that_matches_is_found_in_the_queues_too(
    acts: LiveActs, broker_url: str
) -> None:
    ids = sent(broker_url, 4, queue="reports")
    wanted = Wanted(verb="cancel", chosen=parse("queue:reports"))
    found = looked(acts, wanted)
    assert sorted(found.ids) == sorted(ids)


def test_a_job_that_is_stopped_begins_no_further_batch(
    acts: LiveActs, trail: LiveAuditTrail, settings: Settings
) -> None:
    url = database_url(settings.context.db, settings.context.broker)
    engine = open_engine(url)
    ended = [
        TaskRecord(id=f"t{n}", name="a", state="FAILURE", state_at=time.time(), finished_at=1.0)
        for n in range(5)
    ]
    Writer(engine).write(Changes(tasks=ended))
    engine.dispose()
    # With one task a minute the second one waits, and the stop is to end the wait.
    wanted = Wanted(verb="retry", ids=[record.id for record in ended], rate=1)
    job = acts.begin(wanted, wanted.ids, "")
    told = [*wait_until(job.take, 30, "the first outcome")]
    began_at = time.monotonic()
    job.stop()
    wait_until(lambda: job.is_over, 20, "the job to end")
    assert time.monotonic() - began_at < 15
    told += job.take()
    assert [target for target, _ in told] == ["t0"]
    assert told[0][1].outcome == "refused"
    assert asyncio.run(trail.total("action:retry")).count == 1


def test_a_task_is_run_and_its_id_is_known_at_once(
    acts: LiveActs, trail: LiveAuditTrail, broker_url: str
) -> None:
    order = TaskOrder(name="harness.tasks.add", args=[1, 2], kwargs={}, queue="default", priority=0)
    wanted = Wanted(verb="run", ids=[order.name], order=order)
    found = looked(acts, wanted)
    assert found.lines[0].words == "to queue default"
    [outcome] = done(acts, wanted).values()
    assert outcome.outcome == "done"
    stored = redis.Redis.from_url(broker_url).lrange("default", 0, -1)
    assert [json.loads(each)["headers"]["id"] for each in stored] == [outcome.new_id]
    assert asyncio.run(trail.rows("action:run", None, 10)).rows[0].target == outcome.new_id


def test_a_policy_is_set_listed_and_deleted(acts: LiveActs, trail: LiveAuditTrail) -> None:
    policy = RetryPolicy(pattern="harness.*", exceptions=("ConnectionError",))
    wanted = Wanted(verb="policy set", ids=["retry harness.*"], policy=policy)
    assert looked(acts, wanted).lines[0].words.startswith("up to 3 retries of ConnectionError")
    [outcome] = done(acts, wanted).values()
    assert outcome.outcome == "done"
    [listed] = asyncio.run(acts.policies())
    assert (listed.pattern, listed.exceptions) == ("harness.*", ("ConnectionError",))
    done(acts, Wanted(verb="policy delete", ids=["retry harness.*"], policy=listed))
    assert asyncio.run(acts.policies()) == []
    actions = [row.action for row in asyncio.run(trail.rows("kind:policy", None, 10)).rows]
    assert actions == ["policy delete", "policy set"]


def test_a_queue_is_purged_and_one_that_nobody_knows_is_refused(
    acts: LiveActs, broker_url: str
) -> None:
    sent(broker_url, 5, queue="reports")
    [outcome] = done(acts, Wanted(verb="queue purge", ids=["reports"])).values()
    assert outcome.outcome == "done"
    assert redis.Redis.from_url(broker_url).llen("reports") == 0
    [outcome] = done(acts, Wanted(verb="queue pause", ids=["nowhere"])).values()
    assert outcome.outcome == "refused"
    assert "nowhere" in outcome.detail


def test_a_viewer_is_refused_by_every_question_and_that_is_in_the_audit(
    acts: LiveActs, trail: LiveAuditTrail, settings: Settings
) -> None:
    with open_door(settings) as door:
        change_operator(door, "somebody-else", Role.ADMIN)
    assert asyncio.run(acts.refusal("cancel", ["t1"], "task")) is not None
    with pytest.raises(NotPermitted):
        looked(acts, Wanted(verb="retry", ids=["t1"]))
    job = acts.begin(Wanted(verb="cancel", ids=["t1"]), ["t1"], "")
    wait_until(lambda: job.is_over, 30, "the job to end")
    assert "viewer" in (job.problem or "")
    found = asyncio.run(trail.rows("outcome:refused target:t1", None, 10)).rows
    assert [row.action for row in found] == ["cancel", "retry", "cancel"]
    standing = asyncio.run(trail.news(None)).standing
    assert standing is not None
    assert standing.role == "viewer"


def test_the_audit_is_paged_counted_verified_and_exported(
    acts: LiveActs, trail: LiveAuditTrail, tmp_path: Path
) -> None:
    ids = [f"t{n}" for n in range(7)]
    done(acts, Wanted(verb="cancel", ids=ids))
    first = asyncio.run(trail.rows("action:cancel", None, 5))
    rest = asyncio.run(trail.rows("action:cancel", first.rows[-1].id, 5))
    assert [row.target for row in (*first.rows, *rest.rows)] == ids[::-1]
    assert (first.more, rest.more) == (True, False)
    assert asyncio.run(trail.total("action:cancel")).count == 7
    assert asyncio.run(trail.verify()).fault is None
    for format in ("csv", "jsonl", "json"):
        path = tmp_path / f"audit.{format}"
        export = trail.export("target:t1,t2", path, format, replace=False)
        wait_until(partial(getattr, export, "is_over"), 20, "the export to end")
        assert export.problem is None
        text = path.read_text()
        if format == "csv":
            rows = list(csv.DictReader(text.splitlines()))
        else:
            rows = json.loads(text) if format == "json" else [*map(json.loads, text.splitlines())]
        assert [row["target"] for row in rows] == ["t2", "t1"]

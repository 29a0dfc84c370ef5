"""What tasks take, asked of the agents of real workers, before one of them is run."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa

from harness.acting import Scene
from harness.agent_stream import AgentStream
from harness.records import a_task
from harness.waiting import wait_until
from umbel_backend.db.changes import Changes
from umbel_backend.db.writer import Writer
from umbel_backend.settings import Context, Settings
from umbel_console.acting import TaskOrder, Wanted
from umbel_console.acting_live import LiveActs

pytestmark = pytest.mark.live

TAKES = "harness.acting.rows(file: str, until: int)"


def test_arguments_that_do_not_fit_are_told_before_a_task_is_run(
    scene: Scene, database: sa.Engine, tmp_path: Path
) -> None:
    with_agent = scene.workers.start(
        scene.url, app="harness.acting_tasks:app", result_backend=scene.url
    )
    AgentStream(scene.url).wait_announcement(with_agent.hostname)
    without = scene.workers.start(scene.url, queues=["reports"])
    run = scene.site.inside("run", "harness.acting.rows", "--args", '["f"]', "--dry-run", "--json")
    assert [row["signature"] for row in run.json()] == [TAKES]
    assert "It would probably fail: it needs 'until'. It takes (file: str, until: int)." in run.err

    words = ["run", "harness.acting.rows", "--kwargs", '{"file": "f", "untill": 0}']
    refused = scene.site.inside(*words)
    assert (refused.code, refused.out) == (2, "")
    assert "it has no argument 'untill'; it has 'until'" in refused.err
    assert "--yes does it all the same" in refused.err
    settings = Settings(context=Context(broker=scene.url, db=str(scene.site.file)))
    acts = LiveActs(settings)
    try:
        [found] = asyncio.run(acts.signatures("harness.acting.rows"))
        assert (found.workers, found.is_rule) == ((with_agent.hostname,), True)
        assert found.words.startswith("Append a line to ``file``")
        assert asyncio.run(acts.signatures("nobody.knows.it")) == []
        order = TaskOrder(name="harness.acting.rows", args=[], kwargs={})
        outlook = asyncio.run(acts.outlook(Wanted(verb="run", ids=[order.name], order=order)))
        assert outlook.lines[1].words == "It would probably fail: it needs 'file', 'until'."
    finally:
        acts.close()
    assert scene.waiting() == []

    fits = scene.site.inside(
        "run", "harness.acting.rows", "--args", f'["{tmp_path / "trace"}", 1]', "--queue", "default"
    )
    assert fits.code == 0, fits.err
    wait_until(lambda: scene.state(fits.out.strip()) == "SUCCESS", 20)
    forced = scene.site.inside(*words, "--yes", "--queue", "default")
    assert (forced.code, "it has no argument 'untill'" in forced.err) == (0, True)
    wait_until(lambda: scene.state(forced.out.strip()) == "FAILURE", 20)

    # What the editor of a retry tells, the command line tells too.
    failed = "rows-that-failed"
    known = a_task(failed, "FAILURE", name="harness.acting.rows", queue="default")
    Writer(database).write(Changes(tasks=[known]))
    words = ["retry", failed, "--args", '["f"]', "--kwargs", "{}"]
    planned = scene.site.inside(*words, "--dry-run")
    assert (
        planned.code,
        f"It takes {TAKES.removeprefix('harness.acting.rows')}." in planned.err,
    ) == (0, True)
    refused = scene.site.inside(*words)
    assert (refused.code, refused.out) == (2, "")
    assert "It would probably fail: it needs 'until'." in refused.err
    assert "--yes does it all the same" in refused.err
    assert scene.audit(failed) == []
    again = scene.site.inside(*words, "--yes", "--json")
    assert (again.code, "it needs 'until'" in again.err) == (0, True)
    wait_until(lambda: scene.state(again.json()[0]["new_id"]) == "FAILURE", 20)
    # A worker without the agent was not bothered with a command that it does not know.
    assert "No such control command" not in without.log()

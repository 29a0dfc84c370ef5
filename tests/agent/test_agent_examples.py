"""The sites in ``examples/``, started as their documents say."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest
from celery import Celery

from harness.agent_stream import AgentStream
from harness.worker import Worker, Workers
from umbel_agent import protocol

pytestmark = pytest.mark.live
ROOT = Path(__file__).resolve().parent.parent.parent
SITES = ROOT / "examples"
LIFE = ["umbel-message", "task-received", "task-started"]


def _site(name: str, workers: Workers, url: str) -> Worker:
    """Start a worker of a site; only the broker is named from outside."""
    return workers.start(
        url,
        app="shop",
        cwd=SITES / name,
        queues=["shop"],
        events=False,
        concurrency=1,
        env={"CELERY_BROKER_URL": url, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def _sender(url: str) -> Celery:
    sender = Celery("sender", broker=url, set_as_current=False)
    sender.conf.task_default_queue = "shop"
    return sender


def _lifecycle(stream: AgentStream, task_id: str) -> list[str]:
    own = (protocol.LOG, protocol.PROGRESS)
    return [type for type in stream.types(task_id) if type not in own]


def test_a_django_site_with_one_line_more_tells_everything(
    broker_url: str, workers: Workers
) -> None:
    worker = _site("django_site", workers, broker_url)
    stream = AgentStream(broker_url)
    amounts = [1.5, 2.25]
    sent = _sender(broker_url).send_task("shop.tasks.pay_out", ("ann", "DE02 1203", amounts))
    named = _sender(broker_url).send_task(
        "shop.tasks.pay_out", kwargs={"customer": "bob", "amounts": []}
    )
    done = stream.wait_for(sent.id, "task-succeeded")[0]
    assert done["result"] == "3.75"
    assert _lifecycle(stream, sent.id) == [*LIFE, "task-succeeded"]
    assert stream.wait_lines(sent.id, 2) == ["paying 1.50 to ann", "paying 2.25 to ann"]
    assert stream.of(sent.id, protocol.PROGRESS)[-1]["current"] == 2
    # The site's own list of names is obeyed, for a value without a name too.
    received = stream.of(sent.id, "task-received")[0]
    assert received["args"] == "('ann', '***', [1.5, 2.25])"
    assert stream.of(sent.id, protocol.MESSAGE)[0]["withheld"] == protocol.WITHHELD_SECRET
    assert not any("DE02" in json.dumps(entry) for entry in stream.entries())
    stream.wait_for(named.id, "task-failed")
    kept = stream.of(named.id, protocol.MESSAGE)[0]
    assert json.loads(base64.b64decode(kept["body"]))[1] == {"customer": "bob", "amounts": []}
    assert stream.wait_announcement(worker.hostname)["pool"] == "prefork"


def test_a_flask_site_with_one_line_more_tells_everything(
    broker_url: str, workers: Workers
) -> None:
    worker = _site("flask_site", workers, broker_url)
    stream, sender = AgentStream(broker_url), _sender(broker_url)
    well, badly = (sender.send_task("shop.invoice", (number,)).id for number in (7, -1))
    assert stream.wait_for(well, "task-succeeded")[0]["result"] == "'7 EUR'"
    stream.wait_for(badly, "task-failed")
    assert _lifecycle(stream, well) == [*LIFE, "task-succeeded"]
    assert stream.wait_lines(well, 1) == ["invoice of order 7"]
    # The site keeps the messages of tasks that fail.
    assert stream.of(well, protocol.MESSAGE)[0]["withheld"] == protocol.WITHHELD_FAILED
    kept = stream.wait_for(badly, protocol.MESSAGE, count=2)[1]
    assert json.loads(base64.b64decode(kept["body"]))[0] == [-1]
    assert stream.wait_announcement(worker.hostname)["messages"] == "failed"


def test_the_document_shows_the_sites_as_they_are() -> None:
    """What docs/agent.md quotes after naming a file of an example is in that file, line by line."""
    text = (ROOT / "docs" / "agent.md").read_text(encoding="utf-8")
    quoted = re.findall(r"\]\(\.\./(examples/[\w/.]+)\):?\n\n```python\n(.*?)```", text, re.DOTALL)
    assert {name.split("/")[1] for name, _ in quoted} == {"django_site", "flask_site"}
    for name, code in quoted:
        assert code in (ROOT / name).read_text(encoding="utf-8"), name


@pytest.mark.parametrize("site", ["django_site", "flask_site"])
def test_an_example_takes_one_import_and_one_call(site: str) -> None:
    lines = [
        line.strip()
        for file in (SITES / site).rglob("*.py")
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    assert sum(line.startswith("umbel_agent.install(") for line in lines) == 1

"""Nobody watches for a minute of load: is every task of that minute in history, complete, with its lines?

    export PYTHONPATH=tests
    python -m bench.agent_absence                        about 2 minutes
    python -m bench.agent_absence --seconds 10 --per-minute 600

A prefork worker with the agent and results, and a recorder over a broker of their own. The recorder is
stopped; then tasks are sent at an even rate: early and late acknowledged, some that fail, retry, write
lines, are revoked or expire. When all have ended the recorder is started, and every row it wrote is held
against what was sent and what the result backend says. Exit code 0 in any case: read the table.
"""

from __future__ import annotations

import argparse
import json
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from bench.figures import Row, print_rows
from celery import Celery

from harness.recorder import Site
from harness.tasks import client
from harness.waiting import wait_until
from harness.worker import Workers
from umbel_agent import protocol
from umbel_backend import states
from umbel_backend.db.engine import database_url, open_engine
from umbel_backend.db.query import run
from umbel_backend.db.statements import gaps, logs, messages, tasks
from umbel_backend.demo.server import EmbeddedServer
from umbel_backend.records import TaskRecord

APP = "harness.agent_tasks:app"
LINES = 20
RETRIES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One task of the minute, and what must be known of it afterwards."""

    kind: str
    id: str
    name: str
    args: tuple[Any, ...]
    state: str
    late: bool = False
    lines: int = 0
    retries: int = 0
    runs: bool = True
    """Whether it was started at all."""


class Minute:
    """Sends the tasks of the time in which nobody watches."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self.sent: list[Sent] = []

    def send(self, number: int) -> None:
        """Send the next task; one in ten of each odd kind."""
        kinds: tuple[Callable[[int], Sent], ...] = (
            self._early,
            self._late,
            self._early,
            self._failing,
            self._late,
            self._retrying,
            self._talking,
            self._early,
            self._revoked,
            self._expired,
        )
        self.sent.append(kinds[number % len(kinds)](number))

    def _task(
        self, kind: str, name: str, *args: Any, state: str = states.SUCCESS, **more: Any
    ) -> Sent:
        options = more.pop("options", {})
        task_id = str(self._app.send_task(name, args, **options).id)
        return Sent(kind=kind, id=task_id, name=name, args=args, state=state, **more)

    def _early(self, number: int) -> Sent:
        return self._task("early", "harness.tasks.echo", number, "ünï" * 400, {"a": [None, 1.5]})

    def _late(self, number: int) -> Sent:
        return self._task("late", "harness.agent.late", 0.01, f"/no/such/file/{number}", late=True)

    def _failing(self, number: int) -> Sent:
        return self._task("failing", "harness.tasks.fail", f"row {number}", state=states.FAILURE)

    def _retrying(self, number: int) -> Sent:
        args = (RETRIES, "succeed", 0.3)
        return self._task("retrying", "harness.tasks.retry", *args, retries=RETRIES)

    def _talking(self, number: int) -> Sent:
        return self._task("writing lines", "harness.agent.flood", LINES, number % 50, lines=LINES)

    def _revoked(self, number: int) -> Sent:
        options = {"countdown": 2}
        sent = self._task(
            "revoked",
            "harness.tasks.add",
            number,
            1,
            state=states.REVOKED,
            runs=False,
            options=options,
        )
        self._app.control.revoke(sent.id)
        return sent

    def _expired(self, number: int) -> Sent:
        options = {"expires": -1}
        return self._task(
            "expired",
            "harness.tasks.add",
            number,
            2,
            state=states.REVOKED,
            runs=False,
            options=options,
        )


class History:
    """What a recorder stored, and what is missing in it."""

    def __init__(self, site: Site) -> None:
        self._engine = open_engine(database_url(str(site.file), site.broker_url), read_only=True)

    def ask(self, query: Any) -> Any:
        """Run a statement."""
        return run(self._engine, query)

    def faults(self, sent: Sent, record: TaskRecord | None) -> list[str]:
        """Return what is wrong or missing of one task, in a word each."""
        if record is None:
            return ["not there"]
        wrong = {
            "state": record.state != sent.state,
            "name": record.name != sent.name,
            "received": record.received_at is None,
            "started": (record.started_at is None) is sent.runs,
            "finished": record.finished_at is None,
            "worker": record.worker is None,
            "queue": record.queue != "default",
            "acks late": sent.runs and bool(record.acks_late) is not sent.late,
            "arguments": not _has_args(record, sent),
            "runtime": sent.state == states.SUCCESS and record.runtime_s is None,
            "result": sent.state == states.SUCCESS and record.result is None,
            "exception": sent.state == states.FAILURE
            and (
                not record.exception or not record.traceback or sent.args[0] not in record.exception
            ),
            "attempts": [each.outcome for each in record.attempts] != ["RETRY"] * sent.retries,
            "retries": (record.retries or 0) != sent.retries,
            "message": not self._has_message(sent),
            "lines": self._numbers(sent) != [str(number) for number in range(sent.lines)],
        }
        return [name for name, is_wrong in wrong.items() if is_wrong]

    def _has_message(self, sent: Sent) -> bool:
        kept = self.ask(messages.of_task(sent.id))
        if kept is None or kept.body is None:
            return False
        return bool(json.loads(kept.body)[0] == list(sent.args))

    def _numbers(self, sent: Sent) -> list[str]:
        if not sent.lines:
            return []
        return [line.text.split()[0] for line in self.ask(logs.last(sent.id, 10_000))]


def _has_args(record: TaskRecord, sent: Sent) -> bool:
    return record.args_exact and json.loads(record.args or "null") == list(sent.args)


def absence(server: EmbeddedServer, folder: Path, seconds: int, per_minute: int) -> list[Row]:
    """Let a minute go by unwatched, and compare."""
    url = server.url(0)
    broker: Any = redis.Redis.from_url(url)
    workers, site = Workers(folder), Site(folder, url, url)
    app = client(url, url)
    minute = Minute(app)
    try:
        workers.start(url, app=APP, events=False, result_backend=url, concurrency=2)
        recorder = site.recorder()
        app.send_task("harness.tasks.add", (1, 2))
        wait_until(lambda: site.count("state = 'SUCCESS'") == 1, 60, site.log)
        recorder.send_signal(signal.SIGTERM)
        recorder.wait(30)
        off_at = time.monotonic()
        for number in range(seconds * per_minute // 60):
            minute.send(number)
            time.sleep(max(0.0, off_at + (number + 1) * 60 / per_minute - time.monotonic()))
        wait_until(
            lambda: not _unended(broker, minute.sent),
            300,
            lambda: f"the tasks to end; {_unended(broker, minute.sent)} have not",
            every_s=0.5,
        )
        off_s = time.monotonic() - off_at
        on_at = time.monotonic()
        site.recorder()
        wait_until(lambda: _is_read(broker), 300, site.log, every_s=0.1)
        ended = f"state IN {(*states.READY,)}"
        wait_until(lambda: site.count(ended) > len(minute.sent), 120, site.log, every_s=0.1)
        read_s = time.monotonic() - on_at
        return _compared(History(site), minute.sent, off_s, read_s)
    finally:
        site.stop()
        workers.stop()


def _unended(broker: Any, sent: list[Sent]) -> Counter[str]:
    """Return of which kinds how many tasks have no final result yet."""
    results = broker.mget([f"celery-task-meta-{each.id}" for each in sent])
    told = [json.loads(each)["status"] if each else None for each in results]
    return Counter(
        each.kind for each, state in zip(sent, told, strict=True) if state not in states.READY
    )


def _is_read(broker: Any) -> bool:
    groups = broker.xinfo_groups(protocol.STREAM_KEY)
    return bool(groups) and not sum(each["pending"] + (each["lag"] or 0) for each in groups)


def _compared(history: History, sent: list[Sent], off_s: float, read_s: float) -> list[Row]:
    found = history.ask(tasks.by_ids([each.id for each in sent]))
    faults = {each.id: history.faults(each, found.get(each.id)) for each in sent}
    wrong: dict[str, Counter[str]] = {}
    for each in sent:
        wrong.setdefault(each.kind, Counter()).update(faults[each.id])
    total = Counter(each.kind for each in sent)
    rows = []
    for kind, count in total.items():
        whole = sum(1 for each in sent if each.kind == kind and not faults[each.id])
        said = ", ".join(f"{name} {number}" for name, number in wrong[kind].items())
        rows.append(
            Row(
                what=f"{kind}: whole in history",
                ours=f"{whole} of {count}" + (f" ({said})" if said else ""),
                bar="all",
                met=whole == count,
            )
        )
    noted = "; ".join(gap.reason for gap in history.ask(gaps.newest()))
    rows.append(Row(what=f"gap noted for {off_s:.0f} s", ours=noted or "none"))
    rows.append(Row(what=f"read and stored {len(sent)} tasks in", ours=f"{read_s:.1f} s"))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=60, help="how long nobody watches; 60")
    parser.add_argument("--per-minute", type=int, default=1_000, help="tasks a minute; 1,000")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedServer(Path(folder) / "server", append_only=False) as server,
    ):
        rows = absence(server, Path(folder), options.seconds, options.per_minute)
        print_rows("Recorder and consoles off", rows)


if __name__ == "__main__":
    main()

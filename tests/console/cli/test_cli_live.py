"""The commands against a real worker, a real recorder and what the worker's own log says."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.cluster import Cluster
from harness.command import UMBEL, Run, home_environment, run_inside, run_umbel
from harness.waiting import wait_until
from umbel_backend import wire

pytestmark = pytest.mark.live


@dataclass(frozen=True)
class Site:
    """A cluster with a recorder, and the ways to look at it."""

    cluster: Cluster
    folder: Path
    environment: dict[str, str]

    def umbel(self, *words: str) -> Run:
        return run_inside(*words, environment=self.environment, cwd=self.folder)

    def process(self, *words: str) -> Run:
        return run_umbel(*words, environment=self.environment, cwd=self.folder)

    def tasks(self, *words: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.umbel("tasks", "--json", *words).json()
        return found

    def ended(self, task_id: str) -> dict[str, Any]:
        """Wait until the task's end is in history and return it."""
        found = wait_until(
            lambda: [t for t in self.tasks(f"id:{task_id}") if t["finished_at"]],
            20,
            f"{task_id} to end",
            every_s=0.2,
        )
        return found[0]

    def recorder(self, *words: str) -> subprocess.Popen[str]:
        log = (self.folder / "recorder.log").open("a")
        return subprocess.Popen(
            [UMBEL, "recorder", *words],
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stderr=log,
            text=True,
        )

    def log(self) -> str:
        return (self.folder / "recorder.log").read_text()


@pytest.fixture(scope="module")
def site(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    site = Site(
        cluster,
        folder,
        {
            **home_environment(folder),
            "UMBEL_BROKER": cluster.broker_url,
            "UMBEL_RESULT_BACKEND": cluster.backend_url,
            "UMBEL_DB": "history.db",
        },
    )
    recorder = site.recorder()
    try:
        wait_until(lambda: "recording" in site.log(), 20, site.log)
        yield site
    finally:
        recorder.send_signal(signal.SIGTERM)
        recorder.wait(20)


def test_history_tells_the_same_as_the_workers_own_log(site: Site) -> None:
    added = site.cluster.send("add", 20, 22, queue="reports").id
    failed = site.cluster.send("fail", "no\x1b[31m luck").id
    done, broken = site.ended(added), site.ended(failed)

    wait_until(lambda: f"[{failed}] raised" in site.cluster.worker.log(), 10, "the worker's log")
    log = site.cluster.worker.log()
    succeeded = re.search(rf"add\[{added}\] succeeded in ([\d.e-]+)s: (\d+)", log)
    assert succeeded is not None
    assert (done["name"], done["state"]) == ("harness.tasks.add", "SUCCESS")
    assert done["runtime_s"] == pytest.approx(float(succeeded[1]))
    assert str(done["result"]) == succeeded[2] == "42"
    assert done["worker"] == site.cluster.worker.hostname
    assert done["args"] in ([20, 22], "(20, 22)", "[20, 22]")
    assert done["queue"] == "reports"
    assert broken["state"] == "FAILURE"
    assert "luck" in broken["exception"]
    assert "Traceback" in broken["traceback"]
    assert tuple(done) == wire.TASK_FIELDS


def test_one_task_is_an_object_and_its_ids_beginning_will_do(site: Site) -> None:
    task_id = site.cluster.send("add", 1, 2).id
    listed = site.ended(task_id)
    assert site.umbel("task", task_id, "--json").json() == listed
    assert site.umbel("task", task_id[:13], "--json").json() == listed
    shown = site.umbel("task", task_id)
    assert shown.code == 0
    assert task_id in shown.out
    assert "SUCCESS" in shown.out


def test_an_unknown_id_is_exit_code_1(site: Site) -> None:
    run = site.umbel("task", "no-such-task", "--json")
    assert (run.code, run.out) == (1, "")
    assert "knows no task 'no-such-task'" in run.err


def test_task_data_never_reaches_the_terminal_raw(site: Site) -> None:
    task_id = site.cluster.send("fail", "\x1b]0;owned\x07 \x9b31m [bold]markup[/]").id
    site.ended(task_id)
    for words in (("tasks",), ("task", task_id), ("tasks", "--json"), ("export", "-")):
        run = site.umbel(*words)
        assert run.code == 0
        assert not set(run.out) & set("\x1b\x07\x9b"), words
    assert "[bold]markup[/]" in site.umbel("task", task_id).out


def test_a_terminal_that_is_not_utf8_gets_escapes_instead_of_an_error(site: Site) -> None:
    task_id = site.cluster.send("echo", "naïve 🌱").id
    site.ended(task_id)
    plain = {**site.environment, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for words in (("tasks",), ("task", task_id), ("workers",), ("queues",), ("task", "none")):
        run = run_umbel(*words, environment=plain, cwd=site.folder)
        assert run.out.isascii()
        assert run.err.isascii()
        assert "unforeseen" not in run.err
        assert "foresee" not in run.err
    found = run_umbel("task", task_id, "--json", environment=plain, cwd=site.folder)
    assert "🌱" in json.dumps(found.json(), ensure_ascii=False)


def test_filters_and_limits_hold(site: Site) -> None:
    ids = [site.cluster.send("echo", "limit").id for _ in range(3)]
    for each in ids:
        site.ended(each)
    run = site.umbel("tasks", "--limit", "2", "--json", "name:*.echo")
    assert len(run.json()) == 2
    assert "--limit shows more" in run.err
    assert all(t["state"] == "SUCCESS" for t in site.tasks("--", "-state:FAILURE", "name:*"))


def test_workers_are_asked_now(site: Site) -> None:
    hostname = site.cluster.worker.hostname
    site.ended(site.cluster.send("add", 1, 1).id)
    [worker] = site.umbel("workers", "--json").json()
    assert 0 < worker["p95_runtime_s"] < 60
    assert tuple(worker) == wire.WORKER_FIELDS
    assert (worker["hostname"], worker["status"]) == (hostname, "online")
    assert (worker["pool"], worker["concurrency"]) == ("prefork", 2)
    assert set(worker["queues"]) == {"default", "reports"}
    shown = site.umbel("worker", "show", hostname.partition("@")[0], "--json").json()
    assert shown["hostname"] == hostname
    assert site.umbel("worker", "show", "nobody").code == 1


def test_queues_are_measured_now_and_their_messages_listed_in_order(site: Site) -> None:
    sent = [site.cluster.send("add", n, 0, queue="nobody-reads", priority=3).id for n in range(5)]
    queues = {queue["name"]: queue for queue in site.umbel("queues", "--json").json()}
    assert tuple(queues["nobody-reads"]) == wire.QUEUE_FIELDS
    assert queues["nobody-reads"]["ready"] == 5
    assert queues["nobody-reads"]["by_priority"]["3"] == 5
    assert queues["nobody-reads"]["state"] == "no consumer"
    assert queues["reports"]["state"] == "flowing"
    messages = site.umbel("queue", "show", "nobody-reads", "--json").json()
    assert [m["id"] for m in messages] == sent
    assert tuple(messages[0]) == wire.MESSAGE_FIELDS
    page = site.umbel("queue", "show", "nobody-reads", "--from", "1", "--limit", "2", "--json")
    assert [m["id"] for m in page.json()] == sent[1:3]
    assert "--from 3" in page.err
    unknown = site.umbel("queue", "show", "nowhere")
    assert (unknown.code, unknown.err.count("\n")) == (1, 1)


@pytest.mark.parametrize("words", [("tasks",), ("workers",), ("queues",), ("gaps",), ("doctor",)])
def test_what_people_read_is_a_table_without_escapes_when_piped(
    site: Site, words: tuple[str, ...]
) -> None:
    run = site.umbel(*words)
    assert run.code in (0, 1)
    assert "\x1b" not in run.out
    assert "foresee" not in run.err


def test_an_export_holds_every_task_under_the_public_names(site: Site) -> None:
    site.ended(site.cluster.send("add", 5, 5).id)
    total = len(site.tasks("--limit", "100000"))
    assert site.umbel("export", "all.csv").code == 0
    rows = list(csv.DictReader((site.folder / "all.csv").open()))
    assert len(rows) == total
    assert tuple(rows[0]) == wire.TASK_FIELDS
    lines = site.umbel("export", "-", "state:SUCCESS").out.splitlines()
    assert all(json.loads(line)["state"] == "SUCCESS" for line in lines)
    array = site.umbel("export", "-", "--format", "json")
    assert len(array.json()) == total
    assert not list(site.folder.glob(".*.part"))


def test_an_export_does_not_replace_a_file_unasked(site: Site) -> None:
    (site.folder / "kept.csv").write_text("mine")
    run = site.umbel("export", "kept.csv")
    assert (run.code, run.err.count("\n")) == (2, 1)
    assert (site.folder / "kept.csv").read_text() == "mine"
    assert site.umbel("export", "kept.csv", "--force", "name:nothing").code == 0
    header = next(csv.reader(io.StringIO((site.folder / "kept.csv").read_text())))
    assert tuple(header) == wire.TASK_FIELDS


def test_an_export_that_fails_leaves_nothing(site: Site) -> None:
    run = site.umbel("export", "/nonexistent/all.csv")
    assert (run.code, run.err.count("\n")) == (1, 1)
    assert "could not be written" in run.err


def test_a_reader_that_leaves_early_ends_a_listing_quietly(site: Site) -> None:
    done = subprocess.run(
        f"{UMBEL} export - | head -n 1; {UMBEL} tasks | head -n 1",
        shell=True,
        env=site.environment,
        cwd=site.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "Error" not in done.stderr
    assert "foresee" not in done.stderr
    assert len(done.stdout.splitlines()) == 2


def test_a_second_recorder_stands_by_and_says_so(site: Site) -> None:
    second = site.recorder("--log-format", "json")
    try:
        wait_until(lambda: "standing by" in site.log(), 20, site.log)
    finally:
        second.send_signal(signal.SIGINT)
        assert second.wait(20) == 0
    said = [json.loads(line) for line in site.log().splitlines() if line.startswith("{")]
    assert {"at", "level", "logger", "message"} == set(said[0])


def test_the_doctor_and_the_health_check_look_at_the_real_thing(site: Site) -> None:
    site.ended(site.cluster.send("fail", "for the failure rate").id)
    doctor = {each["check"]: each for each in site.umbel("doctor", "--json").json()}
    assert doctor["broker"]["level"] == "ok"
    assert doctor["recorder"]["level"] == "ok"
    assert doctor["schema"]["level"] == "ok"
    assert doctor["workers"]["level"] == "ok"
    assert doctor["acknowledgement"]["fix"]
    health = site.umbel("health", "--failures-warn", "100", "--failures-critical", "100", "--json")
    answer = health.json()
    assert answer["status"] == "ok", answer
    assert health.code == 0
    assert site.umbel("health", "--failures-warn", "0", "--failures-critical", "100").code == 1
    assert site.umbel("health", "--failures-warn", "0", "--failures-critical", "0").code == 2
    assert site.umbel("-b", "redis://127.0.0.1:1/0", "health").code == 2
    assert site.umbel("-b", "redis://127.0.0.1:1/0", "doctor").code == 3


def test_the_database_tells_where_it_is_and_who_writes(site: Site) -> None:
    status = site.umbel("db", "status", "--json").json()
    assert status["schema"] == status["newest"]
    assert status["recorder"]
    assert status["tasks"] == len(site.tasks("--limit", "100000"))
    again = site.umbel("db", "upgrade")
    assert (again.code, again.out.endswith("nothing to do.\n")) == (0, True)


def test_a_recorder_stopped_by_sigterm_has_written_all(site: Site, cluster: Cluster) -> None:
    environment = {**site.environment, "UMBEL_DB": "stopped.db"}
    other = Site(cluster, site.folder / "other", environment)
    other.folder.mkdir()
    recorder = other.recorder()
    try:
        wait_until(lambda: "recording" in other.log(), 20, other.log)
        # "recording" is said before the first event can arrive.
        wait_until(lambda: cluster.send("add", 0, 0) and other.tasks(), 20, other.log, every_s=0.3)
        result = cluster.send("add", 3, 4)
        assert result.get(timeout=10) == 7
    finally:
        recorder.send_signal(signal.SIGTERM)
    assert recorder.wait(20) == 0
    [task] = other.tasks(f"id:{result.id}")
    assert task["state"] == "SUCCESS"
    listed = other.umbel("tasks")
    assert "No recorder is running" in listed.err
    assert "No recorder is running" not in listed.out


def test_a_recorder_without_a_broker_or_database_says_so_and_ends(site: Site) -> None:
    nowhere = site.process("-b", "redis://127.0.0.1:1/0", "recorder")
    assert (nowhere.code, nowhere.err.count("\n")) == (3, 1)
    assert site.process("--db", "/proc/none/x.db", "recorder").code == 3

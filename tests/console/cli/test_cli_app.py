"""``-A`` and ``celery -A … umbel``: a user's app is read, never taken in."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.command import CELERY, Umbel, home_environment
from harness.waiting import wait_until
from umbel_backend.demo.processes import GuardedProcess
from umbel_backend.errors import InvalidValue
from umbel_console.app_configuration import plain, read_app

APP = """
from celery import Celery
from kombu import Queue
print("a banner that somebody's import prints")
app = Celery("shop", broker="redis://:secret@app-broker:6390/3", backend="redis://app-broker:6390/4")
app.conf.update(
    broker_transport_options={"global_keyprefix": "shop:", "hook": print},
    task_queues=[Queue("orders"), Queue("mail")],
    task_default_queue="orders",
    event_exchange="shopev",
)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with packages called ``backend`` and ``console``, and unlucky module names."""
    for package in ("backend", "console"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "backend" / "app.py").write_text("from console.names import NAME\n" + APP)
    (tmp_path / "console" / "names.py").write_text("NAME = 'console of the user'\n")
    for unlucky in ("tasks", "click", "json_", "textual", "configuration"):
        (tmp_path / f"{unlucky}.py").write_text("raise SystemExit('never import this')\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_app_in_a_package_called_backend_is_read_whole(project: Path) -> None:
    layer = read_app("backend.app")
    assert layer["broker"] == "redis://:secret@app-broker:6390/3"
    assert layer["result_backend"] == "redis://app-broker:6390/4"
    assert layer["transport_options"] == {"global_keyprefix": "shop:"}
    assert layer["queues"] == ("mail", "orders")
    assert layer["event_exchange"] == "shopev"


def test_reading_an_app_leaves_nothing_of_it_in_this_process(project: Path) -> None:
    read_app("backend.app")
    assert "backend" not in sys.modules
    assert "console" not in sys.modules


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("raise RuntimeError('no settings\\nfound')", "RuntimeError: no settings found."),
        ("import nowhere", "No module named 'nowhere'."),
        ("raise SystemExit(3)", "SystemExit: 3."),
        ("import os; os._exit(5)", "its process ended with code 5 and said nothing."),
        ("app = 3", "it is an int, not a Celery app."),
        ("import os; os.close(2); raise KeyError('x')", "KeyError: 'x'."),
    ],
)
def test_an_app_that_cannot_be_read_says_why_in_one_sentence(
    project: Path, code: str, told: str
) -> None:
    (project / "broken.py").write_text(code)
    with pytest.raises(InvalidValue) as raised:
        read_app("broken")
    assert str(raised.value).startswith("The Celery app 'broken' could not be read: ")
    assert str(raised.value).endswith(told)
    assert "\n" not in str(raised.value)


def test_an_app_that_never_finishes_its_import_is_given_up(project: Path) -> None:
    (project / "slow.py").write_text("import time; time.sleep(60)")
    with pytest.raises(InvalidValue, match="took longer than 1 s"):
        read_app("slow", limit_s=1)


def test_an_app_with_threads_that_never_end_is_read(project: Path) -> None:
    (project / "threads.py").write_text(
        "import threading; threading.Thread(target=threading.Event().wait).start()\n" + APP
    )
    assert read_app("threads")["queues"] == ("mail", "orders")


def test_what_has_no_json_form_is_left_out() -> None:
    class Odd:
        pass

    value = {"a": {1}, "b": Odd(), "c": None, "d": {"e": Path("/x"), "f": (Odd(), 2)}}
    assert plain(value) == {"a": [1], "c": None, "d": {"e": "/x", "f": [None, 2]}}


def celery(project: Path, home: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [CELERY, "-A", "backend.app", *words],
        cwd=project,
        env={**home_environment(home), **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_celery_offers_umbel_and_shows_its_help(project: Path, tmp_path: Path) -> None:
    done = celery(project, tmp_path, "umbel", "--help")
    assert done.returncode == 0, done.stderr
    assert "the operator console for Celery" in done.stdout
    assert "umbel" in celery(project, tmp_path, "--help").stdout


def test_celery_umbel_knows_the_apps_own_configuration(project: Path, tmp_path: Path) -> None:

    code = (
        "import json, dataclasses; from umbel_console.cli.session import Session;"
        "print(json.dumps(dataclasses.asdict(Session().context)))"
    )
    shown = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={
            **home_environment(tmp_path),
            "UMBEL_FROM_CELERY": json.dumps({"broker": "redis://x/0", "queues": ["a"]}),
            "UMBEL_BROKER": "redis://variable/0",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    context = json.loads(shown.stdout)
    assert (context["broker"], context["queues"]) == ("redis://x/0", ["a"])


def test_loading_the_celery_command_costs_click_and_nothing_else() -> None:
    code = (
        "import sys, click; before = set(sys.modules)\n"
        "import umbel_console.celery_command\n"
        "new = {m for m in set(sys.modules) - before}\n"
        "print(*sorted(m for m in new if m.split('.')[0] not in sys.stdlib_module_names))"
    )
    shown = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert shown.stdout.split() == ["umbel_console", "umbel_console.celery_command"]


def test_the_plain_umbel_reads_the_app_too(project: Path, umbel: Umbel) -> None:
    run = umbel("-A", "nowhere.app", "tasks", cwd=project)
    assert run.code == 2
    assert run.err.startswith("umbel: The Celery app 'nowhere.app' could not be read: ")
    assert run.err.count("\n") == 1


@pytest.mark.live
def test_a_project_called_backend_runs_its_worker_and_umbel_side_by_side(
    project: Path, tmp_path: Path, broker_url: str
) -> None:
    (project / "backend" / "app.py").write_text(
        "import console.names\n"
        "from celery import Celery\n"
        f"app = Celery('shop', broker={broker_url!r}, backend={broker_url!r})\n"
        "app.conf.task_default_queue = 'orders'\n"
        "@app.task\n"
        "def add(x, y): return x + y\n"
    )
    worker = GuardedProcess(
        [CELERY, "-A", "backend.app", "worker", "-P", "solo", "-n", "w1@shop", "-l", "INFO"],
        pid_file=tmp_path / "worker.pid",
        log=tmp_path / "worker.log",
        env=home_environment(tmp_path),
        cwd=project,
    )
    try:
        wait_until(lambda: "w1@shop ready." in worker.log_text(), 30, worker.log_text)
        assert celery(project, tmp_path, "call", "backend.app.add", "-a", "[1, 2]").returncode == 0
        wait_until(lambda: "succeeded" in worker.log_text(), 10, worker.log_text)
        done = celery(project, tmp_path, "umbel", "queues", "--json")
        assert done.returncode == 0, done.stderr
        assert [(q["name"], q["state"]) for q in json.loads(done.stdout)] == [("orders", "flowing")]
        done = celery(project, tmp_path, "umbel", "workers", "--json")
        assert [w["hostname"] for w in json.loads(done.stdout)] == ["w1@shop"]
        wrong = celery(project, tmp_path, "umbel", "task", "none")
        assert wrong.returncode == 1
    finally:
        worker.end()

"""Exit codes, sentences and streams of the command as its users meet them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.command import UMBEL, Umbel
from umbel_console.cli.group import COMMANDS, root

NOWHERE = "redis://127.0.0.1:1/0"


def test_the_version_is_told(umbel: Umbel) -> None:
    run = umbel("--version")
    assert (run.code, run.err) == (0, "")
    assert run.out.startswith("umbel 0.")


def test_help_names_every_command_as_the_command_does_itself() -> None:
    with root.make_context("umbel", ["--help"], resilient_parsing=True) as context:
        for name, (_, line) in COMMANDS.items():
            command = root.get_command(context, name)
            assert command is not None
            told = command.get_short_help_str(limit=200).rstrip(".")
            assert line.split(",")[0].rstrip(".").split()[0] == told.split()[0], name


@pytest.mark.parametrize("command", [*COMMANDS, "worker show", "queue show", "db upgrade"])
def test_every_command_has_help(umbel_inside: Umbel, command: str) -> None:
    run = umbel_inside(*command.split(), "--help")
    assert run.code == 0
    assert run.out.startswith("Usage: umbel ")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "The console needs a terminal"),
        (("nonsense",), "No such command 'nonsense'. Try: umbel --help"),
        (("--nonsense",), "No such option"),
        (("tasks", "--limit", "none"), "Invalid value for '--limit'"),
        (("tasks", "--limit", "0"), "Invalid value for '--limit'"),
        (("tasks", "-x:1"), "A filter that begins with - is written after --."),
        (("tasks", "-b", NOWHERE), "-b goes before the command: umbel -b … tasks."),
        (("task",), "Missing argument 'ID'"),
        (("completion", "csh"), "'csh' is not one of"),
        (("demo", "--headless", "soon"), "'soon' is not a duration"),
        (("-b", NOWHERE, "demo"), "The demo brings its own cluster"),
        (("--context", "nowhere", "tasks"), "There is no context 'nowhere' (--context)"),
        (("--config", "none.toml", "tasks"), "none.toml does not exist"),
        (("-b", "nonsense", "queues"), "is not a broker URL"),
        (("--db", "mysql://x/y", "tasks"), "in SQLite or PostgreSQL, not in mysql"),
    ],
)
def test_a_wrong_command_line_is_told_in_one_sentence(
    umbel_inside: Umbel, words: tuple[str, ...], told: str
) -> None:
    run = umbel_inside(*words)
    assert told in run.err
    assert run.err.startswith("umbel: ")
    assert run.err.count("\n") == 1
    assert (run.code, run.out) == (2, "")


def test_a_mistake_in_a_filter_is_pointed_at(umbel_inside: Umbel) -> None:
    run = umbel_inside("tasks", "state:FAILURE", "quue:high")
    assert run.code == 2
    sentence, text, carets = run.err.rstrip("\n").split("\n")
    assert sentence.startswith('umbel: There is no field "quue", did you mean queue?')
    assert text == "  state:FAILURE quue:high"
    assert carets == "                ^^^^"


@pytest.mark.parametrize("command", ["workers", "queues", "worker show w1", "queue show high"])
def test_a_broker_that_is_not_there_is_exit_code_3(umbel: Umbel, command: str) -> None:
    run = umbel("-b", "redis://:secret@127.0.0.1:1/0", *command.split())
    assert (run.code, run.out) == (3, "")
    assert run.err.startswith("umbel: The broker redis://:***@127.0.0.1:1/0 cannot be reached")
    assert run.err.count("\n") == 1


def test_a_database_that_cannot_be_opened_is_exit_code_3(
    umbel_inside: Umbel, tmp_path: Path
) -> None:
    (tmp_path / "text.db").write_text("this is no database, but it is long enough to be looked at")
    run = umbel_inside("--db", "text.db", "tasks")
    assert (run.code, run.out) == (3, "")
    assert run.err.count("\n") == 1


def test_an_unforeseen_failure_is_one_sentence_and_a_log(umbel: Umbel, tmp_path: Path) -> None:
    # A folder where the configuration's own folder should be makes no sense to anybody.
    code = (
        "import sys; sys.argv = ['umbel', 'tasks']\n"
        "import umbel_console.cli.tasks as tasks\n"
        "def fail(*_): raise ZeroDivisionError('a\\x1b[31m secret of a task')\n"
        "tasks.read_filter = fail\n"
        "from umbel_console.cli import main; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"XDG_STATE_HOME": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    log = tmp_path / "umbel" / "log" / "umbel.log"
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "\x1b" not in done.stderr
    assert "Traceback" not in done.stderr
    assert str(log) in done.stderr
    assert "Traceback" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_reader_that_leaves_early_is_no_failure(environment: dict[str, str]) -> None:
    with subprocess.Popen(
        [UMBEL, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(30) == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed_without_the_shell(umbel_inside: Umbel, shell: str) -> None:
    run = umbel_inside("completion", shell, PATH="/nonexistent")
    assert (run.code, run.err) == (0, "")
    assert "_UMBEL_COMPLETE" in run.out


def completions(umbel: Umbel, line: str) -> list[str]:
    words = line.split(" ")
    run = umbel(_UMBEL_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1))
    return [each.partition(",")[2] for each in run.out.split()]


def test_commands_options_and_fields_are_completed(umbel_inside: Umbel) -> None:
    assert completions(umbel_inside, "umbel wor") == ["workers", "worker"]
    assert "--broker" in completions(umbel_inside, "umbel --b")
    assert "queue:" in completions(umbel_inside, "umbel tasks que")
    assert "state:FAILURE" in completions(umbel_inside, "umbel tasks state:F")


def test_bash_which_splits_at_colons_completes_values_too(umbel_inside: Umbel) -> None:
    assert completions(umbel_inside, "umbel tasks state : F") == ["FAILURE"]
    assert "SUCCESS" in completions(umbel_inside, "umbel tasks state :")
    assert "compopt -o nospace" in umbel_inside("completion", "bash").out


def test_the_command_line_starts_without_what_it_does_not_need(tmp_path: Path) -> None:
    code = (
        "import sys; from umbel_console.cli.entry import run\n"
        "run(['--help'])\n"
        "import umbel_console.cli.tasks\n"
        "print([m for m in ('textual', 'celery', 'kombu', 'redis') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("words", "unneeded"),
    [
        (
            ["--version"],
            ("textual", "celery", "kombu", "redis", "sqlalchemy", "msgspec", "asyncio"),
        ),
        (["tasks", "--help"], ("textual", "celery", "kombu", "redis", "sqlalchemy", "asyncio")),
    ],
)
def test_a_short_command_imports_little(words: list[str], unneeded: tuple[str, ...]) -> None:
    code = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print([m for m in {unneeded!r} if m in sys.modules]))\n"
        "from umbel_console.cli import main\n"
        f"sys.argv = ['umbel', *{words!r}]\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"

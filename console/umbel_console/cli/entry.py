"""From the process to a command and back: streams, exit codes, and one plain sentence per error."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from umbel_backend.errors import InvalidFilter, UmbelError
from umbel_console.cli.group import root
from umbel_console.cli.output import plain, print_error

if TYPE_CHECKING:
    from pathlib import Path

COMPLETE_VARIABLE = "_UMBEL_COMPLETE"

_INTERRUPTED = 130


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; see `umbel_console.cli.main`."""
    _prepare_streams()
    args = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _finish(_invoke(args))
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        return _reader_left()


def _invoke(args: list[str]) -> int:
    instruction = os.environ.get(COMPLETE_VARIABLE)
    if instruction:
        from click.shell_completion import shell_complete

        return shell_complete(root, {}, "umbel", COMPLETE_VARIABLE, instruction)
    try:
        with root.make_context("umbel", args) as context:
            answer = root.invoke(context)
        return answer if isinstance(answer, int) else 0
    except click.exceptions.Exit as done:
        return done.exit_code
    except (click.Abort, EOFError):
        return _INTERRUPTED
    except click.UsageError as error:
        print_error(_usage_sentence(error))
        return 2
    except click.ClickException as error:
        print_error(error.format_message())
        return 2
    except InvalidFilter as error:
        print_error(f"{_sentence(error.problem)}\n{_pointed_at(error)}")
        return error.exit_code
    except UmbelError as error:
        print_error(_sentence(str(error)))
        return error.exit_code
    except BrokenPipeError:
        raise
    except Exception as error:
        print_error(_unexpected(error))
        return 1


def _prepare_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _finish(code: int) -> int:
    # What is still buffered may find the reader gone; that must surface here, not at shutdown.
    sys.stdout.flush()
    return code


def _reader_left() -> int:
    """End quietly when whoever read our output (``| head``) has what it wanted."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if text.endswith((".", "?", "!", ")")) else f"{text}."


def _usage_sentence(error: click.UsageError) -> str:
    sentence = _sentence(error.format_message())
    path = error.ctx.command_path if error.ctx else "umbel"
    if isinstance(error, click.NoSuchOption) and error.ctx and error.ctx.parent:
        name, command = error.option_name, path.partition(" ")[2]
        if any(name in option.opts for option in root.params):
            return f"{name} goes before the command: umbel {name} … {command}."
        if any(parameter.name == "filter_words" for parameter in error.ctx.command.params):
            sentence += " A filter that begins with - is written after --."
    return f"{sentence} Try: {path} --help"


def _pointed_at(error: InvalidFilter) -> str:
    """Return the filter with a line of carets under what is wrong in it."""
    from umbel_console.render.text import width_of

    text = plain(error.text)
    before = plain(error.text[: error.position])
    wrong = plain(error.text[error.position : error.position + error.length])
    return f"  {text}\n  {' ' * width_of(before)}{'^' * max(1, width_of(wrong))}"


def log_path() -> Path:
    """Return the file that tells more about a failure nobody foresaw."""
    import platformdirs

    return platformdirs.user_log_path("umbel") / "umbel.log"


def _unexpected(error: Exception) -> str:
    import traceback
    from datetime import UTC, datetime

    name = type(error).__name__
    first = f"{name}: {str(error).splitlines()[0][:200]}" if str(error) else name
    path = log_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Messages of foreign exceptions can hold task data.
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as log:
            log.write(f"{datetime.now(UTC).isoformat()} umbel {' '.join(sys.argv[1:2])}\n")
            log.write("".join(traceback.format_exception(error)) + "\n")
    except OSError as problem:
        return f"{_sentence(first)} Umbel did not foresee this; {path}: {problem.strerror}."
    return f"{_sentence(first)} Umbel did not foresee this; the details are in {path}."

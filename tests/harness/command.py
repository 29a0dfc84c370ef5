"""The installed ``umbel`` command, run as a user runs it, in a home folder of the test's own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

UMBEL = str(Path(sys.executable).with_name("umbel"))
CELERY = str(Path(sys.executable).with_name("celery"))


@dataclass(frozen=True)
class Run:
    """What one command line answered."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Return stdout read as JSON."""
        return json.loads(self.out)


Umbel = Callable[..., Run]
"""``umbel("tasks", "--json", cwd=…, timeout_s=…, UMBEL_DB=…)``; keywords in capitals are variables."""


def home_environment(home: Path) -> dict[str, str]:
    """Return an environment in which nothing of the machine's user is seen."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "LC_ALL": "C.UTF-8",
    }


def run_umbel(*words: str, environment: dict[str, str], cwd: Path, timeout_s: float = 60.0) -> Run:
    """Run ``umbel`` with ``words`` to its end, without a terminal."""
    done = subprocess.run(
        [UMBEL, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment,
        cwd=cwd,
        timeout=timeout_s,
        check=False,
    )
    return Run(
        done.returncode,
        done.stdout.decode(errors="surrogateescape"),
        done.stderr.decode(errors="surrogateescape"),
    )


def run_inside(*words: str, environment: dict[str, str], cwd: Path) -> Run:
    """Run ``umbel`` in this process, which saves its start; for what does not depend on one.

    Streams, variables and the folder are those of a process of its own.
    """
    from umbel_console.cli import main

    out, err = _stream(), _stream()
    with (
        mock.patch.dict(os.environ, environment, clear=True),
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = main(words)
    return Run(code, _text(out), _text(err))


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n")


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode(errors="surrogateescape")

"""The ``umbel`` command for these tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.command import Run, Umbel, home_environment, run_inside, run_umbel


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return home_environment(tmp_path)


@pytest.fixture
def umbel(tmp_path: Path, environment: dict[str, str]) -> Umbel:
    """Return a function that runs ``umbel`` with words, and with variables over the environment."""

    def run(*words: str, cwd: Path = tmp_path, timeout_s: float = 60, **variables: str) -> Run:
        return run_umbel(
            *words, environment={**environment, **variables}, cwd=cwd, timeout_s=timeout_s
        )

    return run


@pytest.fixture
def umbel_inside(tmp_path: Path, environment: dict[str, str]) -> Umbel:
    """Return the same as `umbel`, but run in this process: quick, for what needs no real one."""

    def run(*words: str, cwd: Path = tmp_path, **variables: str) -> Run:
        return run_inside(*words, environment={**environment, **variables}, cwd=cwd)

    return run
